"""Back to an earlier revision of a deployment, as `kubectl rollout undo` does. The revision to go to is chosen and
noted first: a run that is repeated goes to that one again, and not, as a second `undo` would, forward to the broken
one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .cluster import Cluster, Json, Missing, Name, cluster, rolled_out, spoken, unmanaged

_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"


class Arguments(BaseModel):
    """Which deployment, and how far back."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """Name of the workload."""
    namespace: Name = "default"
    """Its namespace."""
    to_revision: int = Field(default=0, ge=0)
    """The revision to go back to; 0: the one before the present one."""
    away_from_config_map: str = Field(default="", max_length=253)
    """Instead: the newest revision whose pods don't use this config map."""
    younger_than_s: float = Field(default=0.0, ge=0)
    """Only when the present revision was made so recently: an old one is not the suspect. 0: whatever its age."""
    unless_ready_within_s: float = Field(default=0.0, ge=0, le=3600)
    """First give the present rollout so long; when it completes, nothing is undone."""
    ready_within_s: float = Field(default=0.0, ge=0, le=3600)
    """How long to wait until the rollout is complete; 0 does not wait."""


class RolloutUndo(Action):
    """`kubernetes.rollout_undo`."""

    name: ClassVar[str] = "kubernetes.rollout_undo"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("from_revision", "revision", "images")
    can_undo: ClassVar[bool] = True

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        where = f"to revision {arguments.to_revision}" if arguments.to_revision else "to the revision before"
        if arguments.away_from_config_map:
            where = f"to the newest revision without the config map {arguments.away_from_config_map}"
        return f"undo the rollout of {_spoken(arguments)} {where}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The pod template it has, and the one it had in the revision to go back to."""
        context.limits.check_namespace(arguments.namespace)
        with cluster(context, timeout_s) as api:
            found = api.read("deployment", arguments.name, arguments.namespace)
            unmanaged(found, _spoken(arguments))
            if found["spec"].get("paused"):
                raise ActionFailed(f"{_spoken(arguments)} is paused; resume it first")
            revisions = _revisions(api, found, arguments.namespace)
            _is_young(revisions, found, arguments, context.clock.now_ms())
            target = _target(revisions, found, arguments)
        return {
            "from_revision": _revision(found), "revision": _revision(target),
            "from_template": found["spec"]["template"], "template": _plain(target["spec"]["template"]),
        }  # fmt: skip

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Puts the noted template in place; gives `from_revision`, `revision` and `images`."""
        del key, repeated
        with cluster(context, timeout_s) as api:
            if arguments.unless_ready_within_s and _ready(api, arguments, context):
                return Output(text=f"{_spoken(arguments)} is rolled out, nothing is undone", values=_values(evidence))
            _replace(api, arguments, evidence["from_template"], evidence["template"])
            if arguments.ready_within_s:
                rolled_out(api, "deployment", arguments.namespace, arguments.name, context, arguments.ready_within_s)
        values = _values(evidence)
        text = f"{_spoken(arguments)} back from revision {evidence['from_revision']} to {evidence['revision']}"
        return Output(text=f"{text} ({', '.join(values['images'])})", values=values)

    def undo(self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """Forward again to the template it had."""
        del key
        with cluster(context, timeout_s) as api:
            _replace(api, arguments, evidence["template"], evidence["from_template"])
        return f"{_spoken(arguments)} has the template of revision {evidence['from_revision']} again"


def _values(evidence: Evidence) -> Json:
    images = [c.get("image", "") for c in evidence["template"]["spec"]["containers"]]
    return {"from_revision": evidence["from_revision"], "revision": evidence["revision"], "images": images}


def _ready(api: Cluster, arguments: Arguments, context: Context) -> bool:
    try:
        rolled_out(api, "deployment", arguments.namespace, arguments.name, context, arguments.unless_ready_within_s)
    except Missing:
        raise
    except ActionFailed:
        return False
    return True


def _revisions(api: Cluster, deployment: Json, namespace: str) -> list[Json]:
    """Its replica sets, newest revision first."""
    labels = (deployment["spec"].get("selector") or {}).get("matchLabels") or {}
    selector = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
    uid, name = deployment["metadata"].get("uid"), deployment["metadata"]["name"]
    mine = [r for r in api.list("replicaset", namespace, selector) if _owned(r, name, uid)]
    return sorted(mine, key=_revision, reverse=True)


def _owned(thing: Json, name: str, uid: str | None) -> bool:
    owners = thing["metadata"].get("ownerReferences") or []
    return any(o.get("kind") == "Deployment" and o.get("name") == name and o.get("uid") == uid for o in owners)


def _revision(thing: Json) -> int:
    text = str((thing["metadata"].get("annotations") or {}).get(_REVISION, "0"))
    return int(text) if text.isdigit() else 0


def _is_young(revisions: list[Json], deployment: Json, arguments: Arguments, now_ms: int) -> None:
    if not arguments.younger_than_s:
        return
    present = next((r for r in revisions if _revision(r) == _revision(deployment)), None)
    made = str((present or {"metadata": {}})["metadata"].get("creationTimestamp") or "")
    if not made:
        raise ActionFailed(f"nobody knows how old the present revision of {_spoken(arguments)} is")
    age_s = now_ms / 1000 - datetime.fromisoformat(made.replace("Z", "+00:00")).timestamp()
    if age_s > arguments.younger_than_s:
        raise ActionFailed(f"the present revision of {_spoken(arguments)} is {age_s:.0f} s old: not the deploy's fault")


def _target(revisions: list[Json], deployment: Json, arguments: Arguments) -> Json:
    present = _revision(deployment) or max(map(_revision, revisions), default=0)
    now = _plain(deployment["spec"]["template"])
    older = [r for r in revisions if _revision(r) < present and _plain(r["spec"]["template"]) != now]
    if arguments.to_revision:
        older = [r for r in older if _revision(r) == arguments.to_revision]
    if arguments.away_from_config_map:
        if not _uses(now, arguments.away_from_config_map):
            raise ActionFailed(f"{_spoken(arguments)} does not use the config map {arguments.away_from_config_map}")
        older = [r for r in older if not _uses(r["spec"]["template"], arguments.away_from_config_map)]
    if not older:
        raise ActionFailed(f"{_spoken(arguments)} has no earlier revision to go back to")
    return older[0]


def _uses(template: Json, config_map: str) -> bool:
    """Whether pods of a template mount a config map or read it into their environment."""
    spec = template["spec"]
    volumes = list(spec.get("volumes") or [])
    sources = [s for v in volumes for s in (v.get("projected") or {}).get("sources") or []]
    mounted = [m.get("configMap", {}).get("name") for m in (*volumes, *sources) if m.get("configMap")]
    containers = [*spec["containers"], *(spec.get("initContainers") or [])]
    whole = [e["configMapRef"].get("name") for c in containers for e in c.get("envFrom") or [] if e.get("configMapRef")]
    keys = [(e.get("valueFrom") or {}).get("configMapKeyRef") for c in containers for e in c.get("env") or []]
    return config_map in {*mounted, *whole, *(k.get("name") for k in keys if k)}


def _plain(template: Json) -> Json:
    """Without what the controller adds."""
    copy: Json = json.loads(json.dumps(template))
    metadata = copy.setdefault("metadata", {})
    (metadata.get("labels") or {}).pop(_HASH, None)
    metadata.pop("creationTimestamp", None)
    return copy


def _replace(api: Cluster, arguments: Arguments, old: Json, new: Json) -> None:
    found = api.read("deployment", arguments.name, arguments.namespace)
    now = _plain(found["spec"]["template"])
    if now == _plain(new):
        return
    if now != _plain(old):
        raise ActionFailed(f"{_spoken(arguments)} was changed by others meanwhile; it is left as it is")
    operations: list[dict[str, Any]] = [{"op": "replace", "path": "/spec/template", "value": new}]
    if version := found["metadata"].get("resourceVersion"):
        operations.insert(0, {"op": "test", "path": "/metadata/resourceVersion", "value": version})
    api.patch("deployment", arguments.name, arguments.namespace, operations)


def _spoken(arguments: Arguments) -> str:
    return spoken("deployment", arguments.namespace, arguments.name)
