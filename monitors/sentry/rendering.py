"""Structured exceptions as people know them: the trace their language prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nightshift.monitors.logs.traceback import CONTEXT, HEADER, Raised


def render(raised: Sequence[Raised], *, python: bool) -> str:
    """A traceback for Python, else a stack with the innermost call first."""
    texts = ["\n".join(_python(one) if python else _stack(one)) for one in raised]
    return (f"\n\n{CONTEXT}\n\n" if python else "\n").join(texts)


def _python(one: Raised) -> Iterator[str]:
    if one.frames:
        yield f"{HEADER}:"
    for frame in one.frames:
        yield f'  File "{frame.path}", line {frame.line}, in {frame.function}'
        if frame.code:
            yield f"    {frame.code}"
    yield _last(one)


def _stack(one: Raised) -> Iterator[str]:
    yield _last(one)
    for frame in reversed(one.frames):
        place = f"{frame.path}:{frame.line}"
        yield f"    at {frame.function} ({place})" if frame.function else f"    at {place}"


def _last(one: Raised) -> str:
    return f"{one.exception}: {one.message}".removesuffix(": ")
