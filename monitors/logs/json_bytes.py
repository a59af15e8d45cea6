"""Which JSON records are events, told from their bytes: decoding every line of a JSON log costs many times more."""

from __future__ import annotations

import re

_LEVEL = re.compile(
    rb'"(?:level|levelname|severity|lvl|log\.level|loglevel|status)"\s*:\s*(?:"([A-Za-z]{1,12})"|(\d{1,3})\s*[,}])'
)
_BAD = frozenset(
    (b"error", b"critical", b"fatal", b"severe", b"err", b"crit", b"emergency", b"alert", b"panic", b"dpanic")
)
_MARKS = (b"Traceback (most recent call last)", b'"exc_type"', b"\\n\\tat ", b"\\n    at ", b"\\n   at ", b"goroutine ")


def json_is_event(line: bytes) -> bool:
    """Whether a record's level is error or worse, or it carries a trace."""
    found = _LEVEL.search(line)
    if found is not None:
        if found[1] is not None:
            if found[1].lower() in _BAD:
                return True
        elif 50 <= int(found[2]) < 100:
            return True
    return any(mark in line for mark in _MARKS)
