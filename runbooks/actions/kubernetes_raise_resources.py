"""Give a container more memory or CPU, within what policy allows. The old limit is noted first, and put back by undo.

The change is made by JSON patch operations that test the container's name first: a list of containers that changed in
between is not touched.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.ports import Refused

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from ..limits import Quantity
from ..quantity import cpu_text, memory_text, quantity
from .cluster import Cluster, Json, Name, Workload, cluster, rolled_out, spoken, unmanaged


class Arguments(BaseModel):
    """Which container, and how much more."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """Name of the workload."""
    namespace: Name = "default"
    """Its namespace."""
    kind: Workload = "deployment"
    """Its kind."""
    container: str = Field(default="", max_length=63)
    """Name of the container; empty: its only one."""
    resource: Literal["memory", "cpu"] = "memory"
    """What to give more of."""
    factor: float = Field(default=1.5, gt=1, le=4)
    """How much more, as a multiple of the limit it has."""
    to: Quantity | Literal[""] = ""
    """Instead: the new limit, such as `1Gi`; never below the old one."""
    ready_within_s: float = Field(default=0.0, ge=0, le=3600)
    """How long to wait until the rollout is complete; 0 does not wait."""


class RaiseResources(Action):
    """`kubernetes.raise_resources`."""

    name: ClassVar[str] = "kubernetes.raise_resources"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("before", "after", "container")
    can_undo: ClassVar[bool] = True

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        how = f"to {arguments.to}" if arguments.to else f"{arguments.factor:g} times"
        most = context.limits.max_memory if arguments.resource == "memory" else context.limits.max_cpu
        which = f" of {arguments.container}" if arguments.container else ""
        return f"raise the {arguments.resource} limit{which} in {_spoken(arguments)} {how}, {most} at most"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The container, its limit and the new one."""
        context.limits.check_namespace(arguments.namespace)
        with cluster(context, timeout_s) as api:
            found = api.read(arguments.kind, arguments.name, arguments.namespace)
        unmanaged(found, _spoken(arguments))
        at, container = _container(found, arguments)
        limit = ((container.get("resources") or {}).get("limits") or {}).get(arguments.resource, "")
        if not limit:
            raise ActionFailed(f"{container['name']} in {_spoken(arguments)} has no {arguments.resource} limit")
        return {"container": container["name"], "before": limit, "after": _raised(arguments, context, limit), "at": at}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Sets the limit noted; gives `before`, `after` and `container`."""
        del key, repeated
        with cluster(context, timeout_s) as api:
            _set(api, arguments, evidence, evidence["after"])
            if arguments.ready_within_s:
                rolled_out(api, arguments.kind, arguments.namespace, arguments.name, context, arguments.ready_within_s)
        what = f"{arguments.resource} of {evidence['container']} in {_spoken(arguments)}"
        values = {name: evidence[name] for name in ("before", "after", "container")}
        return Output(text=f"{what} raised from {evidence['before']} to {evidence['after']}", values=values)

    def undo(self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """Back to the old limit, unless somebody has changed it since."""
        del key
        with cluster(context, timeout_s) as api:
            now = _limit(api, arguments, evidence)
            if now not in (evidence["before"], evidence["after"]):
                return f"{_spoken(arguments)} keeps {now}: it was changed by others since"
            _set(api, arguments, evidence, evidence["before"])
        return f"{arguments.resource} of {evidence['container']} is back at {evidence['before']}"


def _raised(arguments: Arguments, context: Context, limit: str) -> str:
    """The new limit. Raises Refused when the old one is as high as policy allows."""
    text = memory_text if arguments.resource == "memory" else cpu_text
    if arguments.to:
        context.limits.check_amount(arguments.resource, arguments.to)
        if quantity(arguments.to) <= quantity(limit):
            raise ActionFailed(f"{arguments.to} is not more than the {limit} it has")
        return arguments.to
    most = context.limits.max_memory if arguments.resource == "memory" else context.limits.max_cpu
    if quantity(limit) >= quantity(most):
        raise Refused(f"it has {limit}, and runbooks.limits.max_{arguments.resource} is {most}")
    wanted = quantity(text(quantity(limit) * quantity(f"{arguments.factor:.4f}")))
    return most if wanted > quantity(most) else text(wanted)


def _container(found: Json, arguments: Arguments) -> tuple[int, Json]:
    containers = found["spec"]["template"]["spec"]["containers"]
    if not arguments.container and len(containers) > 1:
        names = ", ".join(c["name"] for c in containers)
        raise ActionFailed(f"{_spoken(arguments)} has several containers, say which: {names}")
    for at, container in enumerate(containers):
        if arguments.container in ("", container["name"]):
            return at, container
    raise ActionFailed(f"{_spoken(arguments)} has no container '{arguments.container}'")


def _limit(api: Cluster, arguments: Arguments, evidence: Evidence) -> str:
    containers = api.read(arguments.kind, arguments.name, arguments.namespace)["spec"]["template"]["spec"]["containers"]
    here: Json = next((c for c in containers if c["name"] == evidence["container"]), {})
    return str(((here.get("resources") or {}).get("limits") or {}).get(arguments.resource, ""))


def _set(api: Cluster, arguments: Arguments, evidence: Evidence, amount: str) -> None:
    path = f"/spec/template/spec/containers/{evidence['at']}"
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": f"{path}/name", "value": evidence["container"]},
        {"op": "replace", "path": f"{path}/resources/limits/{arguments.resource}", "value": amount},
    ]
    api.patch(arguments.kind, arguments.name, arguments.namespace, operations)


def _spoken(arguments: Arguments) -> str:
    return spoken(arguments.kind, arguments.namespace, arguments.name)
