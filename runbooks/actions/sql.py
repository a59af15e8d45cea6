"""Ask a database, or, where the configuration and the step both say so, change it.

The statement stands in the book as it is; values go in as bound parameters, never into its text. Without `write` the
transaction is read-only, is always rolled back, and the role is looked at first: functions such as
pg_terminate_backend act in read-only transactions, too, so a role that may use them is refused.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.ports import Refused

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed, nearest
from ..limits import Database

_MOST_ROWS = 200


class Arguments(BaseModel):
    """What to ask, and of whom."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    database: str = Field(min_length=1, max_length=60, json_schema_extra={"literal": True})
    """Name of the database in `runbooks.limits.databases`."""
    statement: str = Field(min_length=1, max_length=10_000, json_schema_extra={"literal": True})
    """One SQL statement, without look-ups; `%s` stands for the next of `values`."""
    values: tuple[str | int | float | bool, ...] = ()
    """Values of the statement's `%s`, bound and not pasted."""
    write: bool = Field(default=False, json_schema_extra={"literal": True})
    """Whether it changes something; the database has to allow it in the configuration (`write: true`)."""
    repeat: bool = False
    """Whether a statement that changes something may run once more when a run was cut off and nobody knows whether
    it was committed."""


class Sql(Action):
    """`sql`."""

    name: ClassVar[str] = "sql"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("rows", "count", "value")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        known = arguments.database in context.limits.databases
        refused = "" if known else " (refused: no such database in the configuration)"
        return f"{'change' if arguments.write else 'ask'} {arguments.database}: {_line(arguments)}{refused}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """Refuses here already what the configuration does not allow."""
        del timeout_s
        _database(arguments, context)
        return {}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `rows` (mappings, 200 at most), their `count`, and `value`, the first of the first."""
        del key, evidence
        if repeated and arguments.write and not arguments.repeat:
            raise ActionFailed("it was cut off before; nobody knows whether it was committed, and `repeat` is not set")
        database = _database(arguments, context)
        ask = _asker(database.url.get_secret_value())
        rows = ask(database.url.get_secret_value(), arguments.statement, arguments.values, arguments.write, timeout_s)
        value = next(iter(rows[0].values()), None) if rows else None
        text = f"{len(rows)} row(s)" + (f", the first: {rows[0]}" if rows else "")
        return Output(text=text, values={"rows": rows, "count": len(rows), "value": value})


def _database(arguments: Arguments, context: Context) -> Database:
    known = context.limits.databases
    if arguments.database not in known:
        raise Refused(
            f"there is no database '{arguments.database}' in runbooks.limits{nearest(arguments.database, known)}"
        )
    if arguments.write and not known[arguments.database].write:
        raise Refused(f"{arguments.database} may not be changed: runbooks.limits.databases allows no `write`")
    return known[arguments.database]


def _asker(url: str) -> Any:
    if re.match(r"postgres(ql)?://", url):
        from .sql_postgres import ask as postgres

        return postgres
    if url.startswith("sqlite:///"):
        from .sql_sqlite import ask as sqlite

        return sqlite
    raise ActionFailed("a database's url begins with postgresql:// or sqlite:///")


def _line(arguments: Arguments) -> str:
    return " ".join(arguments.statement.split())[:200]


def fitting(names: list[str], rows: list[Any]) -> list[dict[str, Any]]:
    """Rows as plain JSON. Raises ActionFailed when there are too many: half an answer would mislead."""
    if len(rows) > _MOST_ROWS:
        raise ActionFailed(f"the statement gives more than {_MOST_ROWS} rows; ask for less")
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


MOST_ROWS = _MOST_ROWS
