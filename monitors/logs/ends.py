"""Where traces end, language by language: behind the last line that fits. NeedMore where that can't be told yet."""

from __future__ import annotations

import re

from nightshift.monitors.logs.grammar import (
    AT,
    CHAINS,
    GO_FRAME,
    HEAD,
    MATCHED,
    MESSAGE_LINES,
    OTHERS,
    PHP_FATAL,
    PHP_FRAME,
    RAISED,
    RUBY_BARE,
    RUBY_CRASH,
    RUBY_FRAME,
    RUBY_LISTED,
    RUST_BACKTRACE,
    RUST_FRAME,
    RUST_OLD_END,
    STACK_MORE,
)
from nightshift.monitors.logs.lines import starts_record
from nightshift.monitors.logs.text import GO, HEADER, MAX_BYTES, PHP, PYTHON, RUBY, RUST, STACK, NeedMore, Text


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
            elif RAISED.match(line) and not starts_record(line):
                frames, told = False, 0
            else:
                return -1
        elif promised and line:
            if not line.startswith(HEADER):
                return -1
            frames, promised = True, False
        elif line.startswith(CHAINS):
            promised = True
        elif not promised:
            if HEADER in line or HEAD.match(line[:MATCHED]) or line.startswith(OTHERS) or told >= MESSAGE_LINES:
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
        if line.startswith(CHAINS):
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
        elif not pattern.match(line[:MATCHED]):
            return at
        at = text.after(at)


def stack_end(text: Text, start: int, at: int) -> int:
    while True:
        at = _while(text, start, at, STACK_MORE)
        here = at  # a cause whose message has more lines goes on with frames
        for _ in range(3):
            if here >= text.stop and not text.final:
                raise NeedMore(start, ended=True)
            if here >= text.stop or at - start > MAX_BYTES:
                return at
            if text.endless(here):
                return at
            line = text.line(here)
            if AT.match(line):
                break
            if not line or starts_record(line) or HEADER in line or HEAD.search(line[:MATCHED]):
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
        if not line or GO_FRAME.match(line[:MATCHED]):
            break
        if starts_record(line):
            return at
        at = text.after(at)
    return _while(text, start, at, GO_FRAME, blank_before=(b"goroutine ", b"runtime stack:"))


def _ahead(text: Text, start: int, at: int, pattern: re.Pattern[bytes]) -> int:
    """The start of the line that fits, where a message of several lines may come first; -1 without one."""
    for _ in range(MESSAGE_LINES):
        if at >= text.stop:
            if not text.final:
                raise NeedMore(start, ended=True)
            break
        line = text.line(at)[:MATCHED]
        if pattern.match(line):
            return at
        another = HEADER in line or line.startswith(OTHERS) or b"atal error: " in line
        if another or text.endless(at) or starts_record(line):
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
        and not RUST_OLD_END.match(line)
        and (last := _ahead(text, start, at, RUST_OLD_END)) >= 0
    ):
        at = text.after(last)
    more = _ahead(text, start, at, RUST_BACKTRACE)
    return _while(text, start, more if more >= 0 else at, RUST_FRAME)


def _ruby_end(text: Text, start: int, at: int) -> int:
    """Behind the frames, and the frames of what the exception was caused by."""
    line = text.line(at)
    if line.startswith(HEADER):
        at = _while(text, start, text.after(at), RUBY_FRAME)
        line = text.line(at) if at < text.stop else b""
    heads = {line}
    while at < text.stop:
        at = text.after(at)
        first = _ahead(text, start, at, RUBY_LISTED)
        if first < 0:
            return at
        bare = RUBY_BARE.match(text.line(first)[:MATCHED]) is not None
        at = _while(text, start, first, RUBY_BARE if bare else RUBY_FRAME)
        if at >= text.stop or at - start > MAX_BYTES:
            break
        line = text.line(at)
        if line in heads or not RUBY_CRASH.search(line[:MATCHED]):
            break
        heads.add(line)
    return at


def _php_end(text: Text, start: int, at: int) -> int:
    line, after = text.line(at), text.after(at)
    if b"Uncaught " not in line and PHP_FATAL.match(line[:MATCHED]):
        return after  # the engine's own errors have no stack
    listed = _ahead(text, start, after, PHP_FRAME)
    return after if listed < 0 else _while(text, start, listed, PHP_FRAME, blank_before=b"Next ")


ENDS = {PYTHON: _python_end, STACK: stack_end, GO: _go_end, RUST: _rust_end, RUBY: _ruby_end, PHP: _php_end}
