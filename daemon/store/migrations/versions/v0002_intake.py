"""What the intake remembers of an incident: facets, ties to others, samples, counts over time, decisions.

Each incident of 0.1 becomes its own only facet, with its first signal as the sample and one bucket for its count.
"""

from __future__ import annotations

import json
from typing import Any

from alembic import op
from sqlalchemy import Column, Integer, String, text

from nightshift.daemon.store.schema import metadata

revision = "0002"
down_revision = "0001"

_NEW = ("facets", "ties", "firing", "releases", "samples", "buckets", "decisions")
_BATCH = 500


def upgrade() -> None:
    op.add_column("incidents", Column("held", String(20), nullable=False, server_default=""))
    op.add_column("incidents", Column("joined", String(40), nullable=False, server_default=""))
    op.add_column("seen_signals", Column("fingerprint", String(64), nullable=False, server_default=""))
    op.add_column("seen_signals", Column("count", Integer, nullable=False, server_default="1"))
    op.create_index("incidents_by_service", "incidents", ["service", "first_at_ms"])
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in _NEW])
    _fill()


def _fill() -> None:
    """In batches by id: a store may hold more incidents than memory should."""
    last = ""
    while rows := _after(last):
        for name in ("facets", "samples", "buckets"):
            op.bulk_insert(metadata.tables[name], [_ROWS[name](row) for row in rows])
        last = rows[-1]["id"]


def _after(last: str) -> list[dict[str, Any]]:
    query = text("SELECT * FROM incidents WHERE id > :last ORDER BY id LIMIT :most")
    rows = [dict(r) for r in op.get_bind().execute(query, {"last": last, "most": _BATCH}).mappings()]
    for row in rows:
        given = row["signal"]
        row["signal"] = json.loads(given) if isinstance(given, str | bytes) else given
    return rows


def _facet(row: dict[str, Any]) -> dict[str, Any]:
    signal = row["signal"]
    same = {name: row[name] for name in ("service", "fingerprint", "title", "severity", "count", "signal")}
    times = {name: row[name] for name in ("first_at_ms", "last_at_ms")}
    rank = 3 if signal.get("frames") else 2 if signal.get("exception") else 1 if signal.get("kind") == "error" else 0
    return {
        **same, **times, "incident": row["id"], "source": signal.get("source", ""), "kind": signal.get("kind", ""),
        "rank": rank, "why": "", "turns": "",
    }  # fmt: skip


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    said = row["signal"].get("sample") or row["signal"].get("message") or row["title"]
    return {"incident": row["id"], "slot": "first", "at_ms": row["first_at_ms"], "text": said[:2048]}


def _bucket(row: dict[str, Any]) -> dict[str, Any]:
    return {"incident": row["id"], "at_ms": row["first_at_ms"] // 60_000 * 60_000, "count": row["count"]}


_ROWS = {"facets": _facet, "samples": _sample, "buckets": _bucket}


def downgrade() -> None:
    for name in _NEW:
        op.drop_table(name)
    op.drop_index("incidents_by_service", "incidents")
    for table, column in (("incidents", "held"), ("incidents", "joined"), ("seen_signals", "fingerprint"),
                          ("seen_signals", "count")):  # fmt: skip
        op.drop_column(table, column)
