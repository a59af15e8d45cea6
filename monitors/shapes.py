"""Other programs' JSON, read without trust: whatever stands there, a reader gets the type it asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

_NOTHING: Mapping[str, Any] = {}
_LONGEST = 4096


def table(value: object, *path: str) -> Mapping[str, Any]:
    """The object at `path` inside a value; an empty one where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else _NOTHING


def rows(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; those that are none are left out."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def text(value: object) -> str:
    """A string, cut at 4096 characters; '' for anything that is neither text nor a number."""
    if isinstance(value, str):
        return value[:_LONGEST]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else ""


def number(value: object, default: int = 0) -> int:
    """A whole number of 64 bits, also from text (capped there); `default` for anything else."""
    if isinstance(value, str) and len(value) < 20 and value.lstrip("-").isascii() and value.lstrip("-").isdigit():
        value = int(value) if value.count("-") <= 1 else default
    if not isinstance(value, int) or isinstance(value, bool):
        return default
    return max(-(1 << 63), min(value, (1 << 63) - 1))


def texts(value: object) -> dict[str, str]:
    """The entries of an object whose values are text (labels, annotations)."""
    return {str(k): v[:_LONGEST] for k, v in table(value).items() if isinstance(v, str)}


def unix_ms(stamp: object) -> int:
    """Milliseconds of an RFC 3339 time; 0 when there is none (also for Go's zero time of the year 1)."""
    try:
        return max(0, int(datetime.fromisoformat(str(stamp)).timestamp() * 1000)) if stamp else 0
    except (ValueError, OverflowError):
        return 0
