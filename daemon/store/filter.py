"""Which incidents are asked for, in which order and from where on: the same for the command line and the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.daemon.model import Severity

COLUMNS = {"last": "last_at_ms", "first": "first_at_ms", "count": "count", "severity": "severity"}
"""What a list may be sorted by, the greatest first."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which incidents, by all that is given, in which order. `grep` is looked for in titles and samples, in any case;
    `source`, `kind` and `fingerprint` hold for any facet. `after` is the `cursor_of` the last one already read."""

    service: str = ""
    state: str = ""
    severity: str = ""
    source: str = ""
    kind: str = ""
    fingerprint: str = ""
    grep: str = ""
    since_ms: int = 0
    until_ms: int = 2**62
    joined: bool = False
    sort: str = "last"
    after: str = ""
    limit: int = 200


def cursor_of(row: Mapping[str, Any], sort: str) -> str:
    """Where a list goes on after this incident, as plain JSON."""
    value = row[COLUMNS[sort]]
    return f"{list(Severity).index(Severity(value)) if sort == 'severity' else value}.{row['id']}"


def place_of(cursor: str) -> tuple[int, str]:
    """The sorted value and the id in a cursor. Raises ValueError when it is none."""
    value, dot, name = cursor.partition(".")
    if not dot or not value.isascii() or not value.isdigit() or len(value) > 18:
        raise ValueError(f"'{cursor[:60]}' is no cursor; take `next` of the answer before")
    return int(value), name
