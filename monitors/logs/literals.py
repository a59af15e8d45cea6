"""What is searched for in every log: literals that no event is without."""

from __future__ import annotations

TRACES = (
    b"Traceback (most recent call last)", b'  File "', b"exc_type", b"\tat ", b"  at ", b"anic", b"fatal error: ",
    b"goroutine ", b"Uncaught ", b"\tfrom ", b"\\tat ", b":in `", b":in '", b"Fatal error: ",
    b"error:  syntax", b"Stack trace:", b"stacktrace]",
)  # fmt: skip
"""What every trace holds, at a place from which the trace is found; `anic` is in panics of every language."""
LEVELS = (
    b"error", b"ERROR", b"Error", b"[ERR]", b"crit", b"CRIT", b"Crit", b"fatal", b"FATAL", b"Fatal", b"SEVERE",
    b"Severe", b"severe",
    b"emerg", b"EMERG", b"alert", b"ALERT", b"\nE0", b"\nE1", b"\nF0", b"\nF1", b"\n<",
    b'":50', b'": 50', b'":60', b'": 60',
)  # fmt: skip
"""What a record holds whose level is error or worse, besides."""
