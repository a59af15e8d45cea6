"""Delete one pod, so that its controller makes a new one. A pod nobody would make again is not deleted. The pod's uid
is noted first: a new pod of the same name is another one."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence
from ..context import Context
from ..errors import ActionFailed
from .cluster import Cluster, Missing, Name, Protected, cluster, paced, spoken


class Arguments(BaseModel):
    """Which pod."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """Name of the pod."""
    namespace: Name = "default"
    """Its namespace."""
    only_owned: bool = True
    """Refuse a pod that no controller would make again."""
    respect_budgets: bool = True
    """Evict it, so that disruption budgets are heard; waits for them as long as for its end. `false` deletes."""
    gone_within_s: float = Field(default=60.0, ge=0, le=3600)
    """How long to wait until it is gone; 0 does not wait."""


class DeletePod(Action):
    """`kubernetes.delete_pod`."""

    name: ClassVar[str] = "kubernetes.delete_pod"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"delete {_spoken(arguments)}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The pod's uid; '' when it is gone already."""
        context.limits.check_namespace(arguments.namespace)
        with cluster(context, timeout_s) as api:
            try:
                found = api.read("pod", arguments.name, arguments.namespace)
            except Missing:
                return {"uid": ""}
        owners = found["metadata"].get("ownerReferences") or []
        if arguments.only_owned and not any(o.get("controller") for o in owners):
            raise ActionFailed(f"no controller would make {_spoken(arguments)} again (only_owned: false deletes it)")
        return {"uid": str(found["metadata"].get("uid") or "")}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str:
        """Deletes it if it is still the one noted, and waits until it is gone."""
        del key, repeated
        asked, kept = False, ""
        with cluster(context, timeout_s) as api:
            for _ in paced(context, arguments.gone_within_s):
                try:
                    found = api.read("pod", arguments.name, arguments.namespace)
                    if found["metadata"].get("uid") != evidence["uid"]:
                        return f"{_spoken(arguments)} is a new one"
                    if not asked:
                        _end(api, arguments, evidence["uid"])
                        asked = True
                except Missing:
                    return f"{_spoken(arguments)} is gone"
                except Protected as budget:
                    kept = str(budget)
        if kept and not asked:
            raise ActionFailed(kept)
        if arguments.gone_within_s:
            raise ActionFailed(f"{_spoken(arguments)} is still there after {arguments.gone_within_s:g} s")
        return f"{_spoken(arguments)} is being deleted"


def _end(api: Cluster, arguments: Arguments, uid: str) -> None:
    if arguments.respect_budgets:
        api.evict(arguments.name, arguments.namespace, uid)
    else:
        api.delete("pod", arguments.name, arguments.namespace, uid)


def _spoken(arguments: Arguments) -> str:
    return spoken("pod", arguments.namespace, arguments.name)
