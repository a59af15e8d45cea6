"""SQLite for the `sql` action: the file opened read-only, and an authorizer that knows reading only."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import Any
from urllib.parse import quote

from nightshift.daemon.ports import EnvironmentBroke

from ..errors import ActionFailed
from .sql import MOST_ROWS, fitting

_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
_NEVER = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA)
_FUNCTIONS = ("load_extension", "readfile", "writefile", "edit")
_STEPS = 10_000


def ask(url: str, statement: str, values: tuple[Any, ...], write: bool, timeout_s: float) -> list[dict[str, Any]]:
    """Rows of one statement. Raises ActionFailed (wrong, too slow, or not allowed), EnvironmentBroke (no file)."""
    path = url.removeprefix("sqlite:///")
    deadline = time.monotonic() + timeout_s
    try:
        mode = "rw" if write else "ro"
        with closing(sqlite3.connect(f"file:{quote(path)}?mode={mode}", uri=True, timeout=timeout_s)) as connection:
            connection.set_authorizer(_writing if write else _only_reading)
            connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
            cursor = connection.execute(statement.replace("%s", "?"), values)
            names = [column[0] for column in cursor.description or ()]
            rows = fitting(names, cursor.fetchmany(MOST_ROWS + 1)) if names else []
            if write:
                connection.commit()
            return rows
    except sqlite3.OperationalError as error:
        if "unable to open" in str(error) or "locked" in str(error):
            raise EnvironmentBroke(f"SQLite can't be asked: {error}") from None
        slow = "interrupted" in str(error)
        raise ActionFailed(f"it took longer than {timeout_s:g} s" if slow else f"SQLite refuses: {error}") from None
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise ActionFailed(f"SQLite refuses the statement: {error}") from None


def _only_reading(what: int, _: str | None, name: str | None, *__: str | None) -> int:
    if what == sqlite3.SQLITE_FUNCTION and str(name).lower() in _FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if what in _READING else sqlite3.SQLITE_DENY


def _writing(what: int, _: str | None, name: str | None, *__: str | None) -> int:
    dangerous = what in _NEVER or (what == sqlite3.SQLITE_FUNCTION and str(name).lower() in _FUNCTIONS)
    return sqlite3.SQLITE_DENY if dangerous else sqlite3.SQLITE_OK
