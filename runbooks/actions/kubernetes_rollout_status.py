"""Wait until a workload's rollout is complete: how a book sees that what it did worked. Changes nothing."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from .cluster import Name, Workload, cluster, rolled_out, spoken


class Arguments(BaseModel):
    """Which workload, and how long."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """Name of the workload."""
    namespace: Name = "default"
    """Its namespace."""
    kind: Workload = "deployment"
    """Its kind."""
    ready_within_s: float = Field(default=300.0, ge=0, le=3600)
    """How long to wait."""


class RolloutStatus(Action):
    """`kubernetes.rollout_status`."""

    name: ClassVar[str] = "kubernetes.rollout_status"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("ready",)

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"wait until {_spoken(arguments)} is rolled out ({arguments.ready_within_s:g} s at most)"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Waits; gives `ready`, the number of replicas that are available."""
        del key, evidence, repeated
        with cluster(context, timeout_s) as api:
            found = rolled_out(
                api, arguments.kind, arguments.namespace, arguments.name, context, arguments.ready_within_s
            )
        status = found.get("status") or {}
        ready = status.get("availableReplicas") or status.get("numberAvailable") or 0
        return Output(text=f"{_spoken(arguments)} is rolled out, {ready} available", values={"ready": ready})


def _spoken(arguments: Arguments) -> str:
    return spoken(arguments.kind, arguments.namespace, arguments.name)
