"""Sentry's envelope: a line of JSON, then items, each a line of JSON and a payload of the length it names.

The format is the one documented for SDK developers ("Envelopes"): an item without a length ends at the next newline;
item types nobody here knows are skipped; there is one event at most. JSON of sixteen megabytes can become hundreds in
memory, so what is parsed is far smaller than what may be carried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

MAX_ITEMS, MAX_HEADER, MAX_EVENT = 200, 64 << 10, 1 << 20
Item = tuple[str, bytes]


def read_header(body: bytes) -> tuple[Mapping[str, Any], int]:
    """The envelope's header and where the items begin. Raises ValueError with a text for the caller."""
    end = _line_end(body, 0)
    return read_object(body[:end], "envelope header", MAX_HEADER), end + 1


def items(body: bytes, start: int) -> Iterator[Item]:
    """(type, payload) of each item; only an event's payload is copied, others are empty. Raises ValueError."""
    at, count, events = start, 0, 0
    while at < len(body):
        end = _line_end(body, at)
        if not body[at : min(end, at + MAX_HEADER)].strip():
            at = end + 1
            continue
        if (count := count + 1) > MAX_ITEMS:
            raise ValueError(f"more than {MAX_ITEMS} items in an envelope")
        head = read_object(body[at:end], "item header", MAX_HEADER)
        kind, first, stop = str(head.get("type", ""))[:64], end + 1, _stop(head, body, end + 1)
        if kind == "event" and (events := events + 1) > 1:
            raise ValueError("more than one event in an envelope")
        yield kind, body[first:stop] if kind == "event" else b""
        at = stop + 1 if body[stop : stop + 1] == b"\n" else stop


def _line_end(body: bytes, at: int) -> int:
    end = body.find(b"\n", at)
    return len(body) if end < 0 else end


def _stop(head: Mapping[str, Any], body: bytes, start: int) -> int:
    length = head.get("length")
    if length is None:
        return max(start, _line_end(body, start))
    if not isinstance(length, int) or isinstance(length, bool) or length < 0 or start + length > len(body):
        raise ValueError("an item's length is not what follows")
    return start + length


def read_object(text: bytes, what: str, limit: int = MAX_EVENT) -> dict[str, Any]:
    """A JSON object of at most `limit` bytes. Raises ValueError."""
    if len(text) > limit:
        raise ValueError(f"the {what} is larger than {limit} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"the {what} is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError(f"the {what} is no object")
    return found
