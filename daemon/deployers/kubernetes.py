"""A workload of a cluster gets the commit's image, or new pods, and is waited for until its rollout is complete.

Its pod template is noted first: the way back puts that one in place again, as `kubectl rollout undo` does. What Argo CD
or Flux manages is never touched. A deployment's canary is a deployment of one replica beside it, whose pods carry the
same labels and so get a share of the traffic.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.deployers.command import CommandDeployer
from nightshift.daemon.deployers.images import Argv, Image, Wrong, build, image_of
from nightshift.daemon.deployers.shipments import Json, Shipments
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Service
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.runbooks.actions.cluster import (
    Cluster,
    Missing,
    Name,
    Workload,
    cluster,
    complete,
    rolled_out,
    spoken,
    unmanaged,
)
from nightshift.runbooks.context import Context
from nightshift.runbooks.errors import ActionFailed

MARK = "nightshift/deploy"
CANARY = "nightshift/canary"
_MARK_PATH = f"/spec/template/metadata/annotations/{MARK.replace('/', '~1')}"
_CALL_S = 30.0
_HASH = "pod-template-hash"


class Settings(BaseModel):
    """Set the image of a workload, or restart its pods, and wait for the rollout."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["kubernetes"]
    """`kubernetes`."""
    name: Name
    """The workload's name."""
    namespace: Name = "default"
    """Its namespace."""
    workload: Workload = "deployment"
    """`deployment`, `statefulset` or `daemonset`."""
    container: str = ""
    """The container that gets the image; empty: the only one there is."""
    image: Image = ""
    """The image, `{commit}` or `{short}` for the commit; empty: the pods are restarted with the one they have."""
    build: Argv = ()
    """A command that makes (and pushes) the image first; it gets what `deploy` commands get."""
    kubeconfig: Path | None = None
    """Credentials; empty: in-cluster ones if there are any, else the default file."""
    kube_context: str = ""
    """Context of that file; empty: its current one."""
    canary_ready_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """How long the canary may take until it is ready."""


class KubernetesDeployer:
    """Port `Deployer` over `Settings`; `wrong` is asked at the end of a canary."""

    def __init__(self, settings: Settings, folder: Path, clock: Clock, repo_of: Callable[[Service], str] = lambda _: "",
                 wrong: Wrong = lambda *_: "") -> None:  # fmt: skip
        self._settings, self._clock, self._wrong = settings, clock, wrong
        self._shipments = Shipments(folder)
        self._command = CommandDeployer(folder / "builds", clock, repo_of)
        kubeconfig = str(settings.kubeconfig or "")
        self._context = Context(kubeconfig=kubeconfig, kube_context=settings.kube_context, clock=clock)
        self._what = spoken(settings.workload, settings.namespace, settings.name)

    def deploy(self, service: Service, commit: str, key: str) -> str:
        """Patch the pod template and wait for the rollout. Raises Refused for what a reconciler manages."""
        image = image_of(self._settings.image, commit)
        build(self._command, self._settings.build, service, commit, key)
        with self._shipments.alone(service):
            record = self._shipments.find(key)
            if record and record["commit"] == commit and record["done"]:
                return str(record["said"])
            with _talking(self._context) as api:
                if record is None or record["commit"] != commit:
                    record = self._begin(api, service, commit, image, key)
                if service.canary_s and not record["tried"]:
                    self._canary(api, service, record)
                self._patch(api, record)
                rolled_out(api, *self._place(), self._context, service.deploy_timeout_s)
                self._remove_canary(api)
            said = f"{self._what} runs {record['image'] or 'restarted pods'}"
            self._shipments.put(key, record | {"done": True, "said": said})
            return said

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        """The template it had, again. Raises EnvironmentBroke when others changed it meanwhile."""
        del commit, key
        with self._shipments.alone(service):
            record = self._shipments.find(of)
            if record is None:
                return f"{self._what} was not changed"
            with _talking(self._context) as api:
                self._remove_canary(api)
                self._restore(api, record)
                rolled_out(api, *self._place(), self._context, service.deploy_timeout_s)
            return f"{self._what} has the template again that it had before {record['commit'][:12]}"

    # ------------------------------------------------------------ forward

    def _begin(self, api: Cluster, service: Service, commit: str, image: str, key: str) -> Json:
        found = self._read(api)
        unmanaged(found, self._what)
        if found["spec"].get("paused"):
            raise ActionFailed(f"{self._what} is paused; resume it first")
        container = self._container(found) if image else ""
        record = {
            "key": key, "commit": commit, "service": service.name, "image": image, "container": container,
            "template": _plain(found["spec"]["template"]), "mark": stable_id("deploy", key, commit), "done": False,
            "tried": False, "at_ms": self._clock.now_ms(),
        }  # fmt: skip
        self._shipments.put(key, record)
        return record

    def _container(self, found: Json) -> str:
        names = [c["name"] for c in found["spec"]["template"]["spec"]["containers"]]
        wanted = self._settings.container or (names[0] if len(names) == 1 else "")
        if wanted not in names:
            raise ActionFailed(f"{self._what} has the containers {', '.join(names)}: name one of them as `container`")
        return wanted

    def _patch(self, api: Cluster, record: Json) -> None:
        """By single operations, so that nothing else of the template is touched; done already it does nothing."""
        template = self._read(api)["spec"]["template"]
        metadata, containers = template.get("metadata") or {}, template["spec"]["containers"]
        if (metadata.get("annotations") or {}).get(MARK) == record["mark"]:
            return
        operations: list[Json] = []
        for at, container in enumerate(containers):
            if record["image"] and container["name"] == record["container"]:
                place = f"/spec/template/spec/containers/{at}"
                operations += [{"op": "test", "path": f"{place}/name", "value": container["name"]},
                               {"op": "replace", "path": f"{place}/image", "value": record["image"]}]  # fmt: skip
        if metadata.get("annotations"):
            operations.append({"op": "add", "path": _MARK_PATH, "value": record["mark"]})
        else:
            path = _MARK_PATH.rpartition("/")[0]
            operations.append({"op": "add", "path": path, "value": {MARK: record["mark"]}})
        kind, namespace, name = self._place()
        api.patch(kind, name, namespace, operations)

    # ------------------------------------------------------------ one replica first

    def _canary(self, api: Cluster, service: Service, record: Json) -> None:
        """Raises ActionFailed, and leaves no canary, when it does not become or stay well."""
        found = self._read(api)
        if self._settings.workload != "deployment" or int(found["spec"].get("replicas") or 1) < 2:
            return
        name = f"{self._settings.name}-canary"
        try:
            self._make_canary(api, found, record, name)
            place = ("deployment", self._settings.namespace, name)
            rolled_out(api, *place, self._context, self._settings.canary_ready_s)
            self._context.clock.sleep(service.canary_s)
            now = api.read("deployment", name, self._settings.namespace)
            why = "" if complete(now, 0) else "its pod did not stay ready"
            why = why or self._wrong(service, int(record["at_ms"]))
            if why:
                raise ActionFailed(f"the canary of {self._what} is not well: {why}")
        except ActionFailed:
            self._remove_canary(api)
            raise
        record["tried"] = True
        self._shipments.put(record["key"], record)

    def _make_canary(self, api: Cluster, found: Json, record: Json, name: str) -> None:
        wanted = _canary_of(found, record, name)
        try:
            there = api.read("deployment", name, self._settings.namespace)
        except Missing:
            api.create("deployment", self._settings.namespace, wanted)
            return
        labels = there["metadata"].get("labels") or {}
        if labels.get(CANARY) == record["mark"]:
            return
        if CANARY not in labels:
            raise ActionFailed(f"there is a deployment {name} of somebody else's")
        self._remove_canary(api)
        raise EnvironmentBroke(f"the canary {name} of an earlier deploy is being removed")

    def _remove_canary(self, api: Cluster) -> None:
        """Ours only."""
        name = f"{self._settings.name}-canary"
        try:
            there = api.read("deployment", name, self._settings.namespace)
            if CANARY in (there["metadata"].get("labels") or {}):
                api.delete("deployment", name, self._settings.namespace, there["metadata"].get("uid", ""))
        except Missing:
            return

    # ------------------------------------------------------------ back

    def _restore(self, api: Cluster, record: Json) -> None:
        found = self._read(api)
        now = _plain(found["spec"]["template"])
        if now == record["template"]:
            return
        if (now["metadata"].get("annotations") or {}).get(MARK) != record["mark"]:
            raise ActionFailed(f"{self._what} was changed by others meanwhile; it is left as it is")
        operations: list[Json] = [
            {"op": "test", "path": _MARK_PATH, "value": record["mark"]},
            {"op": "replace", "path": "/spec/template", "value": record["template"]},
        ]
        kind, namespace, name = self._place()
        api.patch(kind, name, namespace, operations)

    # ------------------------------------------------------------ the cluster

    def _place(self) -> tuple[str, str, str]:
        return self._settings.workload, self._settings.namespace, self._settings.name

    def _read(self, api: Cluster) -> Json:
        kind, namespace, name = self._place()
        return api.read(kind, name, namespace)


@contextlib.contextmanager
def _talking(context: Context) -> Iterator[Cluster]:
    """A client for a while; what an action calls failed is a deploy that broke."""
    try:
        with cluster(context, _CALL_S) as api:
            yield api
    except ActionFailed as failed:
        raise EnvironmentBroke(str(failed)) from failed


def _canary_of(found: Json, record: Json, name: str) -> Json:
    """A deployment of one replica with the new template; its selector takes its own pods only."""
    template: Json = json.loads(json.dumps(record["template"]))
    for container in template["spec"]["containers"]:
        if container["name"] == record["container"]:
            container["image"] = record["image"]
    mark = {CANARY: record["mark"]}
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **mark}
    selector = {"matchLabels": {**(found["spec"]["selector"].get("matchLabels") or {}), **mark}}
    namespace = found["metadata"].get("namespace", "")
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {**metadata["labels"]}},
        "spec": {"replicas": 1, "selector": selector, "template": template},
    }  # fmt: skip


def _plain(template: Json) -> Json:
    """Without what the controller adds."""
    copy: Json = json.loads(json.dumps(template))
    metadata = copy.setdefault("metadata", {})
    (metadata.get("labels") or {}).pop(_HASH, None)
    metadata.pop("creationTimestamp", None)
    return copy
