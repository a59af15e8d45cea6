"""Fields of JSON that somebody else wrote: nothing is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def part(value: object, *names: str) -> dict[str, Any]:
    """An object inside objects; empty when there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Mapping[str, Any], name: str, most: int = 300) -> str:
    """A field as text; '' when it is missing or no text or number."""
    found = value.get(name)
    return str(found)[:most] if isinstance(found, (str, int)) and not isinstance(found, bool) else ""
