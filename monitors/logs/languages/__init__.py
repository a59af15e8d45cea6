"""Traces as other languages print them, one module each: lines in, `Trace` out. Python's own is `traceback.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nightshift.monitors.logs import segment
from nightshift.monitors.logs.languages import golang, php, ruby, rust, stack
from nightshift.monitors.logs.traceback import Trace

PARSERS: dict[int, Callable[[Sequence[str]], Trace | None]] = {
    segment.STACK: stack.parse,
    segment.GO: golang.parse,
    segment.RUST: rust.parse,
    segment.RUBY: ruby.parse,
    segment.PHP: php.parse,
}
"""By the kind of block. A parser gets the lines of one trace, a log record's own line included if there is one."""


MARKS = ("\tat ", "  at ", "goroutine ", "\tfrom ", ": from ", ":in `", ":in '", "panicked at", "#0 ", ".go:")
"""What a text with a trace of another language holds."""


def parse_any(text: str) -> Trace | None:
    """The trace in a text of unknown language, as loggers put it into one field; None when there is none."""
    if "\n" not in text or not any(mark in text for mark in MARKS):
        return None
    lines = [line[:8192] for line in text.splitlines()[:2000]]
    if "panicked at" in text and (panic := rust.parse(lines)) is not None:
        return panic
    if any(stack.is_frame(line) for line in lines):
        return stack.parse(lines)
    if any(line.startswith("goroutine ") for line in lines):
        return golang.parse(lines)
    parsers = (ruby.parse, php.parse, golang.parse_stack)
    return next((trace for parser in parsers if (trace := parser(lines)) is not None), None)
