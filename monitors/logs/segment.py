"""Where events begin and end in a stretch of log: whole traces of every language, error records, JSON records.

Works on buffers of complete lines and keeps no state between calls: what can't be told yet is left unread, and the
caller shows it again with more behind it. So the result is the same in whatever pieces the bytes come, and the
offset to restart from is simply where the unread part starts. `kernel/` holds the same rules compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nightshift.monitors.logs.json_bytes import json_is_event
from nightshift.monitors.logs.lines import is_bad, starts_record
from nightshift.monitors.logs.tangle import untangle
from nightshift.monitors.logs.writers import LOOK_AHEAD, alone, prefixed, shares, writers

PYTHON, STACK, GO, RUST, RUBY, PHP, JSON, LINE, TANGLED = range(9)
HEADER = b"Traceback (most recent call last)"
_CHAINS = (b"The above exception was the direct cause", b"During handling of the above exception")
_OTHERS = (b"panic: ", b"fatal error: ", b"thread '", b"goroutine ")
MAX_BYTES = 256 << 10
"""Bytes of one event; what is longer is cut there."""
_AHEAD, _BEHIND, _MESSAGE_LINES, _MATCHED = 4, 16, 30, 2000

_AT = re.compile(rb"(?:\t+| {2,})at \S")
_STACK_MORE = re.compile(
    rb"\s+at \S|\s*\.\.\. \d+ (?:more|common frames|lines? matching)|\s*(?:Caused by|Suppressed|W"
    rb"rapped by): ?|\s*---> |\s+--- End of"
    rb"|\s*\[cause\]: |\s+\[(?:cause|errors)\]: |[}\]],?$|\s*Node\.js v\d|\s+[\w$'\"]+: |  {0,3}[}\]]"
)
_HEAD = re.compile(rb"(?:[A-Za-z_$][\w$]*[./])*[A-Z][\w$]*(?:Exception|Error|Throwable|Failure|Fault|Abort|Interrupt)\b"
                   rb"|(?:^|[\s:\]])Error(?::|$)|Caused by: |Unhandled exception|Exception in thread"
                   rb"|Uncaught")  # fmt: skip
_RAISED = re.compile(rb"[A-Za-z_\x80-\xff][\w.\x80-\xff]*(?:<locals>[\w.]*)?(?::(?: .*)?)?$", re.DOTALL)
_GO_FRAME = re.compile(rb"\t\S.*:\d+|created by |\[signal |exit status |goroutine \d+ |\tpanic: |panic: "
                       rb"|\.\.\.additional"
                       rb"|[^\s(]+(?:\(\*?[\w.\[\]]+\))?[\w.\[\]/%*-]*\(.*\)$|\[recovered\]|runtime stack:|rax |\S+ "
                       rb"+0x[0-9a-f]+$")  # fmt: skip
_PLACED = re.compile(rb"\s+at (?:[^\s(]*\.[^\s(]+\(|.*:\d+:\d+\)?[\s,{]*$|.* \((?:<anonymous>|native|index \d+)\))")
_NAMED = re.compile(rb"(?:[A-Za-z_$][\w$]*[./])*[A-Z][\w$]*(?: \[\w+\])?(?:: |:?$)|\[[A-Z][\w$]*Error: ")
_CAUSE = re.compile(rb"Caused by: |Suppressed: ")
_INNER = re.compile(rb"\s|Caused by: |Suppressed: |Wrapped by: ")
_RUST_FRAME = re.compile(rb"stack backtrace:|\s+\d+: |\s+at |note: |  {2,}\S")
_RUST_BACKTRACE = re.compile(rb"stack backtrace:$|note: run with `RUST_BACKTRACE")
_RUST_OLD_END = re.compile(rb".*', \S.*:\d+:\d+$")
_RUBY_CRASH = re.compile(rb":\d+:in [`'][^']{1,300}': (?:.*\([A-Z][\w:]*\)|unhandled exception)$")
_RUBY_HEAD = re.compile(rb".*:\d+:in ")
_RUBY_FRAME = re.compile(rb"\s+(?:\d+: )?from .*:\d+(?::in )?")
_RUBY_BARE = re.compile(rb"\s*(?!from )[^\s:][^:]{0,300}:\d+:in [`'][^']{1,300}'$")
_RUBY_LOGGED = re.compile(rb".* \([A-Z][\w:]*\)$|(?:.*\s)?[A-Z][\w:]* \(.*\):?$")
_RUBY_BOTTOM = re.compile(rb"\s+\d+: from ")
_PHP_FATAL = re.compile(rb".*(?:PHP (?:Fatal|Parse|Recoverable fatal) error: |Fatal error: +Uncaught )")
_PHP_LOGGED = re.compile(rb"(?:\[[^\]]*\] )?(?:.*[\s\"])?[A-Za-z_][\w\\]*: |.*\[object\] \(")
_PHP_FRAME = re.compile(
    rb"(?:\[[^\]]*\] )?(?:PHP )?(?:Stack trace:|#\d+ |\s+thrown in |Next [A-Z\\]|  thrown|\s+\d+\. "
    rb"|\[(?:previous )?(?:stacktrace|exception)\]|\"\} ?$)"
)


def keep_from(text: Text, at: int = -1) -> int:
    """Where the lines start that what follows `at` (or the end) may belong to: at the floor, or a few lines before."""
    at = text.stop if at < 0 else at
    for _ in range(_BEHIND + 1):
        above = text.above(at)
        if above < 0:
            break
        at = above
    return at


class Block(NamedTuple):
    """One event: `kind`, from `start` to before `end`; `parts` are its lines when others' lie in between."""

    kind: int
    start: int
    end: int
    parts: tuple[tuple[int, bytes], ...] = ()


class NeedMore(Exception):
    """What began at `start` may go on behind the last line; `ended` when it is complete as it is."""

    def __init__(self, start: int, *, ended: bool) -> None:
        super().__init__(start)
        self.start, self.ended = start, ended


class Text:
    """Complete lines in `buffer[floor:stop]`; `final` says that nothing will follow. `form` is auto, plain or json;
    `errors` says whether records without a trace count, `nested` that it is one writer's part of a text.

    Lines below `floor` are spoken for; between `low` and there only by events of one line."""

    __slots__ = ("buffer", "errors", "final", "floor", "form", "line_bytes", "low", "nested", "stop")

    def __init__(
        self, buffer: bytes | bytearray, floor: int, stop: int, *, final: bool, form: str = "auto",
        errors: bool = True, line_bytes: int = 1 << 20, nested: bool = False, low: int | None = None,
    ) -> None:  # fmt: skip
        self.buffer, self.floor, self.stop, self.final = buffer, floor, stop, final
        self.low = floor if low is None else low
        self.form, self.errors, self.line_bytes, self.nested = form, errors, line_bytes, nested

    def line(self, at: int) -> bytes:
        """The line that starts at `at`, without its newline."""
        return bytes(self.buffer[at : min(self.end(at), at + self.line_bytes)]).rstrip(b"\r")

    def end(self, at: int) -> int:
        """Where the line's newline is."""
        found = self.buffer.find(b"\n", at, self.stop)
        return self.stop if found < 0 else found

    def endless(self, at: int) -> bool:
        """Whether a line is so long that it was cut: it ends every event."""
        return self.end(at) - at >= self.line_bytes

    def after(self, at: int) -> int:
        """The start of the next line; `stop` when there is none."""
        return min(self.end(at) + 1, self.stop)

    def start_of(self, position: int) -> int:
        """The start of the line a position lies in."""
        return max(self.buffer.rfind(b"\n", self.floor, position) + 1, self.floor)

    def before(self, at: int) -> int:
        """The start of the line before; -1 when that one is spoken for."""
        return self.start_of(at - 1) if at > self.floor else -1

    def above(self, at: int) -> int:
        """The start of the line before, also of one that is spoken for; -1 when there is none."""
        return max(self.buffer.rfind(b"\n", self.low, at - 1) + 1, self.low) if at > self.low else -1

    def took(self, start: int, end: int) -> None:
        """An event was found there."""
        self.floor = max(self.floor, end)
        if end > self.after(start):
            self.low = self.floor


def segment(text: Text, hits: Sequence[int]) -> Iterator[Block]:
    """The events around the hits of the prefilter, in order. Raises NeedMore for one that isn't over yet."""
    for hit in hits:
        if hit >= text.floor:
            yield from _at(text, text.start_of(hit))


def _at(text: Text, at: int) -> Iterator[Block]:
    for block in found(text, at):
        yield block
        text.took(block.start, block.end)


def found(text: Text, at: int) -> Sequence[Block]:
    """The event the line at `at` belongs to, if any. Raises NeedMore."""
    line = text.line(at)
    if line[:1] == b"{" and text.form != "plain":
        return [Block(JSON, at, text.after(at))] if json_is_event(line) else []
    if text.form == "json":
        return []
    if not text.nested and _is_shared(text, at, line) and (several := writers(text, at)) is not None:
        return several
    header = line.find(HEADER)
    if header >= 0 and (header or line[len(HEADER) :].strip() not in (b":", b"")):
        return [Block(LINE, at, text.after(at))] if b"\\n" in line[header:] else untangle(text, at, at)
    begun = _trace_at(text, at, line)
    if begun is None and line[:8] == b'  File "':
        return untangle(text, at, _record_before(text, at))
    if begun is None and text.errors and is_bad(line):
        begun = _behind_record(text, at)
    if begun is None:
        return []
    kind, start, body = begun
    end = _ENDS[kind](text, start, body) if kind != LINE else body
    if kind == STACK:
        return [_uninterrupted(text, start, end)]
    return untangle(text, body, start) if end < 0 else [Block(kind, start, end)]


def _is_shared(text: Text, at: int, line: bytes) -> bool:
    """Whether a writer's prefix stands before a line of a trace, here or, for an error record, shortly after."""
    if line[:1].isspace() or line.startswith(HEADER):
        return False
    if prefixed(line) is not None:
        return not alone(_next(text, at))
    fatal = b"atal error: " in line and b"Uncaught " in line
    if not fatal and not (text.errors and is_bad(line)):
        return False
    here = at
    for _ in range(_MESSAGE_LINES if fatal else LOOK_AHEAD):
        here = text.after(here)
        if here >= text.stop:
            if fatal and not text.final:
                raise NeedMore(at, ended=True)
            break
        if fatal and alone(text.line(here)):
            break
        core = prefixed(text.line(here))
        if core is not None and shares(core, line):
            return True
    return False


def _trace_at(text: Text, at: int, line: bytes) -> tuple[int, int, int] | None:
    """(kind, start of the event, where its body starts) when a trace of some language starts at this line."""
    if line.startswith(HEADER):
        kind = RUBY if _RUBY_BOTTOM.match(_next(text, at)) else PYTHON
        return kind, _record_before(text, at), at
    if _AT.match(line):
        return _stack_head(text, at)
    if (line.startswith((b"panic: ", b"fatal error: ")) and _soon(text, at, (b"goroutine ", b"runtime stack:"))) or (
        line.startswith(b"goroutine ") and line.endswith(b"]:")
    ):
        above = text.before(at)
        recovered = line[:1] == b"g" and above >= 0 and b"panic" in text.line(above)
        return GO, above if recovered else at, at
    if b"panicked at" in line and line.startswith((b"thread '", b"thread <")):
        return RUST, at, at
    if line.startswith((b"Stack trace:", b"[stacktrace]")):
        head = _head_above(text, at, _PHP_LOGGED)
        return None if head < 0 else (PHP, head, head)
    if _PHP_FATAL.match(line[:_MATCHED]):
        return PHP, at, at
    if b":in `" in line or b":in '" in line or b"from " in line[:12]:
        return _ruby_at(text, at, line[:_MATCHED])
    return None


def _next(text: Text, at: int) -> bytes:
    """The line after one; b'' when none will come. Raises NeedMore when it has not come yet."""
    after = text.after(at)
    if after >= text.stop and not text.final:
        raise NeedMore(_record_before(text, at), ended=False)
    return text.line(after) if after < text.stop else b""


def _head_above(text: Text, at: int, pattern: re.Pattern[bytes], lines: int = _AHEAD) -> int:
    """The nearest line above that fits, -1 without one; a record's first line is the last that is looked at."""
    for _ in range(lines):
        at = text.before(at)
        if at < 0:
            break
        line = text.line(at)
        if pattern.match(line[:_MATCHED]):
            return at
        if starts_record(line):
            break
    return -1


def _ruby_at(text: Text, at: int, line: bytes) -> tuple[int, int, int] | None:
    """An uncaught exception's own line, the first frame of one, or the first line of a backtrace somebody logged."""
    if _RUBY_CRASH.search(line):
        return RUBY, _record_before(text, at), at
    if _RUBY_FRAME.match(line):
        head = text.before(at)
        return (
            (RUBY, _record_before(text, head), head)
            if head >= 0 and _RUBY_HEAD.match(text.line(head)[:_MATCHED])
            else None
        )
    if _RUBY_BARE.match(line):
        head = _head_above(text, at, _RUBY_LOGGED)
        return None if head < 0 else (RUBY, _record_before(text, head), head)
    return None


def _record_before(text: Text, at: int) -> int:
    """The start of the error record right before a trace, or of the trace itself."""
    before = text.before(at)
    if before < 0 or starts_record(text.line(at)):
        return at
    line = text.line(before)
    return before if line[:1] != b"{" and starts_record(line) and is_bad(line) else at


def _stack_head(text: Text, at: int) -> tuple[int, int, int] | None:
    """The exception line above the first frame: the nearest that names one; without one it is no trace.

    What stands indented or is called a cause belongs to an exception above it, if there is one.
    """
    head, above, near = -1, text.before(at), True
    placed = _PLACED.match(text.line(at)[:_MATCHED]) is not None
    for _ in range(_BEHIND if placed else _AHEAD):
        if above < 0 or text.endless(above):
            break
        line = text.line(above)[:_MATCHED]
        bare = line.startswith((b"Error:", b"[")) or not starts_record(line)
        if (
            (near and _HEAD.search(line))
            or (_HEAD.match(line) and bare)
            or (near and placed and _NAMED.match(line) and bare)
        ):
            head = above
            if not _INNER.match(line):
                break
        elif starts_record(line) or _AT.match(line) or (head >= 0 and not line):
            if head >= 0 and _CAUSE.match(text.line(head)) and starts_record(line) and not is_bad(line):
                return None  # the rest of a trace that somebody's line has cut in two
            break
        near = near and bool(line)
        above = text.before(above)
    return (STACK, _record_before(text, head), at) if head >= 0 else None


def _soon(text: Text, at: int, prefix: tuple[bytes, ...]) -> bool:
    """Whether a line near below starts so."""
    here = at
    for _ in range(8):
        here = text.after(here)
        if here >= text.stop:
            if not text.final:
                raise NeedMore(_record_before(text, at), ended=True)
            return False
        if text.endless(here):
            return False
        if text.line(here).startswith(prefix):
            return True
    return False


def _behind_record(text: Text, at: int) -> tuple[int, int, int]:
    """An error record: with the trace that follows it, or alone."""
    here = at
    for _ in range(_AHEAD):
        here = text.after(here)
        if here >= text.stop:
            if not text.final:
                raise NeedMore(at, ended=True)
            break
        if text.endless(here):
            break
        line = text.line(here)
        if (HEADER in line and not line.startswith(HEADER)) or line.startswith(_OTHERS):
            break  # a panic is printed by the runtime, whatever was logged before
        try:
            begun = None if line[:1] == b"{" else _trace_at(text, here, line)
        except NeedMore as more:
            raise NeedMore(at, ended=more.ended) from None
        if begun is not None:
            return begun[0], at, begun[2]
        if not line or starts_record(line):
            break
    return LINE, at, text.after(at)


# ------------------------------------------------------------ where traces end


def _python_end(text: Text, start: int, at: int) -> int:
    """Behind the exception line, its message and what it is chained to; -1 when others' lines lie in between."""
    frames, promised = True, False
    at, told = text.after(at), 0
    while at - start < MAX_BYTES:
        if at >= text.stop:
            return _open(text, start, ended=not frames and not promised)
        if text.endless(at):
            return at
        line = text.line(at)
        if frames:
            if line[:1] in b" \t" and line[:4] != b"  + " and line[:4] != b"  | ":
                pass
            elif _RAISED.match(line) and not starts_record(line):
                frames, told = False, 0
            else:
                return -1
        elif promised and line:
            if not line.startswith(HEADER):
                return -1
            frames, promised = True, False
        elif line.startswith(_CHAINS):
            promised = True
        elif not promised:
            if HEADER in line or _HEAD.match(line[:_MATCHED]) or line.startswith(_OTHERS) or told >= _MESSAGE_LINES:
                return at
            if not line or starts_record(line):
                foreign = _chain_ahead(text, start, at)
                if foreign:
                    return at if foreign < 0 else -1
            told += 1
        at = text.after(at)
    return at


def _chain_ahead(text: Text, start: int, at: int) -> int:
    """How many lines of others lie before the marker of a chain, at most two; -1 when there is no marker."""
    foreign = 0
    for _ in range(5):
        if at >= text.stop:
            if not text.final:
                raise NeedMore(start, ended=True)
            return -1
        if text.endless(at):
            return -1
        line = text.line(at)
        if line.startswith(_CHAINS):
            return foreign
        foreign += bool(line)
        if HEADER in line or foreign > 2:
            return -1
        at = text.after(at)
    return -1


def _open(text: Text, start: int, *, ended: bool) -> int:
    if not text.final:
        raise NeedMore(start, ended=ended)
    return text.stop


def _while(
    text: Text, start: int, at: int, pattern: re.Pattern[bytes], *, blank_before: bytes | tuple[bytes, ...] = b""
) -> int:
    """Behind the last line that fits; `blank_before` names what may follow a blank line."""
    while True:
        if at >= text.stop or at - start > MAX_BYTES:
            return _open(text, start, ended=True) if at >= text.stop else at
        if text.endless(at):
            return at
        line = text.line(at)
        if not line and blank_before:
            after = text.after(at)
            if after >= text.stop:
                return _open(text, start, ended=True)
            if not text.line(after).startswith(blank_before):
                return at
        elif not pattern.match(line[:_MATCHED]):
            return at
        at = text.after(at)


def _stack_end(text: Text, start: int, at: int) -> int:
    while True:
        at = _while(text, start, at, _STACK_MORE)
        here = at  # a cause whose message has more lines goes on with frames
        for _ in range(3):
            if here >= text.stop and not text.final:
                raise NeedMore(start, ended=True)
            if here >= text.stop or at - start > MAX_BYTES:
                return at
            if text.endless(here):
                return at
            line = text.line(here)
            if _AT.match(line):
                break
            if not line or starts_record(line) or HEADER in line or _HEAD.search(line[:_MATCHED]):
                return at
            here = text.after(here)
        else:
            return at
        at = here


def _uninterrupted(text: Text, start: int, end: int) -> Block:
    """A stack together with what follows up to two harmless lines of others, which are left out."""
    parts = [(start, end)]
    while (more := _resumes(text, start, parts[-1][1])) >= 0 and more - start < MAX_BYTES:
        parts.append((more, _stack_end(text, start, more)))
    if len(parts) == 1:
        return Block(STACK, start, end)
    lines: list[tuple[int, bytes]] = []
    for at, stop in parts:
        while at < stop:
            lines.append((at, text.line(at)))
            at = text.after(at)
    return Block(STACK, start, parts[-1][1], tuple(lines))


def _resumes(text: Text, start: int, at: int) -> int:
    """Where a stack goes on behind records at `at` that are no errors; -1 when it does not."""
    for _ in range(2):
        line = text.line(at) if at < text.stop else b""
        if not starts_record(line) or line[:1] == b"{" or is_bad(line) or _HEAD.search(line[:_MATCHED]):
            return -1
        at = text.after(at)
        if at >= text.stop:
            if not text.final:
                raise NeedMore(start, ended=True)
            return -1
        if _AT.match(text.line(at)):
            return at
    return -1


def _go_end(text: Text, start: int, at: int) -> int:
    at = text.after(at)
    for _ in range(6):  # the panic's message may have several lines
        if at >= text.stop:
            return _open(text, start, ended=False)
        if text.endless(at):
            return at
        line = text.line(at)
        if not line or _GO_FRAME.match(line[:_MATCHED]):
            break
        if starts_record(line):
            return at
        at = text.after(at)
    return _while(text, start, at, _GO_FRAME, blank_before=(b"goroutine ", b"runtime stack:"))


def _ahead(text: Text, start: int, at: int, pattern: re.Pattern[bytes]) -> int:
    """The start of the line that fits, where a message of several lines may come first; -1 without one."""
    for _ in range(_MESSAGE_LINES):
        if at >= text.stop:
            if not text.final:
                raise NeedMore(start, ended=True)
            break
        line = text.line(at)[:_MATCHED]
        if pattern.match(line):
            return at
        if starts_record(line) or HEADER in line or line.startswith(_OTHERS) or text.endless(at):
            break
        at = text.after(at)
    return -1


def _rust_end(text: Text, start: int, at: int) -> int:
    line, at = text.line(at), text.after(at)
    if line.endswith(b":"):
        if at >= text.stop:
            return _open(text, start, ended=False)
        at = text.after(at)
    elif (
        b" panicked at '" in line
        and not _RUST_OLD_END.match(line)
        and (last := _ahead(text, start, at, _RUST_OLD_END)) >= 0
    ):
        at = text.after(last)
    more = _ahead(text, start, at, _RUST_BACKTRACE)
    return _while(text, start, more if more >= 0 else at, _RUST_FRAME)


def _ruby_end(text: Text, start: int, at: int) -> int:
    """Behind the frames, and the frames of what the exception was caused by."""
    line = text.line(at)
    if line.startswith(HEADER):
        at = _while(text, start, text.after(at), _RUBY_FRAME)
        line = text.line(at) if at < text.stop else b""
    heads = {line}
    while at < text.stop:
        at = text.after(at)
        first = _ahead(text, start, at, _RUBY_LISTED)
        if first < 0:
            return at
        bare = _RUBY_BARE.match(text.line(first)[:_MATCHED]) is not None
        at = _while(text, start, first, _RUBY_BARE if bare else _RUBY_FRAME)
        if at >= text.stop or at - start > MAX_BYTES:
            break
        line = text.line(at)
        if line in heads or not _RUBY_CRASH.search(line[:_MATCHED]):
            break
        heads.add(line)
    return at


_RUBY_LISTED = re.compile(_RUBY_FRAME.pattern + b"|" + _RUBY_BARE.pattern)


def _php_end(text: Text, start: int, at: int) -> int:
    line, after = text.line(at), text.after(at)
    if b"Uncaught " not in line and _PHP_FATAL.match(line[:_MATCHED]):
        return after  # the engine's own errors have no stack
    listed = _ahead(text, start, after, _PHP_FRAME)
    return after if listed < 0 else _while(text, start, listed, _PHP_FRAME, blank_before=b"Next ")


_ENDS = {PYTHON: _python_end, STACK: _stack_end, GO: _go_end, RUST: _rust_end, RUBY: _ruby_end, PHP: _php_end}
