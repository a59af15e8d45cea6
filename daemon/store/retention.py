"""What may be forgotten, and when: the memory of signals, fine counts, ties. Incidents themselves stay.

The answer depends on the store and the time alone, so it does not matter how often it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select, text

from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import buckets, decisions, firing, seen, ties

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long and how much is remembered."""

    seen_ms: int = 14 * _DAY_MS
    """Signals, to know them again."""
    max_seen: int = 5_000_000
    """The most of them; the oldest go first."""
    minutes_ms: int = 2 * _DAY_MS
    """Counts by the minute; then they are by the hour."""
    ties_ms: int = 2 * _DAY_MS
    """Ties, which matter near an incident's beginning only."""


class Retention:
    """Deletes; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def forget(self, now_ms: int, limits: Limits = Limits()) -> int:
        """Everything that is too old; returns how many memories of signals went."""
        gone = self._signals(now_ms, limits)
        self._coarsen((now_ms - limits.minutes_ms) // _HOUR_MS * _HOUR_MS)
        with self._db.begin() as c:
            c.execute(delete(ties).where(ties.c.at_ms < now_ms - limits.ties_ms))
            over = (firing.c.over_ms > 0) & (firing.c.over_ms < now_ms - limits.seen_ms)
            c.execute(delete(firing).where(over | (firing.c.at_ms < now_ms - 2 * limits.seen_ms)))
            nowhere = decisions.c.subject.startswith("service:") & (decisions.c.at_ms < now_ms - limits.seen_ms)
            c.execute(delete(decisions).where(nowhere))
        return gone

    def _signals(self, now_ms: int, limits: Limits) -> int:
        with self._db.begin() as c:
            gone = c.execute(delete(seen).where(seen.c.at_ms < now_ms - limits.seen_ms)).rowcount
            left = int(c.execute(select(func.count()).select_from(seen)).scalar_one())
            if left <= limits.max_seen:
                return gone
            newest = select(seen.c.at_ms).order_by(seen.c.at_ms.desc()).offset(limits.max_seen - 1).limit(1)
            # Those of the very same millisecond stay: a few more than the limit, never a second count.
            oldest = c.execute(newest).scalar_one()
            return gone + c.execute(delete(seen).where(seen.c.at_ms < oldest)).rowcount

    def _coarsen(self, before_ms: int) -> None:
        """Minutes become hours: what is not on the hour moves there."""
        hour = f"at_ms - at_ms % {_HOUR_MS}"
        fine = f"at_ms < :before AND at_ms % {_HOUR_MS} <> 0"
        with self._db.begin() as c:
            c.execute(
                text(
                    "INSERT INTO buckets (incident, at_ms, count) "  # noqa: S608 - constants of this file
                    f"SELECT incident, {hour}, SUM(count) FROM buckets WHERE {fine} GROUP BY incident, {hour} "
                    "ON CONFLICT (incident, at_ms) DO UPDATE SET count = buckets.count + excluded.count"
                ),
                {"before": before_ms},
            )
            c.execute(delete(buckets).where(buckets.c.at_ms < before_ms, buckets.c.at_ms % _HOUR_MS != 0))
