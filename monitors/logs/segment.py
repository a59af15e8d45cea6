"""Where events begin and end in a stretch of log: whole traces of every language, error records, JSON records.

Works on buffers of complete lines and keeps no state between calls: what can't be told yet is left unread, and the
caller shows it again with more behind it. So the result is the same in whatever pieces the bytes come, and the
offset to restart from is simply where the unread part starts. `kernel/` holds the same rules compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nightshift.monitors.logs.ends import ENDS, stack_end
from nightshift.monitors.logs.grammar import (
    AHEAD,
    AT,
    CAUSE,
    HEAD,
    INNER,
    MATCHED,
    MESSAGE_LINES,
    NAMED,
    OTHERS,
    PHP_FATAL,
    PHP_LOGGED,
    PLACED,
    RUBY_BARE,
    RUBY_BOTTOM,
    RUBY_CRASH,
    RUBY_FRAME,
    RUBY_HEAD,
    RUBY_LOGGED,
)
from nightshift.monitors.logs.json_bytes import json_is_event
from nightshift.monitors.logs.lines import is_bad, starts_record
from nightshift.monitors.logs.tangle import untangle
from nightshift.monitors.logs.text import (
    BEHIND,
    GO,
    HEADER,
    JSON,
    LINE,
    MAX_BYTES,
    PHP,
    PYTHON,
    RUBY,
    RUST,
    STACK,
    TANGLED,
    Block,
    NeedMore,
    Text,
    keep_from,
)
from nightshift.monitors.logs.writers import LOOK_AHEAD, alone, prefixed, shares, writers

__all__ = [
    "GO",
    "HEADER",
    "JSON",
    "LINE",
    "MAX_BYTES",
    "PHP",
    "PYTHON",
    "RUBY",
    "RUST",
    "STACK",
    "TANGLED",
    "Block",
    "NeedMore",
    "Text",
    "found",
    "keep_from",
    "segment",
]


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
    may_be = not text.nested and text.patience.left > 0 and _is_shared(text, at, line)
    if may_be and (several := writers(text, at)) is not None:
        return several
    header = line.find(HEADER)
    if header >= 0 and (header or line[len(HEADER) :].strip() not in (b":", b"")):
        if b"\\n" in line[header:]:
            return [Block(LINE, at, text.after(at))]
        return untangle(text, at, at) if text.patience.left > 0 else []
    begun = _trace_at(text, at, line)
    if begun is None and line[:8] == b'  File "':
        return untangle(text, at, _record_before(text, at))
    if begun is None and text.errors and is_bad(line):
        begun = _behind_record(text, at)
    if begun is None:
        return []
    kind, start, body = begun
    end = ENDS[kind](text, start, body) if kind != LINE else body
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
    for _ in range(MESSAGE_LINES if fatal else LOOK_AHEAD):
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
        kind = RUBY if RUBY_BOTTOM.match(_next(text, at)) else PYTHON
        return kind, _record_before(text, at), at
    if AT.match(line):
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
        head = _head_above(text, at, PHP_LOGGED)
        return None if head < 0 else (PHP, head, head)
    if PHP_FATAL.match(line[:MATCHED]):
        return PHP, at, at
    if b":in `" in line or b":in '" in line or b"from " in line[:12]:
        return _ruby_at(text, at, line[:MATCHED])
    return None


def _next(text: Text, at: int) -> bytes:
    """The line after one; b'' when none will come. Raises NeedMore when it has not come yet."""
    after = text.after(at)
    if after >= text.stop and not text.final:
        raise NeedMore(_record_before(text, at), ended=False)
    return text.line(after) if after < text.stop else b""


def _head_above(text: Text, at: int, pattern: re.Pattern[bytes], lines: int = AHEAD) -> int:
    """The nearest line above that fits, -1 without one; a record's first line is the last that is looked at."""
    for _ in range(lines):
        at = text.before(at)
        if at < 0:
            break
        line = text.line(at)
        if pattern.match(line[:MATCHED]):
            return at
        if starts_record(line):
            break
    return -1


def _ruby_at(text: Text, at: int, line: bytes) -> tuple[int, int, int] | None:
    """An uncaught exception's own line, the first frame of one, or the first line of a backtrace somebody logged."""
    if RUBY_CRASH.search(line):
        return RUBY, _record_before(text, at), at
    if RUBY_FRAME.match(line):
        head = text.before(at)
        return (
            (RUBY, _record_before(text, head), head)
            if head >= 0 and RUBY_HEAD.match(text.line(head)[:MATCHED])
            else None
        )
    if RUBY_BARE.match(line):
        head = _head_above(text, at, RUBY_LOGGED)
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
    placed = PLACED.match(text.line(at)[:MATCHED]) is not None
    for _ in range(BEHIND if placed else AHEAD):
        if above < 0 or text.endless(above):
            break
        line = text.line(above)[:MATCHED]
        bare = line.startswith((b"Error:", b"[")) or not starts_record(line)
        if (
            (near and HEAD.search(line))
            or (HEAD.match(line) and bare)
            or (near and placed and NAMED.match(line) and bare)
        ):
            head = above
            if not INNER.match(line):
                break
        elif starts_record(line) or AT.match(line) or (head >= 0 and not line):
            if head >= 0 and CAUSE.match(text.line(head)) and starts_record(line) and not is_bad(line):
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
    for _ in range(AHEAD):
        here = text.after(here)
        if here >= text.stop:
            if not text.final:
                raise NeedMore(at, ended=True)
            break
        if text.endless(here):
            break
        line = text.line(here)
        if (HEADER in line and not line.startswith(HEADER)) or line.startswith(OTHERS):
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


def _uninterrupted(text: Text, start: int, end: int) -> Block:
    """A stack together with what follows up to two harmless lines of others, which are left out."""
    parts = [(start, end)]
    while (more := _resumes(text, start, parts[-1][1])) >= 0 and more - start < MAX_BYTES:
        parts.append((more, stack_end(text, start, more)))
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
        if not starts_record(line) or line[:1] == b"{" or is_bad(line) or HEAD.search(line[:MATCHED]):
            return -1
        at = text.after(at)
        if at >= text.stop:
            if not text.final:
                raise NeedMore(start, ended=True)
            return -1
        if AT.match(text.line(at)):
            return at
    return -1
