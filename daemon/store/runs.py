"""Runs of runbooks: what was asked for, by whom, when it began (cool-downs are read here), what each step left, and
what came of it. A run's book is kept as it was: one that is edited meanwhile changes only later runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, select, text, update

from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import run_entries, runs


@dataclass(frozen=True, kw_only=True)
class BookRun:
    """One run. `id` is its mission's. `target` is what the cool-down is about ('' = the whole book). `person` started
    or approved it ('' = nobody did, yet). `began_ms` 0: nothing was done yet."""

    id: str
    book: str
    definition: Mapping[str, Any]
    params: Mapping[str, Any]
    target: str = ""
    person: str = ""
    by_hand: bool = False
    forced: bool = False
    made_ms: int = 0
    began_ms: int = 0
    status: str = "waiting"
    result: Mapping[str, Any] = field(default_factory=dict)


class Runs:
    """Reads and writes runs; every method is one transaction or joins the caller's."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def ensure(self, run: BookRun) -> BookRun:
        """Get the run of this id or create it."""
        with self._db.begin() as c:
            found = self.get(run.id)
            if found is None:
                c.execute(runs.insert().values(**asdict(run)))
        return found or run

    def get(self, run: str) -> BookRun | None:
        """One run by its id."""
        with self._db.begin() as c:
            row = c.execute(select(runs).where(runs.c.id == run)).mappings().first()
        return BookRun(**row) if row else None

    def list(self, *, book: str = "", limit: int = 50) -> list[BookRun]:
        """The newest runs first."""
        query = select(runs).order_by(runs.c.made_ms.desc(), runs.c.id.desc()).limit(limit)
        if book:
            query = query.where(runs.c.book == book)
        with self._db.begin() as c:
            return [BookRun(**row) for row in c.execute(query).mappings()]

    def began(self, book: str, target: str, *, but: str = "") -> int | None:
        """When a book last began with a target, in Unix milliseconds; None: never. `but` leaves out a run."""
        query = select(func.max(runs.c.began_ms)).where(
            runs.c.book == book, runs.c.target == target, runs.c.began_ms > 0, runs.c.id != but
        )
        with self._db.begin() as c:
            found = c.execute(query).scalar()
        return int(found) if found else None

    def begin(self, run: str, at_ms: int, *, person: str, cool_down_ms: int) -> int | None:
        """Let a run begin, unless its book began with the same target less than `cool_down_ms` ago: then when that
        was. None: it may go on; asked again, it still may. Raises KeyError."""
        with self._db.begin() as c:
            found = self.get(run)
            if found is None:
                raise KeyError(run)
            if found.began_ms:
                return None
            _alone(c, found.book)
            last = self.began(found.book, found.target, but=run)
            if last is not None and last > at_ms - cool_down_ms and not found.forced:
                return last
            values = {"began_ms": at_ms, "person": person or found.person, "status": "running"}
            c.execute(update(runs).where(runs.c.id == run).values(**values))
        return None

    def finish(self, run: str, status: str, result: Mapping[str, Any]) -> None:
        """What came of it."""
        with self._db.begin() as c:
            c.execute(update(runs).where(runs.c.id == run).values(status=status, result=dict(result)))

    # ------------------------------------------------------------ steps

    def entries(self, key: str) -> dict[str, Any]:
        """What the steps of a key left, by name."""
        query = select(run_entries.c.name, run_entries.c.entry).where(run_entries.c.run == key)
        with self._db.begin() as c:
            return {row.name: row.entry for row in c.execute(query)}

    def put(self, key: str, name: str, entry: Mapping[str, Any]) -> None:
        """Write or overwrite what a step left."""
        where = (run_entries.c.run == key) & (run_entries.c.name == name)
        with self._db.begin() as c:
            if not c.execute(update(run_entries).where(where).values(entry=dict(entry))).rowcount:
                root = key.partition("/")[0]
                c.execute(run_entries.insert().values(run=key, name=name, root=root, entry=dict(entry)))

    def forget(self, before_ms: int) -> int:
        """Drop what the steps of runs left that ended long ago; the runs and their results stay."""
        old = select(runs.c.id).where(runs.c.made_ms < before_ms, runs.c.status.not_in(("waiting", "running")))
        with self._db.begin() as c:
            return c.execute(delete(run_entries).where(run_entries.c.root.in_(old))).rowcount


def _alone(connection: Connection, book: str) -> None:
    """Two daemons don't begin one book at once; SQLite has one writer as it is."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:book))"), {"book": f"runbook:{book}"})
