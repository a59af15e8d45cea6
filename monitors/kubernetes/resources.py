"""Which resources of the API are watched, what reads them, and the rights that takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nightshift.monitors.kubernetes.api import Right
from nightshift.monitors.kubernetes.finding import Finding
from nightshift.monitors.kubernetes.nodes import read_node
from nightshift.monitors.kubernetes.pods import read_pod
from nightshift.monitors.kubernetes.workloads import read_deployment, read_job, read_set

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

Read = Callable[[Mapping[str, Any], "Settings"], tuple[Finding, ...]]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of object. `read` is None for events, which are counted, not read one by one."""

    name: str
    group: str = ""
    version: str = "v1"
    read: Read | None = None
    namespaced: bool = True
    selected: bool = True

    def path(self, namespace: str) -> str:
        """Where the API lists it; '' = in all namespaces."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.name}" if namespace else f"{root}/{self.name}"

    def right(self, verb: str, namespace: str) -> Right:
        """What listing or watching it takes."""
        return Right(verb=verb, group=self.group, resource=self.name, namespace=namespace)


RESOURCES: Mapping[str, Resource] = {
    made.name: made
    for made in (
        Resource(name="pods", read=read_pod),
        Resource(name="deployments", group="apps", read=read_deployment),
        Resource(name="statefulsets", group="apps", read=read_set),
        Resource(name="daemonsets", group="apps", read=read_set),
        Resource(name="jobs", group="batch", read=read_job),
        Resource(name="nodes", read=read_node, namespaced=False, selected=False),
        Resource(name="events", selected=False),
    )
}


def watched(settings: Settings) -> list[tuple[Resource, str]]:
    """What is watched where: (resource, namespace); '' = all namespaces, or a resource that is in none."""
    names = list(settings.watch)
    if not settings.namespaces and "nodes" not in names:
        names.append("nodes")
    return [
        (RESOURCES[name], place)
        for name in dict.fromkeys(names)
        for place in (dict.fromkeys(settings.namespaces) or ("",) if RESOURCES[name].namespaced else ("",))
    ]


def rights(settings: Settings) -> list[Right]:
    """Everything the monitor asks the API for."""
    found = [resource.right(verb, place) for resource, place in watched(settings) for verb in ("list", "watch")]
    logs = "pods" in settings.watch and settings.log_lines
    places = dict.fromkeys(settings.namespaces) or ("",)
    return found + [Right(verb="get", group="", resource="pods/log", namespace=place) for place in places if logs]
