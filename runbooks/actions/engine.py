"""The Docker engine for actions: a client for a while, its faults as this house tells them, and when a container is
well again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nightshift.daemon.ports import EnvironmentBroke

from ..context import Context
from ..errors import ActionFailed

if TYPE_CHECKING:
    from docker import DockerClient

_POLL_S = 0.25


def settled(client: DockerClient, container: str, context: Context, *, within_s: float, stays_up_s: float) -> str:
    """The start time at which a container stays up; raises ActionFailed when there is none in time."""
    now = context.clock.monotonic
    deadline, since, seen = now() + within_s, now(), ""
    while True:
        state: dict[str, Any] = client.api.inspect_container(container)["State"]
        well = is_well(state)
        if not well or state["StartedAt"] != seen:
            since, seen = now(), state["StartedAt"]
        if well and now() - since >= stays_up_s:
            return seen
        if now() >= deadline + (stays_up_s if well else 0.0):
            raise ActionFailed(f"the container is {state['Status']} after the restart{_health(state)}")
        context.clock.sleep(_POLL_S)


def is_well(state: Mapping[str, Any]) -> bool:
    """Up, and healthy if it has a health check."""
    health = (state.get("Health") or {}).get("Status", "none")
    return bool(state["Running"]) and not state.get("Restarting") and health in ("healthy", "none")


def _health(state: Mapping[str, Any]) -> str:
    health = (state.get("Health") or {}).get("Status", "")
    return f", exit code {state['ExitCode']}" if not state["Running"] else f", {health}" if health else ""


@contextlib.contextmanager
def engine(context: Context, timeout_s: float) -> Iterator[DockerClient]:
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
