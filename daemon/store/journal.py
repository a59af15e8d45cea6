"""The journal: every change of state, with actor, reason and milliseconds. Append only."""

from __future__ import annotations

from sqlalchemy import RowMapping, select

from nightshift.daemon.model import Event, dump, load
from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import journal


class Journal:
    """Appends and reads events."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def append(self, event: Event, *, key: str = "") -> bool:
        """Write one event; its `id` is given by the database. A key that is there already writes nothing: False."""
        values = dump(event)
        del values["id"]
        with self._db.begin() as c:
            if key and c.execute(select(journal.c.id).where(journal.c.key == key)).first():
                return False
            c.execute(journal.insert().values(**values, key=key or None))
        return True

    def of(self, mission: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """A mission's events in order ('' = all missions'); `after` is the id of the last one already read."""
        query = select(journal).where(journal.c.id > after).order_by(journal.c.id).limit(limit)
        if mission:
            query = query.where(journal.c.mission == mission)
        with self._db.begin() as c:
            return [_event(r) for r in c.execute(query).mappings().all()]

    def last(self, limit: int = 50) -> list[Event]:
        """The newest events of all missions, newest first."""
        with self._db.begin() as c:
            query = select(journal).order_by(journal.c.id.desc()).limit(limit)
            return [_event(r) for r in c.execute(query).mappings().all()]


def _event(row: RowMapping) -> Event:
    return load(Event, {name: value for name, value in row.items() if name != "key"})
