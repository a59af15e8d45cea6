"""Restart a container. Its start time, noted before, tells a resumed run whether the restart took place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.ports import EnvironmentBroke

from ..action import Evidence
from ..context import Context
from ..errors import ActionFailed

if TYPE_CHECKING:
    from docker import DockerClient

_POLL_S = 0.25


class Arguments(BaseModel):
    """Which container, and how patiently."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    container: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")
    """Name or id of the container."""
    grace_s: int = Field(default=10, ge=0, le=600)
    """How long it gets to stop by itself before it is killed."""
    healthy_within_s: float = Field(default=10.0, ge=0, le=600)
    """How long it may take until it runs, and is healthy if it has a health check."""
    stays_up_s: float = Field(default=1.0, ge=0, le=60)
    """How long it must then stay up without another restart; a crash loop looks well for a moment, too."""


class DockerRestart:
    """`docker.restart`."""

    name: ClassVar[str] = "docker.restart"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"restart the container {arguments.container} (grace {arguments.grace_s} s)"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The container's id and start time."""
        with _engine(context, timeout_s) as client:
            state = client.api.inspect_container(arguments.container)
            return {"id": state["Id"], "started_at": state["State"]["StartedAt"]}

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
        """Restarts unless the start time has moved since `before`; returns the container's id and start time."""
        del key, repeated
        with _engine(context, timeout_s + arguments.grace_s) as client:
            found = client.api.inspect_container(evidence["id"])
            if found["State"]["StartedAt"] == evidence["started_at"]:
                client.api.restart(evidence["id"], timeout=arguments.grace_s)
            started_at = self._settled(client, evidence["id"], arguments, context)
        return f"{evidence['id'][:12]} up since {started_at}"

    def _settled(self, client: DockerClient, container: str, arguments: Arguments, context: Context) -> str:
        """The start time at which it stays up; raises ActionFailed when there is none in time."""
        now = context.clock.monotonic
        deadline, since, seen = now() + arguments.healthy_within_s, now(), ""
        while True:
            state: dict[str, Any] = client.api.inspect_container(container)["State"]
            well = _is_well(state)
            if not well or state["StartedAt"] != seen:
                since, seen = now(), state["StartedAt"]
            if well and now() - since >= arguments.stays_up_s:
                return seen
            if now() >= deadline + (arguments.stays_up_s if well else 0.0):
                raise ActionFailed(f"the container is {state['Status']} after the restart{_health(state)}")
            context.clock.sleep(_POLL_S)


def _is_well(state: Mapping[str, Any]) -> bool:
    health = (state.get("Health") or {}).get("Status", "none")
    return bool(state["Running"]) and not state.get("Restarting") and health in ("healthy", "none")


def _health(state: Mapping[str, Any]) -> str:
    health = (state.get("Health") or {}).get("Status", "")
    return f", exit code {state['ExitCode']}" if not state["Running"] else f", {health}" if health else ""


@contextlib.contextmanager
def _engine(context: Context, timeout_s: float) -> Iterator[DockerClient]:
    """A client for a while; what the engine does wrong becomes EnvironmentBroke, what the caller does ActionFailed."""
    import docker
    from docker.errors import APIError, DockerException, NotFound
    from requests.exceptions import RequestException

    try:
        client = (
            docker.DockerClient(base_url=context.docker_url, timeout=timeout_s)
            if context.docker_url
            else docker.from_env(timeout=timeout_s)
        )
        with contextlib.closing(client):
            yield client
    except NotFound as error:
        raise ActionFailed(f"no such container: {error.explanation}") from None
    except APIError as error:
        if error.is_server_error() and "cannot restart container" not in str(error.explanation).lower():
            raise EnvironmentBroke(f"the Docker engine failed: {error.explanation}") from error
        raise ActionFailed(f"the Docker engine refused: {error.explanation}") from None
    except (DockerException, RequestException) as error:
        raise EnvironmentBroke(f"the Docker engine can't be reached: {str(error)[:300]}") from error
