"""One connection policy for SQLite and PostgreSQL, and transactions that nested calls join.

SQLite runs in WAL mode with `synchronous=NORMAL`: a killed process loses nothing, a power cut at most the last
transactions, and log offsets are in the same file, so they are then read again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.schema import metadata

STORE_ERRORS = (SQLAlchemyError, sqlite3.Error)
"""What a store that is locked, full, corrupt or gone raises; callers outside catch this and never name SQLAlchemy."""
VALUE_ERRORS = (DataError, IntegrityError)
"""Those of STORE_ERRORS that are the value's fault: the same value fails again, others do not."""


class Database:
    """An engine plus per-thread transactions. `begin()` inside `begin()` joins the outer one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._local = threading.local()

    @classmethod
    def open(cls, where: str | Path) -> Database:
        """Open a SQLite file (a path) or any SQLAlchemy URL; creates or migrates the schema.

        Raises EnvironmentBroke naming the store when it can't be read, is locked, corrupt or of a newer version.
        """
        from nightshift.daemon.store.migrate import upgrade

        try:
            database = cls(_engine(where))
            upgrade(database.engine)
        except (*STORE_ERRORS, EnvironmentBroke, OSError) as error:
            why = getattr(error, "orig", None) or error
            raise EnvironmentBroke(f"the store can't be used: {redact(str(where))}: {why}") from error
        return database

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction; commits at the end of the outermost block, rolls back on an exception."""
        current: Connection | None = getattr(self._local, "connection", None)
        if current is not None:
            yield current
            return
        with self.engine.begin() as connection:
            self._local.connection = connection
            try:
                yield connection
            finally:
                self._local.connection = None

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _engine(where: str | Path) -> Engine:
    if "://" in str(where):
        engine = create_engine(str(where), pool_pre_ping=True)
    else:
        Path(where).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(f"sqlite:///{where}", connect_args={"timeout": 30})
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _pragmas)
        event.listen(engine, "begin", _immediate)
    return engine


def _pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _immediate(connection: Connection) -> None:
    # A deferred transaction that turns into a writer fails at once with "locked"; an immediate one waits its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


__all__ = ["STORE_ERRORS", "Database", "metadata"]
