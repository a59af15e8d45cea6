"""The store as one object: rooms by noun, one transaction across them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection

from nightshift.daemon.store.database import Database
from nightshift.daemon.store.incidents import Incidents
from nightshift.daemon.store.ingest import Ingest
from nightshift.daemon.store.journal import Journal
from nightshift.daemon.store.ledger import Memory, Notices, Offsets
from nightshift.daemon.store.missions import Missions
from nightshift.daemon.store.retention import Retention
from nightshift.daemon.store.runs import Runs
from nightshift.daemon.store.shipping import Effects, Merges, Switches


class Store:
    """Everything durable. `with store.transaction():` makes several calls one transaction (per thread)."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.incidents = Incidents(database)
        self.ingest = Ingest(database)
        self.retention = Retention(database)
        self.missions = Missions(database)
        self.journal = Journal(database)
        self.offsets = Offsets(database)
        self.notices = Notices(database)
        self.memory = Memory(database)
        self.runs = Runs(database)
        self.merges = Merges(database)
        self.switches = Switches(database)
        self.effects = Effects(database)

    @classmethod
    def open(cls, where: str | Path) -> Store:
        """Open (and create or migrate) a SQLite file or a SQLAlchemy URL."""
        return cls(Database.open(where))

    def transaction(self) -> AbstractContextManager[Connection]:
        """One transaction for several calls."""
        return self.database.begin()

    def close(self) -> None:
        """Release connections."""
        self.database.close()
