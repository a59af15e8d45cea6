"""Ask Prometheus for the values of this moment. Changes nothing."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .asking import asked, plain, shown


class Arguments(BaseModel):
    """What to ask."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    promql: str = Field(min_length=1, max_length=4000)
    """The query."""
    empty: bool = False
    """Whether an answer without any series is fine; `value` is 0 then."""


class PrometheusQuery(Action):
    """`prometheus.query`."""

    name: ClassVar[str] = "prometheus.query"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("value", "series", "count")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"ask Prometheus: {arguments.promql}"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `value` (of the first series), `series` (each with `labels` and `value`) and their `count`."""
        del key, evidence, repeated
        rows = asked(context.limits.prometheus, arguments.promql, timeout_s)
        if not rows and not arguments.empty:
            raise ActionFailed(f"Prometheus knows nothing of: {arguments.promql}")
        series = plain(rows)
        value = series[0]["value"] if series else 0
        return Output(text=shown(rows), values={"value": value, "series": series, "count": len(rows)})
