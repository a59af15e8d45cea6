"""Change how many replicas a workload has. What it had is noted first, so that the change can be told and undone."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..action import Action, Evidence, Output
from ..context import Context
from .cluster import Name, cluster, rolled_out, spoken, unmanaged


class Arguments(BaseModel):
    """Which workload, and how many."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """Name of the workload."""
    namespace: Name = "default"
    """Its namespace."""
    kind: Literal["deployment", "statefulset"] = "deployment"
    """Its kind."""
    replicas: int | None = Field(default=None, ge=0, le=10_000)
    """How many it is to have."""
    add: int = Field(default=0, ge=-1000, le=1000)
    """Instead: how many more than it has (fewer, below 0; never under 1)."""
    ready_within_s: float = Field(default=0.0, ge=0, le=3600)
    """How long to wait until all are there; 0 does not wait."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Arguments:
        if (self.replicas is None) == (self.add == 0):
            raise ValueError("give either `replicas` or `add`")
        return self


class Scale(Action):
    """`kubernetes.scale`."""

    name: ClassVar[str] = "kubernetes.scale"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("before", "after")
    can_undo: ClassVar[bool] = True

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        how = f"to {arguments.replicas}" if arguments.replicas is not None else f"by {arguments.add:+d}"
        return f"scale {_spoken(arguments)} {how}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """How many replicas it has, and how many it is to have."""
        context.limits.check_namespace(arguments.namespace)
        with cluster(context, timeout_s) as api:
            found = api.read(arguments.kind, arguments.name, arguments.namespace)
        unmanaged(found, _spoken(arguments))
        had = 1 if found["spec"].get("replicas") is None else found["spec"]["replicas"]
        wanted = arguments.replicas if arguments.replicas is not None else max(1, had + arguments.add)
        context.limits.check_replicas(wanted)
        return {"before": had, "after": wanted}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Sets the number noted; gives `before` and `after`."""
        del key, repeated
        with cluster(context, timeout_s) as api:
            _set(api, arguments, evidence["after"])
            if arguments.ready_within_s:
                rolled_out(api, arguments.kind, arguments.namespace, arguments.name, context, arguments.ready_within_s)
        text = f"{_spoken(arguments)} scaled from {evidence['before']} to {evidence['after']}"
        return Output(text=text, values=dict(evidence))

    def undo(self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """Back to what it was, unless somebody has scaled it since."""
        del key
        with cluster(context, timeout_s) as api:
            now = api.read(arguments.kind, arguments.name, arguments.namespace)["spec"].get("replicas")
            if now not in (evidence["before"], evidence["after"]):
                return f"{_spoken(arguments)} stays at {now}: it was scaled by others since"
            _set(api, arguments, evidence["before"])
        return f"{_spoken(arguments)} is back at {evidence['before']}"


def _set(api: Any, arguments: Arguments, replicas: int) -> None:
    api.patch(arguments.kind, arguments.name, arguments.namespace, {"spec": {"replicas": replicas}})


def _spoken(arguments: Arguments) -> str:
    return spoken(arguments.kind, arguments.namespace, arguments.name)
