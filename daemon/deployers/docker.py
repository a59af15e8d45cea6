"""Containers of a Docker engine, made anew from the commit's image with the configuration they have.

The old container of each stays, stopped, until a later deploy is done: going back is starting it. With several
containers one goes first, and the others only when it stayed well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.deployers.command import CommandDeployer
from nightshift.daemon.deployers.images import Argv, Image, Wrong, build, image_of
from nightshift.daemon.deployers.shipments import Json, Shipments
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.runbooks.actions.docker_recreate import Arguments, DockerRecreate
from nightshift.runbooks.actions.engine import engine, settled
from nightshift.runbooks.context import Context
from nightshift.runbooks.errors import ActionFailed
from nightshift.runbooks.limits import Limits

_CALL_S = 60.0
Container = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]


class Settings(BaseModel):
    """Recreate containers of a Docker engine from a new image; the old ones are kept for the way back."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["docker"]
    """`docker`."""
    containers: Annotated[tuple[Container, ...], Field(min_length=1)]
    """Names of the service's containers; the first one goes first."""
    image: Image = ""
    """The image to make them from, `{commit}` or `{short}` for the commit; empty: the one they have, whose tag was
    moved."""
    build: Argv = ()
    """A command that makes the image first; it gets what `deploy` commands get."""
    docker_url: str = ""
    """Address of the engine; empty: what the environment says."""
    grace_s: Annotated[int, Field(ge=0, le=600)] = 10
    """How long an old container gets to stop by itself before it is killed."""
    healthy_within_s: Annotated[float, Field(ge=0, le=600)] = 60.0
    """How long a new one may take until it runs, and is healthy if it has a health check."""
    stays_up_s: Annotated[float, Field(ge=0, le=60)] = 2.0
    """How long it must then stay up."""


class DockerDeployer:
    """Port `Deployer` over `Settings`; `wrong` is asked at the end of a canary."""

    def __init__(self, settings: Settings, folder: Path, clock: Clock, repo_of: Callable[[Service], str] = lambda _: "",
                 wrong: Wrong = lambda *_: "") -> None:  # fmt: skip
        self._settings, self._clock, self._wrong = settings, clock, wrong
        self._shipments = Shipments(folder)
        self._command = CommandDeployer(folder / "builds", clock, repo_of)
        self._recreate = DockerRecreate()

    def deploy(self, service: Service, commit: str, key: str) -> str:
        """Recreate every container. When one does not become well, all of them go back: EnvironmentBroke."""
        image = image_of(self._settings.image, commit)
        build(self._command, self._settings.build, service, commit, key)
        with self._shipments.alone(service):
            record = self._shipments.find(key)
            if record is None or record["commit"] != commit:
                record = {"key": key, "commit": commit, "service": service.name, "parts": {}, "done": False,
                          "at_ms": self._clock.now_ms()}  # fmt: skip
            if record["done"]:
                return str(record["said"])
            try:
                said = [self._renew(service, name, image, record, first=name == self._settings.containers[0])
                        for name in self._settings.containers]  # fmt: skip
            except ActionFailed as failed:
                back = self._back(record)
                raise EnvironmentBroke(f"{failed}; {back}") from failed
            self._shipments.put(key, record | {"done": True, "said": "; ".join(said)})
            self._forget(service, key, record)
            return "; ".join(said)

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        """Start the old containers again in place of the new ones. `commit` has their tree, so nothing is built."""
        del commit, key
        with self._shipments.alone(service):
            record = self._shipments.find(of)
            if record is None or not record["parts"]:
                return "no container was changed"
            try:
                return self._back(record)
            except ActionFailed as failed:
                raise EnvironmentBroke(str(failed)) from failed

    def _renew(self, service: Service, name: str, image: str, record: Json, *, first: bool) -> str:
        context, asked = self._context(image), self._arguments(name, image)
        repeated = name in record["parts"]
        if not repeated:
            evidence = dict(self._recreate.before(asked, context, timeout_s=_CALL_S))
            record["parts"][name] = evidence
            self._shipments.put(record["key"], record)
        evidence = record["parts"][name]
        output = self._recreate.run(asked, context, key=_part(record), evidence=evidence, repeated=repeated,
                                    timeout_s=_CALL_S)  # fmt: skip
        if first and service.canary_s and len(self._settings.containers) > 1:
            self._hold(service, str(output.values["id"]), context, int(record["at_ms"]))
        return output.text

    def _hold(self, service: Service, container: str, context: Context, since_ms: int) -> None:
        """The canary: it must stay well, and nothing be worse than before, for a while. Raises ActionFailed."""
        with engine(context, _CALL_S) as client:
            settled(client, container, context, within_s=self._settings.healthy_within_s, stays_up_s=service.canary_s)
        if why := self._wrong(service, since_ms):
            raise ActionFailed(f"the first container is worse than before: {why}")

    def _back(self, record: Json) -> str:
        """Every container that was touched, the last one first; done again it changes nothing."""
        said = []
        for name, evidence in reversed(record["parts"].items()):
            context, asked = self._context(evidence["image"]), self._arguments(name, "")
            said.append(self._recreate.undo(asked, context, key=_part(record), evidence=evidence, timeout_s=_CALL_S))
        return "; ".join(said) or "no container was changed"

    def _forget(self, service: Service, key: str, record: Json) -> None:
        """Remove the old containers of earlier deploys: the way back from those is no longer needed."""
        shelf = f"old containers of {service.name}"
        earlier = dict((self._shipments.find(shelf) or {}).get("kept", {}))
        kept = [part["id"] for part in record["parts"].values()]
        gone = [identity for other, ids in earlier.items() if other != key for identity in ids if identity not in kept]
        self._shipments.put(shelf, {"kept": {**earlier, key: kept}})
        with engine(self._context(""), _CALL_S) as client:
            for identity in gone:
                _removed(partial(client.api.remove_container, identity), client.api.inspect_container, identity)
        self._shipments.put(shelf, {"kept": {key: kept}})

    def _context(self, image: str) -> Context:
        limits = Limits(containers=self._settings.containers, images=(image,) if image else ())
        return Context(docker_url=self._settings.docker_url, clock=self._clock, limits=limits)

    def _arguments(self, name: str, image: str) -> Arguments:
        how = self._settings
        return Arguments(container=name, image=image, grace_s=how.grace_s, healthy_within_s=how.healthy_within_s,
                         stays_up_s=how.stays_up_s)  # fmt: skip


def _part(record: Json) -> str:
    """Another commit under the same key is another deploy."""
    return f"{record['key']}@{record['commit']}"


def _removed(remove: Callable[[], Any], inspect: Callable[[str], Json], identity: str) -> None:
    """Remove an old container, unless somebody runs it again or has removed it."""
    from docker.errors import APIError, NotFound

    try:
        if not inspect(identity)["State"]["Running"]:
            remove()
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:
            raise
