"""Structured exceptions as people know them: the trace their language prints, which the logs' own readers understand.

What a trace of another language than Python is about is read back from its text by those readers: so the same crash
gives the same incident, whoever saw it, and nobody has to keep two sets of rules alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Frame
from nightshift.monitors.logs.languages import golang, php, ruby, rust, stack
from nightshift.monitors.logs.traceback import CONTEXT, GROUP, HEADER, Trace, choose
from nightshift.monitors.sentry.exceptions import Thrown

Lines = Iterator[str]


def told(raised: Sequence[Thrown], platform: str, *, fatal: bool) -> tuple[Trace | None, str]:
    """What the exceptions are about, and the text of their trace. `fatal`: the program ended of them."""
    if not raised:
        return None, ""
    if platform == "python":
        return choose(list(raised)), "\n".join(_python(raised))
    chain = [one for one in raised if not one.member] or list(raised)
    if platform == "go":
        platform = "panic" if fatal else "go"
    elif platform == "native" and chain[-1].exception == "panic":
        platform = "rust"
    printed, parse = _LANGUAGES.get(platform, (_plain, None))
    lines = list(printed(chain))
    trace = parse(lines) if parse else None
    if trace is None or not trace.exception or _lost(trace, chain):
        deepest = next((one for one in chain if any(in_app(frame.path) for frame in one.frames)), chain[-1])
        trace = choose([deepest] if parse else list(chain))
    return trace and _with_code(trace, chain), "\n".join(lines)


def _lost(trace: Trace, chain: Sequence[Thrown]) -> bool:
    """Whether the text tells of fewer places than the event: a bundler's addresses are no paths for a log's reader.

    A runtime's own frames may go, as they do in Go and Rust.
    """
    if any(in_app(frame.path) for frame in trace.frames) and trace.exception.startswith("panic"):
        return False
    same = [one for one in chain if one.exception == trace.exception] or list(chain)
    return all(_placed(trace.frames) < _placed(one.frames) for one in same)


def _placed(frames: Sequence[Frame]) -> int:
    return sum(1 for frame in frames if frame.path and frame.line)


def _with_code(trace: Trace, chain: Sequence[Thrown]) -> Trace:
    """A text's frames with what only the event knows: source lines and variables."""
    frames, lines = list(trace.frames), [frame.line for frame in trace.frames]
    for one in chain:
        own = one.frames
        if own and lines[-len(own) :] == [frame.line for frame in own]:
            tail = [replace(f, code=o.code, locals=o.locals) for f, o in zip(frames[-len(own) :], own, strict=True)]
            return replace(trace, frames=(*frames[: -len(own)], *tail))
    return trace


def _last(one: Thrown) -> str:
    return f"{one.exception}: {one.message}".removesuffix(": ")


# ---------------------------------------------------------------- Python


def _python(raised: Sequence[Thrown]) -> Lines:
    chain, members = [one for one in raised if not one.member], [one for one in raised if one.member]
    for number, one in enumerate(chain):
        if number:
            yield from ("", CONTEXT, "")
        if one is chain[-1] and members:
            yield from _group(one, members)
        else:
            yield from _traceback(one)
    if not chain:
        for one in members:
            yield from _traceback(one)


def _traceback(one: Thrown) -> Lines:
    if one.frames:
        yield f"{HEADER}:"
    for frame in one.frames:
        yield f'  File "{frame.path}", line {frame.line}, in {frame.function}'
        if frame.code:
            yield f"    {frame.code}"
    yield from _last(one).splitlines()


def _group(one: Thrown, members: Sequence[Thrown]) -> Lines:
    """As `traceback` prints groups."""
    head, *rest = list(_traceback(one))
    yield from (f"  {GROUP}{head}", *(f"  | {line}" for line in rest)) if one.frames else (f"  | {head}",)
    for number, member in enumerate(members, 1):
        yield f"  {'+-' if number == 1 else '  '}+---------------- {number} ----------------"
        yield from (f"    | {line}" for line in _traceback(member))
    yield "    +------------------------------------"


# ---------------------------------------------------------------- other languages: what was raised first, then causes


def _java(chain: Sequence[Thrown]) -> Lines:
    for number, one in enumerate(reversed(chain)):
        yield ("Caused by: " if number else "") + _last(one)
        for frame in reversed(one.frames):
            file = frame.path or "Unknown Source"
            yield f"\tat {frame.function}({file}:{frame.line})" if frame.line else f"\tat {frame.function}({file})"


def _node(chain: Sequence[Thrown]) -> Lines:
    for depth, one in enumerate(reversed(chain)):
        caused = depth < len(chain) - 1
        yield ("  " * depth + "[cause]: " if depth else "") + _last(one)
        places = list(reversed([*_places(one)]))
        for number, place in enumerate(places, 1):
            yield "  " * depth + f"    at {place}" + (" {" if caused and number == len(places) else "")
    yield from ("  " * depth + "}" for depth in range(len(chain) - 2, -1, -1))


def _places(one: Thrown) -> Iterator[str]:
    columns = one.columns or [0] * len(one.frames)
    for frame, column in zip(one.frames, columns, strict=True):
        place = f"{frame.path}:{frame.line}:{column or 1}" if frame.line else frame.path or "<anonymous>"
        yield f"{frame.function} ({place})" if frame.function else place


def _net(chain: Sequence[Thrown]) -> Lines:
    """Inner exceptions stand inside the outer one, before its frames."""
    for number, one in enumerate(reversed(chain)):
        yield (" ---> " if number else "") + _last(one)
    for number, one in enumerate(chain):
        if number:
            yield "   --- End of inner exception stack trace ---"
        for frame in reversed(one.frames):
            place = f" in {frame.path}:line {frame.line}" if frame.line else ""
            yield f"   at {frame.function}(){place}"


def _panic(chain: Sequence[Thrown]) -> Lines:
    yield f"panic: {chain[-1].message}"
    yield from ("", "goroutine 1 [running]:", *_calls(chain))


def _go(chain: Sequence[Thrown]) -> Lines:
    yield from (_last(chain[-1]), *_calls(chain))


def _calls(chain: Sequence[Thrown]) -> Lines:
    frames: Sequence[Frame] = next((one.frames for one in reversed(chain) if one.frames), [])
    for frame in reversed(frames):
        yield from (f"{frame.function}(...)", f"\t{frame.path}:{frame.line}")


def _rust(chain: Sequence[Thrown]) -> Lines:
    one = chain[-1]
    last = one.frames[-1] if one.frames else Frame(path="<unknown>", line=0, function="")
    yield from (f"thread '<unnamed>' panicked at {last.path}:{last.line}:1:", one.message, "stack backtrace:")
    for number, frame in enumerate(reversed(one.frames)):
        yield f"{number:4}: {frame.function}"
        yield f"             at {frame.path}:{frame.line}"


def _ruby(chain: Sequence[Thrown]) -> Lines:
    for one in reversed(chain):
        *callers, last = one.frames or [Frame(path="(unknown)", line=0, function="")]
        first, *rest = one.message.splitlines() or [""]
        first = first.removesuffix(f" ({one.exception})")
        yield f"{last.path}:{last.line}:in `{last.function}': {first} ({one.exception})"
        yield from rest
        for frame in reversed(callers):
            yield f"\tfrom {frame.path}:{frame.line}:in `{frame.function}'"


def _php(chain: Sequence[Thrown]) -> Lines:
    """PHP gives the caller's place with the callee's name."""
    for number, one in enumerate(chain):
        inward = list(reversed(one.frames)) or [Frame(path="unknown", line=0, function="")]
        place = f"{inward[0].path}:{inward[0].line}"
        yield ("\nNext " if number else "PHP Fatal error:  Uncaught ") + f"{_last(one)} in {place}"
        yield "Stack trace:"
        for at, (callee, frame) in enumerate(pairwise(inward)):
            where = "[internal function]" if frame.path == "[internal]" else f"{frame.path}({frame.line})"
            yield f"#{at} {where}: {callee.function}()"
        yield f"#{len(inward) - 1} {{main}}"


def _plain(chain: Sequence[Thrown]) -> Lines:
    for one in reversed(chain):
        yield _last(one)
        yield from (f"    at {place}" for place in reversed([*_places(one)]))


_LANGUAGES: dict[str, tuple[Callable[[Sequence[Thrown]], Lines], Callable[[Sequence[str]], Trace | None] | None]] = {
    "java": (_java, stack.parse), "node": (_node, stack.parse), "javascript": (_node, stack.parse),
    "csharp": (_net, stack.parse), "panic": (_panic, golang.parse), "go": (_go, None), "rust": (_rust, rust.parse),
    "ruby": (_ruby, ruby.parse), "php": (_php, php.parse),
}  # fmt: skip
