"""The sandbox engines there are, and how one is chosen. Explicit: no plugin is found by magic."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.ports import EnvironmentBroke, Sandboxes, SandboxSpec
from nightshift.sandboxes import dial
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.docker import DockerSandboxes
from nightshift.sandboxes.project.index import Settings as ProjectSettings

if TYPE_CHECKING:
    from docker import APIClient

_SOCKETS = ("/var/run/docker.sock", "{runtime}/docker.sock")
_NO_ENGINE = (
    "no sandbox engine: {why}. Run `deploy/engine start` (installs and starts Docker, or takes bubblewrap), "
    "or install one of them yourself: `apt-get install docker.io` or `apt-get install bubblewrap`"
)


class Settings(BaseModel):
    """Which engine seals untrusted code, and the limits a sandbox has unless its user asks for others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["auto", "docker", "bubblewrap"] = "auto"
    """`auto` takes Docker when it answers, else bubblewrap."""
    docker_host: str = ""
    """Where Docker listens (`unix:///run/docker.sock`, `tcp://host:2376`, `ssh://user@host`); empty: what DOCKER_HOST
    or DOCKER_CONTEXT say, else the usual sockets."""
    docker_context: str = ""
    """A context of the docker program to reach the engine by, instead of an address."""
    docker_tls: str = ""
    """The folder with `ca.pem`, `cert.pem` and `key.pem` for a `tcp://` address; empty: no TLS."""
    ssh_options: tuple[str, ...] = ()
    """More words for ssh, for an `ssh://` address (`-i`, `/path/of/a/key`)."""
    runtime: str = ""
    """The engine's runtime to use (`runsc` for gVisor); empty: its default. One that the engine lacks is an error."""
    pull: bool = False
    """Whether an image that is not on the engine may be pulled."""
    memory_mb: int = Field(default=1024, ge=64)
    """Memory of one sandbox, swap included."""
    cpus: float = Field(default=2.0, gt=0)
    """CPUs one sandbox may use."""
    pids: int = Field(default=256, ge=16)
    """Processes and threads in one sandbox."""
    work_mb: int = Field(default=512, ge=16)
    """Size of the work directory."""
    lifetime_s: float = Field(default=900.0, gt=0)
    """A sandbox ends by itself after this long."""
    output_mb: int = Field(default=4, ge=1)
    """What a command may write on one stream before it is ended."""
    project: ProjectSettings = ProjectSettings()
    """How the image `project` is made."""

    def limited(self, spec: SandboxSpec) -> SandboxSpec:
        """The same sandbox with these limits."""
        return replace(spec, memory_mb=self.memory_mb, cpus=self.cpus, pids=self.pids, work_mb=self.work_mb,
                       lifetime_s=self.lifetime_s, output_bytes=self.output_mb << 20)  # fmt: skip


def connect_docker(docker_host: str = "", settings: Settings | None = None) -> APIClient:
    """A Docker API client: the given address, else that of the settings, else what the docker program's variables
    (DOCKER_HOST, DOCKER_CONTEXT, with their TLS settings) say, else the first usual socket. Raises EnvironmentBroke and
    docker's own errors."""
    import docker

    told = (settings or Settings()).model_dump() | ({"docker_host": docker_host} if docker_host else {})
    host, context, tls = dial.chosen(told, os.environ)
    if context and context != "default":
        return dial.over_docker("--context", context)
    if host.startswith("ssh://"):
        return dial.over_ssh(host, told["ssh_options"])
    if tls:
        return dial.over_docker(*dial.tls_flags(host, os.path.expanduser(tls)))
    if not host:
        runtime = os.environ.get("XDG_RUNTIME_DIR", "/run/user/0")
        sockets = [path.format(runtime=runtime) for path in _SOCKETS]
        host = "unix://" + next((path for path in sockets if os.path.exists(path)), sockets[0])
    return docker.APIClient(base_url=host, version="auto", timeout=60)


def _docker(settings: Settings) -> Sandboxes:
    return DockerSandboxes(lambda: connect_docker(settings=settings), pull=settings.pull, project=settings.project,
                           runtime=settings.runtime)  # fmt: skip


ENGINES: Mapping[str, Callable[[Settings], Sandboxes]] = {
    "docker": _docker,
    "bubblewrap": lambda settings: BubblewrapSandboxes(project=settings.project),
}


def engine(settings: Settings | None = None) -> Sandboxes:
    """The engine the settings ask for; raises `EnvironmentBroke` with one clear message when it does not answer."""
    settings = settings or Settings()
    wanted = list(ENGINES) if settings.engine == "auto" else [settings.engine]
    reasons = []
    for name in wanted:
        made = ENGINES[name](settings)
        health = made.probe()
        if health.ok:
            return made
        made.close()
        reasons.append(f"{name}: {health.detail}")
    raise EnvironmentBroke(_NO_ENGINE.format(why="; ".join(reasons)))
