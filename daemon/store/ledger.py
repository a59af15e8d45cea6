"""Small durable facts: monitors' offsets, notices sent, and how each fixer's past work turned out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import func, select, text, update

from nightshift.daemon.ports import Notice
from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import notices, offsets, outcomes

_NEWEST = 1000
"""Outcomes an order of fixers rests on: what is longer ago says less, and would take longer to count."""
_PUT = text(
    "INSERT INTO offsets (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class Offsets:
    """Key → opaque text, written in the same transaction as the signals they go with."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self, prefix: str = "") -> dict[str, str]:
        """Every checkpoint whose key starts with `prefix`."""
        with self._db.begin() as c:
            query = select(offsets.c.key, offsets.c.value).where(offsets.c.key.startswith(prefix, autoescape=True))
            return {row.key: row.value for row in c.execute(query)}

    def put(self, values: Mapping[str, str]) -> None:
        """Write checkpoints."""
        with self._db.begin() as c:
            if values:
                c.execute(_PUT, [{"key": key, "value": value} for key, value in values.items()])


class Notices:
    """The outbox. A notice is written first, then sent, then marked: a crash in between sends again, under its key."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def enqueue(self, notice: Notice, channels: tuple[str, ...], at_ms: int) -> bool:
        """Write a notice for each channel unless it is there; True when any is new."""
        fresh = False
        with self._db.begin() as c:
            for channel in channels:
                where = (notices.c.key == notice.key) & (notices.c.channel == channel)
                if c.execute(select(notices.c.key).where(where)).first():
                    continue
                row = {"key": notice.key, "channel": channel, "state": "waiting", "at_ms": at_ms}
                c.execute(notices.insert().values(**row, notice=asdict(notice), attempts=0))
                fresh = True
        return fresh

    def channels(self) -> list[str]:
        """The channels something waits for."""
        query = select(notices.c.channel).where(notices.c.state == "waiting").distinct().order_by(notices.c.channel)
        with self._db.begin() as c:
            return list(c.execute(query).scalars())

    def waiting(self, channel: str = "", *, untried: bool = False, limit: int = 50) -> list[tuple[str, Notice, int]]:
        """(channel, notice, attempts so far) still to be delivered, least tried and then oldest first."""
        query = select(notices).where(notices.c.state == "waiting")
        if channel:
            query = query.where(notices.c.channel == channel)
        if untried:
            query = query.where(notices.c.attempts == 0)
        query = query.order_by(notices.c.attempts, notices.c.at_ms).limit(limit)
        with self._db.begin() as c:
            return [(r["channel"], Notice(**r["notice"]), r["attempts"]) for r in c.execute(query).mappings()]

    def mark(self, key: str, channel: str, state: str) -> None:
        """Set sent | failed, or `waiting` to count one more attempt."""
        where = (notices.c.key == key) & (notices.c.channel == channel)
        with self._db.begin() as c:
            c.execute(update(notices).where(where).values(state=state, attempts=notices.c.attempts + 1))

    def written_ms(self, key: str, channel: str) -> int:
        """When a notice was put into the outbox."""
        where = (notices.c.key == key) & (notices.c.channel == channel)
        with self._db.begin() as c:
            return int(c.execute(select(notices.c.at_ms).where(where)).scalar_one())

    def has(self, key: str) -> bool:
        """Whether a notice with this key was ever enqueued."""
        with self._db.begin() as c:
            return c.execute(select(notices.c.key).where(notices.c.key == key)).first() is not None


class Memory:
    """How past patches turned out, per fixer: what the order of fixers and the breaker rest on."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def record(self, *, mission: str, fixer: str, service: str, exception: str, kind: str, outcome: str,
               at_ms: int) -> None:  # fmt: skip
        """Write or overwrite the outcome of one mission's fixer (healed, reverted, rejected, no_patch…)."""
        row = {"service": service, "exception": exception, "kind": kind, "outcome": outcome, "at_ms": at_ms}
        with self._db.begin() as c:
            where = (outcomes.c.mission == mission) & (outcomes.c.fixer == fixer)
            if not c.execute(update(outcomes).where(where).values(**row)).rowcount:
                c.execute(outcomes.insert().values(mission=mission, fixer=fixer, **row))

    def tally(self, exception: str = "") -> dict[str, dict[str, int]]:
        """fixer → outcome → count; of one exception type only, if given, its newest thousand."""
        chosen = select(outcomes.c.fixer, outcomes.c.outcome)
        if exception:
            chosen = chosen.where(outcomes.c.exception == exception).order_by(outcomes.c.at_ms.desc()).limit(_NEWEST)
        found = chosen.subquery()
        query = select(found.c.fixer, found.c.outcome, func.count()).group_by(found.c.fixer, found.c.outcome)
        result: dict[str, dict[str, int]] = {}
        with self._db.begin() as c:
            for fixer, outcome, count in c.execute(query):
                result.setdefault(fixer, {})[outcome] = count
        return result

    def healed(self, service: str, limit: int) -> list[str]:
        """Missions of a service that ended healed, newest first."""
        where = (outcomes.c.service == service) & (outcomes.c.outcome == "healed")
        query = select(outcomes.c.mission).where(where).order_by(outcomes.c.at_ms.desc()).limit(limit)
        with self._db.begin() as c:
            return [str(row.mission) for row in c.execute(query)]

    def bad_since(self, service: str, at_ms: int) -> int:
        """How many of a service's patches were rolled back at or after a time."""
        query = select(func.count()).where(
            outcomes.c.service == service, outcomes.c.outcome == "rolled_back", outcomes.c.at_ms >= at_ms
        )
        with self._db.begin() as c:
            return int(c.execute(query).scalar_one())
