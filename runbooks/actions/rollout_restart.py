"""Restart a workload by a change to its pod template, as `kubectl rollout restart` does, but with a mark made of the
run's key in place of the time: applying it again changes nothing, so nothing restarts twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.ports import EnvironmentBroke

from ..action import Evidence
from ..context import Context
from ..errors import ActionFailed

if TYPE_CHECKING:
    from kubernetes.client import AppsV1Api

ANNOTATION = "nightshift/restartedAt"
# Strategic: a plain merge patch replaces lists, and with them the other containers.
_PATCH = "application/strategic-merge-patch+json"
_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_POLL_S = 1.0
_DNS = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"


class Arguments(BaseModel):
    """Which workload, and how long its rollout may take."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(pattern=_DNS)
    """Name of the workload."""
    namespace: str = Field(default="default", pattern=_DNS)
    """Its namespace."""
    kind: Literal["deployment", "statefulset", "daemonset"] = "deployment"
    """Its kind."""
    ready_within_s: float = Field(default=0.0, ge=0, le=3600)
    """How long to wait until the rollout is complete; 0 does not wait."""


class RolloutRestart:
    """`kubernetes.rollout_restart`."""

    name: ClassVar[str] = "kubernetes.rollout_restart"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"restart the pods of {_spoken(arguments)}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """Nothing: the mark in the template is the evidence."""
        del arguments, context, timeout_s
        return {}

    def run(
        self,
        arguments: Arguments,
        context: Context,
        *,
        key: str,
        evidence: Evidence,
        repeated: bool,
        timeout_s: float,
    ) -> str:
        """Patches the template's annotation; returns the workload and its mark."""
        del evidence, repeated
        mark = stable_id("run", key)
        template = {"metadata": {"annotations": {ANNOTATION: mark}}}
        with _cluster(context, arguments) as api:
            patch = getattr(api, f"patch_namespaced_{_method(arguments)}")
            body = {"spec": {"template": template}}
            where = {"name": arguments.name, "namespace": arguments.namespace, "_request_timeout": timeout_s}
            workload = patch(**where, body=body, _content_type=_PATCH, field_manager="nightshift")
            self._rolled_out(api, arguments, workload.metadata.generation or 0, context, timeout_s)
        return f"{_spoken(arguments)} restarted under {mark}"

    def _rolled_out(
        self, api: AppsV1Api, arguments: Arguments, generation: int, context: Context, timeout_s: float
    ) -> None:
        if not arguments.ready_within_s:
            return
        deadline = context.clock.monotonic() + arguments.ready_within_s
        read = getattr(api, f"read_namespaced_{_method(arguments)}")
        where = {"name": arguments.name, "namespace": arguments.namespace, "_request_timeout": timeout_s}
        while not _complete(read(**where), generation):
            if context.clock.monotonic() >= deadline:
                raise ActionFailed(f"{_spoken(arguments)} is not ready after {arguments.ready_within_s:g} s")
            context.clock.sleep(_POLL_S)


def _method(arguments: Arguments) -> str:
    return {"deployment": "deployment", "statefulset": "stateful_set", "daemonset": "daemon_set"}[arguments.kind]


def _spoken(arguments: Arguments) -> str:
    return f"{arguments.kind} {arguments.namespace}/{arguments.name}"


def _complete(workload: Any, generation: int) -> bool:
    """As `kubectl rollout status` decides it: observed, every replica updated, available, no old one left."""
    status = workload.status
    if (status.observed_generation or 0) < generation:
        return False
    if hasattr(status, "desired_number_scheduled"):
        wanted = status.desired_number_scheduled or 0
        return (status.updated_number_scheduled or 0) >= wanted and (status.number_available or 0) >= wanted
    wanted = 1 if workload.spec.replicas is None else workload.spec.replicas
    counts = (status.updated_replicas, status.available_replicas)
    return all((count or 0) >= wanted for count in counts) and (status.replicas or 0) <= wanted


@contextlib.contextmanager
def _cluster(context: Context, arguments: Arguments) -> Iterator[AppsV1Api]:
    """A client for a while; what the cluster does wrong becomes EnvironmentBroke, what it refuses ActionFailed."""
    from kubernetes.client import AppsV1Api
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        with _client(context) as client:
            yield AppsV1Api(client)
    except ConfigException as error:
        raise EnvironmentBroke(f"no usable Kubernetes configuration: {error}") from error
    except ApiException as error:
        raise _translated(error, arguments) from None
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


def _translated(error: Any, arguments: Arguments) -> Exception:
    if error.status == 404:
        return ActionFailed(f"there is no {_spoken(arguments)}")
    if error.status in (401, 403):
        needed = f"grant the verb patch on {arguments.kind}s in {arguments.namespace}"
        return ActionFailed(f"not allowed to restart {_spoken(arguments)} ({error.status}); {needed}")
    if error.status in (0, None, 408, 409, 429) or error.status >= 500:
        return EnvironmentBroke(f"the Kubernetes API answered {error.status}")
    return ActionFailed(f"the Kubernetes API refused ({error.status}): {str(error.reason)[:200]}")
