"""Let a fixer mend the code behind the incident a run is for, under all the gates a mission has."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed


class Arguments(BaseModel):
    """Which fixer, for what."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    service: str = Field(min_length=1, max_length=100)
    """The service to mend."""
    fixer: str = Field(default="revert", pattern=r"^[a-z][a-z0-9_-]{0,40}$")
    """Which fixer; it must stand in `fixers.order`."""
    required: bool = True
    """Fail when it finds no patch that passes the gates."""


class CallFixer(Action):
    """`fixer`."""

    name: ClassVar[str] = "fixer"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("outcome", "url", "reason")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"let the fixer {arguments.fixer} mend {arguments.service}, prove it and propose it"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `outcome` (proposed | none), `url` and `reason`."""
        del evidence, repeated, timeout_s
        if context.mender is None:
            raise ActionFailed("fixers are only known to the daemon")
        run = key.partition("/")[0]
        made = context.mender.mend(run, service=arguments.service, fixer=arguments.fixer, key=key)
        if arguments.required and made.get("outcome") != "proposed":
            raise ActionFailed(f"{arguments.fixer} found no patch that passes: {made.get('reason', '')}")
        return Output(text=f"{made.get('outcome')}: {made.get('reason', '')}", values=dict(made))
