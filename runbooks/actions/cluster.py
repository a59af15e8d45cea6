"""The Kubernetes API for actions: objects as the plain JSON they are (a typed model would drop fields it does not know
and an undo would lose them), and the cluster's faults as this house tells them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from nightshift.daemon.ports import EnvironmentBroke, Refused

from ..context import Context
from ..errors import ActionFailed

Json = dict[str, Any]
Workload = Literal["deployment", "statefulset", "daemonset"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
# Strategic: a plain merge patch replaces lists, and with them the other containers.
STRATEGIC = "application/strategic-merge-patch+json"
OPERATIONS = "application/json-patch+json"
POLL_S = 1.0
_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_KINDS = {
    "deployment": ("apps", "namespaced_deployment"),
    "statefulset": ("apps", "namespaced_stateful_set"),
    "daemonset": ("apps", "namespaced_daemon_set"),
    "replicaset": ("apps", "namespaced_replica_set"),
    "pod": ("core", "namespaced_pod"),
    "pods/eviction": ("core", "namespaced_pod_eviction"),
    "node": ("core", "node"),
    "custom": ("custom", "namespaced_custom_object"),
}
_RECONCILERS = {
    "argocd.argoproj.io/tracking-id": "Argo CD", "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}  # fmt: skip


class Cluster:
    """A client for one action. `timeout_s` is for each request."""

    def __init__(self, client: Any, timeout_s: float) -> None:
        from kubernetes.client import AppsV1Api, CoreV1Api, CustomObjectsApi

        self._apis = {"apps": AppsV1Api(client), "core": CoreV1Api(client), "custom": CustomObjectsApi(client)}
        self._timeout_s = timeout_s

    def read(self, kind: str, name: str, namespace: str = "") -> Json:
        """One object."""
        return self._call("read", kind, {"name": name, **_within(namespace)})

    def list(self, kind: str, namespace: str = "", selector: str = "") -> list[Json]:
        """Objects of a namespace."""
        found = self._call("list", kind, {"label_selector": selector, **_within(namespace)})
        return list(found.get("items", []))

    def patch(self, kind: str, name: str, namespace: str, body: Json | Sequence[Json]) -> Json:
        """Change one object: by a strategic merge, or by JSON patch operations when the body is a list."""
        how = STRATEGIC if isinstance(body, Mapping) else OPERATIONS
        more = {"body": body, "_content_type": how, "field_manager": "nightshift"}
        return self._call("patch", kind, {"name": name, **_within(namespace), **more})

    def create(self, kind: str, namespace: str, body: Json) -> Json:
        """Make one object."""
        return self._call("create", kind, {**_within(namespace), "body": body, "field_manager": "nightshift"})

    def custom(self, group: str, version: str, plural: str, namespace: str, name: str) -> Json:
        """One object of a kind that the cluster was taught."""
        kind = {"group": group, "version": version, "plural": plural}
        return self._call("get", "custom", {**kind, "name": name, "namespace": namespace})

    def delete(self, kind: str, name: str, namespace: str, uid: str) -> Json:
        """Delete one object, if it still is the one of that uid."""
        body = {"preconditions": {"uid": uid}}
        return self._call("delete", kind, {"name": name, **_within(namespace), "body": body})

    def evict(self, name: str, namespace: str, uid: str) -> None:
        """Ask for a pod's end, if it still is the one of that uid. Raises Protected while a budget keeps it."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace},
                "deleteOptions": {"preconditions": {"uid": uid}}}  # fmt: skip
        self._call("create", "pods/eviction", {"name": name, **_within(namespace), "body": body})

    def _call(self, verb: str, kind: str, arguments: Json) -> Json:
        from kubernetes.client.exceptions import ApiException

        api, suffix = _KINDS[kind]
        call = getattr(self._apis[api], f"{verb}_{suffix}")
        try:
            answer = call(**arguments, _preload_content=False, _request_timeout=self._timeout_s)
        except ApiException as error:
            where = "/".join(filter(None, (arguments.get("namespace", ""), arguments.get("name", ""))))
            raise _translated(error, verb, kind, where) from None
        return dict(json.loads(answer.data))


class Protected(ActionFailed):
    """A disruption budget keeps a pod where it is, for now."""


class Missing(ActionFailed):
    """There is no such object."""


def spoken(kind: str, namespace: str, name: str) -> str:
    """An object in a sentence."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


@contextlib.contextmanager
def cluster(context: Context, timeout_s: float) -> Iterator[Cluster]:
    """A client for a while; what the cluster does wrong becomes EnvironmentBroke, what it refuses ActionFailed."""
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        with _client(context) as client:
            yield Cluster(client, timeout_s)
    except ConfigException as error:
        raise EnvironmentBroke(f"no usable Kubernetes configuration: {error}") from error
    except (HTTPError, OSError) as error:
        raise EnvironmentBroke(f"the Kubernetes API can't be reached: {type(error).__name__}") from error


def _client(context: Context) -> Any:
    from kubernetes import client, config

    configuration = client.Configuration()
    if not context.kubeconfig and _TOKEN.exists():
        config.load_incluster_config(client_configuration=configuration)
    else:
        file, name = context.kubeconfig or None, context.kube_context or None
        config.load_kube_config(config_file=file, context=name, client_configuration=configuration)
    configuration.retries = False
    return client.ApiClient(configuration)


def _translated(error: Any, verb: str, kind: str, where: str) -> Exception:
    if error.status == 404:
        return Missing(f"there is no {kind} {where}")
    if error.status in (401, 403):
        right = {"read": "get"}.get(verb, verb)
        where_to = f" in {where.partition('/')[0]}" if kind != "node" else ""
        needed = f"grant the verb {right} on {kind}s{where_to}"
        return ActionFailed(f"not allowed to {right} {kind} {where} ({error.status}); {needed}")
    if error.status == 429 and kind == "pods/eviction":
        return Protected(f"a disruption budget keeps the pod {where}")
    if error.status in (0, None, 408, 429) or error.status >= 500:
        return EnvironmentBroke(f"the Kubernetes API answered {error.status}")
    if error.status == 409 or (error.status == 422 and "test" in str(error.body)[:2000]):
        return EnvironmentBroke(f"the Kubernetes API answered {error.status}: {kind} {where} changed meanwhile")
    return ActionFailed(f"the Kubernetes API refused ({error.status}): {str(error.reason)[:200]}")


def _within(namespace: str) -> Json:
    return {"namespace": namespace} if namespace else {}


def unmanaged(thing: Json, what: str) -> None:
    """Raises Refused when Argo CD or Flux owns an object: they would put it back."""
    marks = {**(thing["metadata"].get("annotations") or {}), **(thing["metadata"].get("labels") or {})}
    owner = next((name for mark, name in _RECONCILERS.items() if mark in marks), "")
    if owner:
        raise Refused(f"{owner} manages {what} and would put it back; change its repository (git.revert) instead")


def complete(workload: Json, generation: int) -> bool:
    """As `kubectl rollout status` decides it: observed, every replica updated, available, no old one left."""
    status, spec = workload.get("status") or {}, workload.get("spec") or {}
    if (status.get("observedGeneration") or 0) < generation:
        return False
    if workload.get("kind") == "DaemonSet" or "desiredNumberScheduled" in status:
        wanted = status.get("desiredNumberScheduled") or 0
        counts = (status.get("updatedNumberScheduled"), status.get("numberAvailable"))
        return all((count or 0) >= wanted for count in counts)
    wanted = 1 if spec.get("replicas") is None else spec["replicas"]
    counts = (status.get("updatedReplicas"), status.get("availableReplicas"))
    return all((count or 0) >= wanted for count in counts) and (status.get("replicas") or 0) <= wanted


def rolled_out(api: Cluster, kind: str, namespace: str, name: str, context: Context, within_s: float) -> Json:
    """Wait until a rollout is complete; raises ActionFailed when it is not in time."""
    deadline = context.clock.monotonic() + within_s
    while True:
        workload = api.read(kind, name, namespace)
        if complete(workload, workload["metadata"].get("generation") or 0):
            return workload
        if context.clock.monotonic() >= deadline:
            raise ActionFailed(f"{spoken(kind, namespace, name)} is not ready after {within_s:g} s")
        context.clock.sleep(POLL_S)


def paced(context: Context, timeout_s: float) -> Iterator[None]:
    """Polls until a time-out: `for _ in paced(…)` ends when it is over."""
    deadline = context.clock.monotonic() + timeout_s
    while True:
        yield
        if context.clock.monotonic() >= deadline:
            return
        context.clock.sleep(POLL_S)
