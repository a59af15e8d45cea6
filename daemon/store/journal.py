"""The journal: every change of state, with actor, reason and milliseconds. Append only."""

from __future__ import annotations

from sqlalchemy import select

from nightshift.daemon.model import Event, dump, load
from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import journal


class Journal:
    """Appends and reads events."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def append(self, event: Event) -> None:
        """Write one event; its `id` is given by the database."""
        values = dump(event)
        del values["id"]
        with self._db.begin() as c:
            c.execute(journal.insert().values(**values))

    def of(self, mission: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """A mission's events in order; `after` is the id of the last one already read ('' = all missions)."""
        query = select(journal).where(journal.c.id > after).order_by(journal.c.id).limit(limit)
        if mission:
            query = query.where(journal.c.mission == mission)
        with self._db.begin() as c:
            return [load(Event, dict(r)) for r in c.execute(query).mappings().all()]
