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

PYTHON, STACK, GO, RUST, RUBY, PHP, JSON, LINE, TANGLED = range(9)
HEADER = b"Traceback (most recent call last)"
_CHAINS = (b"The above exception was the direct cause", b"During handling of the above exception")
_OTHERS = (b"panic: ", b"fatal error: ", b"thread '", b"goroutine ")
MAX_BYTES = 256 << 10
"""Bytes of one event; what is longer is cut there."""
_AHEAD, _MESSAGE_LINES, _MATCHED = 4, 30, 2000

_AT = re.compile(rb"(?:\t+| {2,})at \S")
_STACK_MORE = re.compile(
    rb"\s+at \S|\s*\.\.\. \d+ (?:more|common frames|lines? matching)|\s*(?:Caused by|Suppressed|Wrapped by): ?|\s*---> |\s+--- End of"
    rb"|\s*\[cause\]: |\s+\[(?:cause|errors)\]: |[}\]],?$|\s*Node\.js v\d|\s+[\w$'\"]+: |  {0,3}[}\]]"
)
_HEAD = re.compile(rb"(?:[A-Za-z_$][\w$]*[./])*[A-Z][\w$]*(?:Exception|Error|Throwable|Failure|Fault|Abort|Interrupt)\b"
                   rb"|(?:^|[\s:\]])Error(?::|$)|Caused by: |Unhandled exception|Exception in thread|Uncaught")  # fmt: skip
_RAISED = re.compile(rb"[A-Za-z_\x80-\xff][\w.\x80-\xff]*(?:<locals>[\w.]*)?(?::(?: .*)?)?$", re.DOTALL)
_GO_FRAME = re.compile(rb"\t\S.*:\d+|created by |\[signal |exit status |goroutine \d+ |\tpanic: |panic: |\.\.\.additional"
                       rb"|[^\s(]+(?:\(\*?[\w.\[\]]+\))?[\w.\[\]/%*-]*\(.*\)$|\[recovered\]|runtime stack:|rax |\S+ +0x[0-9a-f]+$")  # fmt: skip
_RUST_FRAME = re.compile(rb"stack backtrace:|\s+\d+: |\s+at |note: |  {2,}\S")
_RUBY_HEAD = re.compile(rb".*:\d+:in ")
_RUBY_FRAME = re.compile(rb"\s+(?:\d+: )?from .*:\d+(?::in )?")
_PHP_FRAME = re.compile(rb"(?:\[[^\]]*\] )?(?:PHP )?(?:Stack trace:|#\d+ |\s+thrown in |Next [A-Z\\]|  thrown|\s+\d+\. )")


def keep_from(text: Text) -> int:
    """Where the lines start that what follows may belong to: up to the nearest start of a record, or the floor."""
    at = text.stop
    for _ in range(_AHEAD + 1):
        above = text.before(at)
        if above < 0:
            break
        at = above
        if starts_record(text.line(at)):
            break
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
    `errors` says whether records without a trace count."""

    __slots__ = ("buffer", "errors", "final", "floor", "form", "line_bytes", "stop")

    def __init__(
        self, buffer: bytes | bytearray, floor: int, stop: int, *, final: bool, form: str = "auto",
        errors: bool = True, line_bytes: int = 1 << 20,
    ) -> None:  # fmt: skip
        self.buffer, self.floor, self.stop, self.final = buffer, floor, stop, final
        self.form, self.errors, self.line_bytes = form, errors, line_bytes

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


def segment(text: Text, hits: Sequence[int]) -> Iterator[Block]:
    """The events around the hits of the prefilter, in order. Raises NeedMore for one that isn't over yet."""
    for hit in hits:
        if hit >= text.floor:
            yield from _at(text, text.start_of(hit))


def _at(text: Text, at: int) -> Iterator[Block]:
    for block in found(text, at):
        yield block
        text.floor = max(text.floor, block.end)


def found(text: Text, at: int) -> Sequence[Block]:
    """The event the line at `at` belongs to, if any. Raises NeedMore."""
    line = text.line(at)
    if line[:1] == b"{" and text.form != "plain":
        return [Block(JSON, at, text.after(at))] if json_is_event(line) else []
    if text.form == "json":
        return []
    header = line.find(HEADER)
    if header >= 0 and (header or line[len(HEADER) :].strip() not in (b":", b"")):
        return [Block(LINE, at, text.after(at))] if b"\\n" in line[header:] else untangle(text, at)
    begun = _trace_at(text, at, line)
    if begun is None and line[:8] == b'  File "':
        return untangle(text, at)
    if begun is None and text.errors and is_bad(line):
        begun = _behind_record(text, at)
    if begun is None:
        return []
    kind, start, body = begun
    end = _ENDS[kind](text, start, body) if kind != LINE else body
    return untangle(text, start) if end < 0 else [Block(kind, start, end)]


def _trace_at(text: Text, at: int, line: bytes) -> tuple[int, int, int] | None:
    """(kind, start of the event, where its body starts) when a trace of some language starts at this line."""
    if line.startswith(HEADER):
        return PYTHON, _record_before(text, at), at
    if _AT.match(line):
        return _stack_head(text, at)
    if (line.startswith((b"panic: ", b"fatal error: ")) and _soon(text, at, b"goroutine ")) or (
        line.startswith(b"goroutine ") and line.endswith(b"]:")
    ):
        return GO, _record_before(text, at), at
    if b"panicked at" in line and line.startswith((b"thread '", b"thread <")):
        return RUST, _record_before(text, at), at
    if b"Uncaught " in line and b"Fatal error" in line:
        return PHP, at, at
    if _RUBY_FRAME.match(line[:_MATCHED]) and (head := text.before(at)) >= 0 and _RUBY_HEAD.match(text.line(head)[:_MATCHED]):
        return RUBY, _record_before(text, head), at
    return None


def _record_before(text: Text, at: int) -> int:
    """The start of the error record right before a trace, or of the trace itself."""
    before = text.before(at)
    if before < 0 or starts_record(text.line(at)):
        return at
    line = text.line(before)
    return before if line[:1] != b"{" and starts_record(line) and is_bad(line) else at


def _stack_head(text: Text, at: int) -> tuple[int, int, int] | None:
    """The exception line above the first frame: the nearest that names one; without one it is no trace."""
    above = text.before(at)
    for _ in range(_AHEAD):
        if above < 0 or text.endless(above):
            break
        line = text.line(above)
        if _HEAD.search(line[:_MATCHED]):
            return STACK, _record_before(text, above), at
        if not line or starts_record(line):
            break
        above = text.before(above)
    return None


def _soon(text: Text, at: int, prefix: bytes) -> bool:
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
        if HEADER in line and not line.startswith(HEADER):
            break
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


def _while(text: Text, start: int, at: int, pattern: re.Pattern[bytes], *, blank_before: bytes = b"") -> int:
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
    return _while(text, start, at, _GO_FRAME, blank_before=b"goroutine ")


def _rust_end(text: Text, start: int, at: int) -> int:
    line, at = text.line(at), text.after(at)
    if line.endswith(b":"):
        if at >= text.stop:
            return _open(text, start, ended=False)
        if text.endless(at):
            return at
        at = text.after(at)
    return _while(text, start, at, _RUST_FRAME)


def _ruby_end(text: Text, start: int, at: int) -> int:
    return _while(text, start, at, _RUBY_FRAME)


def _php_end(text: Text, start: int, at: int) -> int:
    return _while(text, start, text.after(at), _PHP_FRAME)


_ENDS = {PYTHON: _python_end, STACK: _stack_end, GO: _go_end, RUST: _rust_end, RUBY: _ruby_end, PHP: _php_end}
