"""What people may set of the cluster monitor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nightshift.monitors.kubernetes import selector

Kind = Literal["pods", "deployments", "statefulsets", "daemonsets", "jobs", "nodes", "events"]


class Settings(BaseModel):
    """Which cluster, which objects, and from when on a state counts as trouble."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kubeconfig: Path | None = None
    """A kubeconfig file; None uses the pod's own service account (in-cluster)."""
    context: str = ""
    """Context of the kubeconfig; '' is its current one."""
    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; none means all of them (needs a ClusterRole)."""
    watch: tuple[Kind, ...] = ("pods", "deployments", "statefulsets", "daemonsets", "jobs", "events")
    """What is watched; ``nodes`` needs a ClusterRole, and joins by itself when all namespaces are watched."""
    label_selector: str = ""
    """Only pods and workloads that match, for example ``team=shop`` or ``tier in (web, api)``."""
    field_selector: str = ""
    """Only pods that match, for example ``spec.nodeName=worker-1``."""
    restarts: int = Field(default=3, ge=1)
    """A container that died this often is reported although kubelet does not call it CrashLoopBackOff yet."""
    service_labels: tuple[str, ...] = ("nightshift.service", "app.kubernetes.io/name", "app")
    """Labels that name the service, the first one set counts; without any, the deployment's (or other owner's) name."""
    services: Mapping[str, str] = Field(default_factory=dict)
    """Other names: from what the labels say to the name of the service here."""
    node_service: str = "cluster"
    """The service that nodes, and events of things that belong to no service, are reported under."""
    commit_annotations: tuple[str, ...] = ("nightshift.commit", "org.opencontainers.image.revision")
    """Annotations (or labels) that hold the commit a pod or workload was built from; the first one set counts."""
    lookback_s: float = Field(default=3600.0, ge=0)
    """Deaths older than this at the first start are history, unless the container is in its crash loop right now."""
    pending_s: float = Field(default=300.0, ge=0)
    """Seconds a pod may take from its creation until its containers start."""
    unready_s: float = Field(default=300.0, ge=0)
    """Seconds a running container may fail its readiness or startup probe."""
    unavailable_s: float = Field(default=600.0, ge=0)
    """Seconds a workload may have fewer replicas than it wants."""
    node_s: float = Field(default=60.0, ge=0)
    """Seconds a node may be not ready or under pressure."""
    stable_s: float = Field(default=600.0, ge=0)
    """Seconds a container must run to count as recovered; kubelet forgets its back-off after ten minutes, too."""
    event_count: int = Field(default=3, ge=1)
    """Warning events of one reason about one object are reported from this many on."""
    event_every_s: float = Field(default=300.0, ge=0)
    """Seconds between two reports of one reason about one object; the later one tells how many there were."""
    events_ignored: tuple[str, ...] = (
        "BackOff",
        "Failed",
        "FailedScheduling",
        "Evicted",
        "NodeNotReady",
        "InspectFailed",
    )
    """Reasons of warning events that are not reported; the default ones tell what the objects' states tell already."""
    watch_s: float = Field(default=240.0, gt=0)
    """Seconds after which the server is asked to end a watch, so that dead connections don't go unnoticed."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Seconds one request may take (a watch has `watch_s`)."""
    page: int = Field(default=500, ge=1)
    """Objects asked for in one page of a list."""
    log_lines: int = Field(default=200, ge=0)
    """Last lines of a dead container's log that are read for its exception and the sample; 0 reads none."""
    log_bytes: int = Field(default=65536, ge=1)
    """Cap of what is kept of them, from the end."""
    logs_per_minute: int = Field(default=30, ge=1)
    """Logs read per workload and minute, of all ten times as many; deaths beyond that are told without their log."""

    @field_validator("label_selector")
    @classmethod
    def _labels_make_sense(cls, value: str) -> str:
        selector.labels(value)
        return value

    @field_validator("field_selector")
    @classmethod
    def _fields_make_sense(cls, value: str) -> str:
        selector.fields(value)
        return value
