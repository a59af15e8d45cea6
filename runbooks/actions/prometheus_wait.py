"""Wait until a PromQL expression holds, and holds for a while: how a book sees that the world is well again. Changes
nothing."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .asking import asked, holds, shown


class Arguments(BaseModel):
    """What to wait for."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    promql: str = Field(min_length=1, max_length=4000)
    """The expression, a comparison as a rule: `queue_length < 100`. It holds when it gives a result, and not only
    zeros."""
    within_s: float = Field(default=300.0, ge=0, le=3600)
    """How long to wait for it."""
    for_s: float = Field(default=0.0, ge=0, le=3600)
    """How long it must then hold without a break."""
    every_s: float = Field(default=5.0, ge=0.1, le=300)
    """Seconds between two looks."""


class PrometheusWait(Action):
    """`prometheus.wait`."""

    name: ClassVar[str] = "prometheus.wait"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("waited_s",)

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"wait until Prometheus says: {arguments.promql} ({arguments.within_s:g} s at most)"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `waited_s`; raises ActionFailed when it does not hold in time."""
        del key, evidence, repeated
        began = context.clock.monotonic()
        since: float | None = None
        while True:
            rows = asked(context.limits.prometheus, arguments.promql, timeout_s)
            now = context.clock.monotonic()
            since = (now if since is None else since) if holds(rows) else None
            if since is not None and now - since >= arguments.for_s:
                waited = round(now - began, 1)
                return Output(text=f"it holds after {waited:g} s: {shown(rows)}", values={"waited_s": waited})
            if now - began >= arguments.within_s + (arguments.for_s if since is not None else 0.0):
                raise ActionFailed(f"{arguments.promql} does not hold after {arguments.within_s:g} s: {shown(rows)}")
            context.clock.sleep(arguments.every_s)
