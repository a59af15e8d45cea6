"""Restart a workload by a change to its pod template, as `kubectl rollout restart` does, but with a mark made of the
run's key in place of the time: applying it again changes nothing, so nothing restarts twice."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.ids import stable_id

from ..action import Action, Evidence
from ..context import Context
from .cluster import Name, Workload, cluster, rolled_out, spoken

ANNOTATION = "nightshift/restartedAt"


class Arguments(BaseModel):
    """Which workload, and how long its rollout may take."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """Name of the workload."""
    namespace: Name = "default"
    """Its namespace."""
    kind: Workload = "deployment"
    """Its kind."""
    ready_within_s: float = Field(default=0.0, ge=0, le=3600)
    """How long to wait until the rollout is complete; 0 does not wait."""


class RolloutRestart(Action):
    """`kubernetes.rollout_restart`."""

    name: ClassVar[str] = "kubernetes.rollout_restart"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"restart the pods of {_spoken(arguments)}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """Refuses a namespace that is not allowed; the mark in the template is the evidence."""
        del timeout_s
        context.limits.check_namespace(arguments.namespace)
        return {}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str:
        """Patches the template's annotation; returns the workload and its mark."""
        del evidence, repeated
        mark = stable_id("run", key)
        body = {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: mark}}}}}
        with cluster(context, timeout_s) as api:
            api.patch(arguments.kind, arguments.name, arguments.namespace, body)
            if arguments.ready_within_s:
                rolled_out(api, arguments.kind, arguments.namespace, arguments.name, context, arguments.ready_within_s)
        return f"{_spoken(arguments)} restarted under {mark}"


def _spoken(arguments: Arguments) -> str:
    return spoken(arguments.kind, arguments.namespace, arguments.name)
