"""The pods of a namespace that fit, for a `foreach` over them. Changes nothing."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from .cluster import Name, cluster

_MOST = 200


class Arguments(BaseModel):
    """Which pods."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    namespace: Name = "default"
    """Their namespace."""
    node: str = Field(default="", max_length=253)
    """Only those on this node."""
    labels: dict[str, str] = {}
    """Only those with these labels."""
    phase: Literal["", "Pending", "Running", "Succeeded", "Failed", "Unknown"] = ""
    """Only those in this phase."""
    quality: Literal["", "BestEffort", "Burstable", "Guaranteed"] = ""
    """Only those of this quality of service; pods without any requests are `BestEffort`."""
    owned: bool = True
    """Only those a controller would make again."""


class Pods(Action):
    """`kubernetes.pods`."""

    name: ClassVar[str] = "kubernetes.pods"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("names", "count")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"look up pods in {arguments.namespace}"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `names`, sorted, and their `count`."""
        del key, evidence, repeated
        selector = ",".join(f"{k}={v}" for k, v in sorted(arguments.labels.items()))
        with cluster(context, timeout_s) as api:
            found = api.list("pod", arguments.namespace, selector)
        names = sorted(p["metadata"]["name"] for p in found if _fits(p, arguments))[:_MOST]
        return Output(text="\n".join(names), values={"names": names, "count": len(names)})


def _fits(pod: dict[str, Any], wanted: Arguments) -> bool:
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    labels = meta.get("labels") or {}
    return (
        wanted.node in ("", spec.get("nodeName"))
        and wanted.phase in ("", status.get("phase"))
        and wanted.quality in ("", status.get("qosClass"))
        and all(labels.get(name) == value for name, value in wanted.labels.items())
        and (not wanted.owned or any(o.get("controller") for o in meta.get("ownerReferences") or []))
    )
