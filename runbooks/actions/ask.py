"""Ask a person and wait, for days if need be: the run sleeps meanwhile, and a killed daemon does not forget the
question."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.redact import redact

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed, Waiting

_DAY_S = 86_400.0


class Arguments(BaseModel):
    """What to ask."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    question: str = Field(min_length=1, max_length=1000)
    """What is to be approved, in one or two sentences."""
    within_s: float = Field(default=7 * _DAY_S, gt=0, le=30 * _DAY_S)
    """How long to wait for an answer; none counts as no."""


class Ask(Action):
    """`ask`."""

    name: ClassVar[str] = "ask"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("actor", "said")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"ask a person: {arguments.question}"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Raises Waiting until somebody answered; ActionFailed when they said no. Gives `actor` and what was
        `said`."""
        del evidence, repeated, timeout_s
        answer = context.answers(key)
        if answer is None:
            raise Waiting(redact(arguments.question), step=key, within_s=arguments.within_s)
        actor, said = answer.get("actor", ""), answer.get("reason", "")
        if answer.get("verb") != "approve":
            raise ActionFailed(f"{actor or 'nobody'} did not approve: {said or arguments.question}")
        return Output(text=f"approved by {actor}: {said}".rstrip(": "), values={"actor": actor, "said": said})
