"""Sentry's envelope: a line of JSON, then items, each a line of JSON and a payload of the length it names.

The format is the one documented for SDK developers ("Envelopes"): an item without a length ends at the next newline;
item types nobody here knows are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

MAX_ITEMS = 200
Item = tuple[str, bytes]


def parse(body: bytes) -> tuple[Mapping[str, Any], list[Item]]:
    """The envelope's header and its items (type, payload). Raises ValueError with a text for the caller."""
    first, _, rest = body.partition(b"\n")
    header = read_object(first, "envelope header")
    return header, list(_items(rest))


def _items(rest: bytes) -> Iterator[Item]:
    at, count = 0, 0
    while at < len(rest):
        end = rest.find(b"\n", at)
        end = len(rest) if end < 0 else end
        if not rest[at:end].strip():
            at = end + 1
            continue
        if (count := count + 1) > MAX_ITEMS:
            raise ValueError(f"more than {MAX_ITEMS} items in an envelope")
        head = read_object(rest[at:end], "item header")
        start, stop = end + 1, _stop(head, rest, end + 1)
        yield str(head.get("type", "")), rest[start:stop]
        at = stop + 1 if rest[stop : stop + 1] == b"\n" else stop


def _stop(head: Mapping[str, Any], rest: bytes, start: int) -> int:
    length = head.get("length")
    if length is None:
        newline = rest.find(b"\n", start)
        return len(rest) if newline < 0 else newline
    if not isinstance(length, int) or isinstance(length, bool) or length < 0 or start + length > len(rest):
        raise ValueError("an item's length is not what follows")
    return start + length


def read_object(text: bytes, what: str) -> dict[str, Any]:
    """A JSON object. Raises ValueError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"the {what} is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError(f"the {what} is no object")
    return found
