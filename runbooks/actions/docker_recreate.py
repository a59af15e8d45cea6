"""Make a container anew from its own configuration, perhaps with another image. The old one stays, stopped and under
another name, until it is pruned: it is the way back.

Every stage is told from what lies there (the noted id, the names, a label with the run's key), so that a run that was
cut off goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.ids import stable_id

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .engine import engine, settled

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "nightshift.recreated"
Json = dict[str, Any]


class Arguments(BaseModel):
    """Which container, and from what."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    container: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")
    """Name or id of the container."""
    image: str = Field(default="", max_length=300, pattern=r"^$|^[a-z0-9][A-Za-z0-9._/:@-]*$")
    """The image to make it from; empty: the one it has. Another one must be among `runbooks.limits.images`."""
    grace_s: int = Field(default=10, ge=0, le=600)
    """How long the old one gets to stop by itself before it is killed."""
    healthy_within_s: float = Field(default=30.0, ge=0, le=600)
    """How long the new one may take until it runs, and is healthy if it has a health check."""
    stays_up_s: float = Field(default=1.0, ge=0, le=60)
    """How long it must then stay up."""


class DockerRecreate(Action):
    """`docker.recreate`."""

    name: ClassVar[str] = "docker.recreate"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("id", "old_id", "image")
    can_undo: ClassVar[bool] = True

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"recreate the container {arguments.container}" + (f" from {arguments.image}" * bool(arguments.image))

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The container's id, name, image and whether the engine starts it by itself."""
        with engine(context, timeout_s) as client:
            found = client.api.inspect_container(arguments.container)
            name, image = found["Name"].lstrip("/"), found["Config"]["Image"]
            context.limits.check_container(name)
            if found["HostConfig"].get("AutoRemove"):
                raise ActionFailed(f"{name} is removed when it stops (--rm): there would be no way back")
            if arguments.image not in ("", image):
                context.limits.check_image(arguments.image)
                client.api.inspect_image(arguments.image)
        restarts = found["HostConfig"].get("RestartPolicy") or {"Name": "no", "MaximumRetryCount": 0}
        return {"id": found["Id"], "name": name, "image": arguments.image or image, "restarts": restarts}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `id`, `old_id` and `image`."""
        del repeated
        aside = _aside(evidence, key)
        with engine(context, timeout_s + arguments.grace_s) as client:
            old = client.api.inspect_container(evidence["id"])
            made = _named(client, evidence["name"])
            if made is None or made["Id"] == evidence["id"]:
                _put_aside(client, old, evidence, aside, arguments.grace_s)
                config = _configuration(old, evidence["image"], key)
                made = client.api.create_container_from_config(config, evidence["name"])
            elif (made["Config"].get("Labels") or {}).get(LABEL) != stable_id("run", key):
                raise ActionFailed(f"{evidence['name']} was made anew by others meanwhile")
            client.api.start(made["Id"])
            settled(client, made["Id"], context, within_s=arguments.healthy_within_s, stays_up_s=arguments.stays_up_s)
        text = f"{evidence['name']} is {made['Id'][:12]} from {evidence['image']}; the old one is kept as {aside}"
        return Output(text=text, values={"id": made["Id"], "old_id": evidence["id"], "image": evidence["image"]})

    def undo(self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """The old container under its name again, started; the new one is removed."""
        with engine(context, timeout_s + arguments.grace_s) as client:
            made, name = _named(client, evidence["name"]), evidence["name"]
            if made is not None and made["Id"] != evidence["id"]:
                if (made["Config"].get("Labels") or {}).get(LABEL) != stable_id("run", key):
                    raise ActionFailed(f"{name} was made anew by others meanwhile; it is left as it is")
                client.api.remove_container(made["Id"], force=True)
            if made is None or made["Id"] != evidence["id"]:
                client.api.rename(evidence["id"], name)
            client.api.update_container(evidence["id"], restart_policy=evidence["restarts"])
            client.api.start(evidence["id"])
        return f"{name} is {evidence['id'][:12]} again"


def _aside(evidence: Evidence, key: str) -> str:
    return f"{evidence['name']}-before-{stable_id('run', key).removeprefix('run-')}"


def _named(client: DockerClient, name: str) -> Json | None:
    from docker.errors import NotFound

    try:
        found: Json = client.api.inspect_container(name)
    except NotFound:
        return None
    return found if found["Name"].lstrip("/") == name else None


def _put_aside(client: DockerClient, old: Json, evidence: Evidence, aside: str, grace_s: int) -> None:
    """Stopped, not to be started by the engine, and its name free."""
    client.api.update_container(old["Id"], restart_policy={"Name": "no"})
    client.api.stop(old["Id"], timeout=grace_s)
    if old["Name"].lstrip("/") == evidence["name"]:
        client.api.rename(old["Id"], aside)


def _configuration(old: Json, image: str, key: str) -> Json:
    """The new container's, as the engine's own interface takes it."""
    config, host = dict(old["Config"]), dict(old["HostConfig"])
    config |= {"Image": image, "Labels": {**(config.get("Labels") or {}), LABEL: stable_id("run", key)}}
    config.pop("MacAddress", None)
    if config.get("Hostname") == old["Id"][:12]:
        config.pop("Hostname")
    bound = {str(b).split(":")[1] for b in host.get("Binds") or [] if ":" in str(b)}
    bound |= {m["Target"] for m in host.get("Mounts") or []}
    nameless = [f"{m['Name']}:{m['Destination']}" for m in old.get("Mounts") or []
                if m.get("Type") == "volume" and m["Destination"] not in bound]  # fmt: skip
    host["Binds"] = [*(host.get("Binds") or []), *nameless] or None
    networks = {} if _shared(host.get("NetworkMode", "")) else (old["NetworkSettings"].get("Networks") or {})
    ends = {name: _end(end, old["Id"]) for name, end in networks.items()}
    return {**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": ends}}


def _shared(mode: str) -> bool:
    return mode in ("host", "none") or mode.startswith("container:")


def _end(end: Json, identity: str) -> Json:
    """A network's end without what the engine gave it."""
    aliases = [alias for alias in end.get("Aliases") or [] if alias != identity[:12]]
    return {"Aliases": aliases or None, "IPAMConfig": end.get("IPAMConfig"), "Links": end.get("Links")}
