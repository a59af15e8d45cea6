"""Run another runbook as a step. Books can't run each other in a circle or without end, and a book that may not act
alone does not get to by being called."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context, Nested
from ..errors import ActionFailed


class Arguments(BaseModel):
    """Which book, with what."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    book: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", json_schema_extra={"literal": True})
    """Its name."""
    params: dict[str, Any] = {}
    """Values for its parameters."""


class RunBook(Action):
    """`runbook`."""

    name: ClassVar[str] = "runbook"
    accepts: ClassVar[type[BaseModel]] = Arguments
    can_undo: ClassVar[bool] = True

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"run the runbook {arguments.book}"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Runs it under a key of its own; its steps are in the same record."""
        del evidence, repeated, timeout_s
        status = _nested(context).run(arguments.book, arguments.params, key)
        return Output(text=f"{arguments.book}: {status}")

    def undo(self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """Rolls it back, as it says itself."""
        del evidence, timeout_s
        return f"{arguments.book}: {_nested(context).undo(arguments.book, arguments.params, key)}"


def _nested(context: Context) -> Nested:
    if context.nested is None:
        raise ActionFailed("only a run can run another book")
    return context.nested
