"""PostgreSQL for the `sql` action: one statement (the extended protocol takes no more), a time-out in the server, and
read-only in three ways: the session's default, the transaction, and a role that can't reach around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke, Refused

from ..errors import ActionFailed
from .sql import MOST_ROWS, fitting

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

_POWERS = (
    "pg_signal_backend", "pg_execute_server_program", "pg_write_server_files", "pg_read_server_files",
    "pg_write_all_data", "pg_checkpoint", "pg_maintain",
)  # fmt: skip
_AWAY = ("08", "40", "53", "57", "58")
"""Classes of errors that are the server's state: connection, conflict, resources, operator, system."""
_ROLE = """
SELECT rolsuper OR rolreplication OR rolcreaterole OR rolbypassrls AS mighty,
       (SELECT string_agg(g.rolname, ', ') FROM pg_roles g
        WHERE g.rolname = ANY(%s) AND pg_has_role(current_user, g.oid, 'MEMBER')) AS powers
FROM pg_roles WHERE rolname = current_user
"""


def ask(url: str, statement: str, values: tuple[Any, ...], write: bool, timeout_s: float) -> list[dict[str, Any]]:
    """Rows of one statement. Raises Refused (a role too mighty to only read), ActionFailed (the statement is wrong or
    may not be), EnvironmentBroke (the server is away)."""
    import psycopg

    try:
        with _connected(url, write, timeout_s) as connection:
            if not write:
                _only_reads(connection)
            return _asked(connection, statement, values, write)
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise ActionFailed(
            f"it would change something, and the step does not say `write: true`: {_said(error)}"
        ) from None
    except psycopg.errors.QueryCanceled:
        raise ActionFailed(f"it took longer than {timeout_s:g} s") from None
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08")[:2] in _AWAY:
            raise EnvironmentBroke(f"PostgreSQL can't be asked: {_said(error)}") from None
        raise ActionFailed(f"PostgreSQL refuses the statement: {_said(error)}") from None


def _connected(url: str, write: bool, timeout_s: float) -> Connection[Any]:
    import psycopg

    options = f"-c statement_timeout={max(1, round(timeout_s * 1000))} -c idle_in_transaction_session_timeout=60000"
    options += "" if write else " -c default_transaction_read_only=on"
    connection: Connection[Any] = psycopg.connect(
        url, connect_timeout=max(2, round(timeout_s)), application_name="nightshift-runbook", options=options
    )
    connection.read_only = not write
    return connection


def _only_reads(connection: Connection[Any]) -> None:
    row = connection.execute(_ROLE, (list(_POWERS),)).fetchone()
    mighty, powers = row if row else (True, "")
    if mighty or powers:
        what = f"a member of {powers}" if powers else "a superuser or nearly one"
        raise Refused(f"the role is {what}, so a read-only transaction does not bind it; give runbooks a plain one")


def _asked(connection: Connection[Any], statement: str, values: tuple[Any, ...], write: bool) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement.encode(), values or None, prepare=True)  # prepared: one statement, no more
        rows = _rows(cursor)
    if write:
        connection.commit()
    else:
        connection.rollback()
    return rows


def _rows(cursor: Cursor[Any]) -> list[dict[str, Any]]:
    if cursor.description is None:
        return []
    return fitting([column.name for column in cursor.description], cursor.fetchmany(MOST_ROWS + 1))


def _said(error: Exception) -> str:
    return redact((str(error).strip().splitlines() or [type(error).__name__])[0])[:300]
