"""Sandboxes in real Docker containers: one hardened, single-use container each, commands by exec.

The container itself only sleeps until its deadline and then removes itself, so that even a daemon that vanished
leaves nothing for longer than that; `reap` clears earlier. A warm container is used once, never again.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes import images, profile
from nightshift.sandboxes.container import START_FIX, DockerSandbox, engine_faults, remove
from nightshift.sandboxes.owner import is_gone, this_owner
from nightshift.sandboxes.project import PROJECT
from nightshift.sandboxes.project.docker_images import DockerProjects, Ground
from nightshift.sandboxes.project.index import Settings
from nightshift.sandboxes.project.order import Base, host_base, with_project
from nightshift.sandboxes.warm import WARM_S, WarmPool

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

_LIMITS_FIX = "give the engine control groups (cgroup v2 delegation for a rootless one), or run it as root"
_ELSEWHERE = (
    "the image `{image}` is made of this machine's own programs, and the engine at {where} is another machine: name an "
    "image that it has (`image: python:3.12`), or `image: project` with sandbox.project.base set to such an image"
)
_RUNTIME_PIDS = 256
_NO_RUNTIME = (
    "the engine has no runtime {wanted} (it has {has}): install it (`apt-get install runsc`), name it in the engine's "
    "daemon.json and reload it, or leave sandbox.runtime empty"
)
_PROJECT = Settings()
_UIDS = (1 << 28, 1 << 30)
_MAPPED_UIDS = (1_000, 60_000)  # rootless engines and remapped users have 65,536 ids


@dataclass(frozen=True, kw_only=True)
class _Engine:
    """A connection and what its engine can do."""

    api: APIClient
    cpus: float
    uids: tuple[int, int]
    lacks: tuple[str, ...]
    shares_files: bool
    where: str
    runtimes: tuple[str, ...]


class DockerSandboxes:
    """The engine. `connect` makes an API client; it is called once, on first use. Thread-safe. `shares_files` says
    whether the engine sees this machine's files (None: found out); only then there is an image `host`."""

    name = "docker"

    def __init__(
        self, connect: Callable[[], APIClient], *, pull: bool = False, clock: Clock | None = None,
        rng: random.Random | None = None, project: Settings = _PROJECT, shares_files: bool | None = None,
        runtime: str = "",
    ) -> None:  # fmt: skip
        self._connect, self._pull, self._clock = connect, pull, clock or SystemClock()
        self._rng = rng or random.SystemRandom()
        self._lock = threading.Lock()
        self._made: _Engine | None = None
        self._pool = WarmPool(self._start, self._clock)
        self._image_lock = threading.Lock()
        self._project, self._projects = project, DockerProjects(project, self._clock, self._pool.closed.is_set)
        self._shares_files, self._runtime = shares_files, runtime

    # -- the port

    def open(self, spec: SandboxSpec) -> DockerSandbox:
        """A warm sandbox of that spec when one is ready, else a new one. Raises `EnvironmentBroke`."""
        while (box := self._pool.take(spec)) is not None:
            if box.alive():
                return box
            box.close()
        return self._start(spec)

    def prewarm(self, spec: SandboxSpec, count: int) -> None:
        """Bring the pool for `spec` up to `count`, in the background; failures are logged and left to `open`."""
        self._pool.fill(spec, count)

    def probe(self) -> Health:
        """Whether Docker answers and can make what is needed."""
        try:
            with engine_faults("the sandbox engine"):
                engine = self._engine()
                version = engine.api.version()
            detail = f"Docker {version.get('Version')} (API {version.get('ApiVersion')}, {engine.cpus:g} CPUs)"
            if not engine.lacks:
                return Health(ok=True, what="sandboxes", detail=detail)
            missing = f"{detail} can't limit {', '.join(engine.lacks)}"
            return Health(ok=False, what="sandboxes", detail=missing, fix=_LIMITS_FIX)
        except EnvironmentBroke as error:
            return Health(ok=False, what="sandboxes", detail=str(error), fix=START_FIX)

    def reap(self) -> int:
        """Remove containers whose owner is dead or whose deadline has passed; other living owners' stay."""
        with engine_faults("reaping sandboxes"):
            api = self._engine().api
            found = api.containers(all=True, filters={"label": profile.OWNER})
            return sum(remove(api, each["Id"]) for each in found if self._is_stale(each.get("Labels") or {}))

    def close(self) -> None:
        """Throw the warm pool away and drop the connection; sandboxes already open stay their users' to close."""
        self._pool.close()
        with self._lock:
            if self._made:
                self._made.api.close()
                self._made = None

    # -- making

    def _engine(self) -> _Engine:
        with self._lock:
            if self._made is None:
                api = self._connect()
                self._made = _seen(api, api.info(), self._shares_files)
                if self._runtime and self._runtime not in self._made.runtimes:
                    found, self._made = self._made, None
                    api.close()
                    raise EnvironmentBroke(_NO_RUNTIME.format(wanted=self._runtime, has=", ".join(found.runtimes)))
            return self._made

    def _start(self, spec: SandboxSpec) -> DockerSandbox:
        lifetime_s = int(spec.lifetime_s) + int(WARM_S)
        with engine_faults("making a sandbox"):
            engine = self._engine()
            api = engine.api
            uid = self._rng.randrange(*engine.uids)
            image, binds, env = self._image(engine, spec, uid)
            deadline_s = self._clock.now_ms() // 1000 + lifetime_s
            body = profile.container(
                image=image, uid=uid, lifetime_s=lifetime_s, env=env,
                labels={profile.OWNER: this_owner(), profile.DEADLINE: str(deadline_s)},
                host=profile.host_config(spec, uid, binds, engine.cpus) | self._how(spec),
            )  # fmt: skip
            name = f"nightshift-sandbox-{self._rng.getrandbits(64):016x}"
            try:
                container = api.create_container_from_config(body, name=name)["Id"]
                api.start(container)
            except BaseException:
                _forget(api, name)  # by name: an answer that was lost may have been that it is there
                raise
        return DockerSandbox(api, container, spec)

    def _how(self, spec: SandboxSpec) -> dict[str, Any]:
        """What the runtime changes: its own threads count against the limit that the engine sets."""
        return {"Runtime": self._runtime, "PidsLimit": spec.pids + _RUNTIME_PIDS} if self._runtime else {}

    def _image(self, engine: _Engine, spec: SandboxSpec, uid: int) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
        if spec.image == PROJECT:
            return self._project_image(engine, spec, uid)
        if spec.image != images.HOST:
            self._named(engine.api, spec.image)
            return spec.image, (), images.BASE_ENV
        if not engine.shares_files:
            raise EnvironmentBroke(_ELSEWHERE.format(image=images.HOST, where=engine.where))
        return self._host(engine.api, images.host_layout(spec.python))

    def _host(self, api: APIClient, layout: images.Layout) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
        self._import(api, layout)
        return layout.tag(), layout.binds, dict(layout.env)

    def _project_image(
        self, engine: _Engine, spec: SandboxSpec, uid: int
    ) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
        api, binds = engine.api, tuple[str, ...]()
        if named := self._project.base:
            self._named(api, named)
            seen = api.inspect_image(named)
            own = dict(each.partition("=")[::2] for each in (seen.get("Config") or {}).get("Env") or [])
            base, image = Base(identity=f"image {seen['Id']}", image=named), named
            env: Mapping[str, str] = {**images.BASE_ENV, "PATH": own.get("PATH", images.PATH)}
        elif not engine.shares_files:
            raise EnvironmentBroke(_ELSEWHERE.format(image=PROJECT, where=engine.where))
        else:
            base = host_base(spec.python)
            assert base.layout
            image, binds, env = self._host(api, base.layout)
        ground = Ground(base=base, image=image, binds=binds, env=env, uid=uid, cpus=engine.cpus, how=self._how(spec))
        tag = self._projects.ensure(api, spec, ground)
        return tag, binds, with_project(env)

    def _named(self, api: APIClient, image: str) -> None:
        if api.images(name=image, quiet=True):
            return
        if not self._pull:
            raise EnvironmentBroke(
                f"image {image} is not on this engine: `docker pull {image}`, or allow `pull: true` in the settings"
            )
        log.info("pulling %s", image)
        lines: list[dict[str, Any]] = list(api.pull(image, stream=True, decode=True))
        last = lines[-1] if lines else {}
        if not api.images(name=image, quiet=True):
            raise EnvironmentBroke(f"image {image} could not be pulled: {last.get('error', last)}")

    def _import(self, api: APIClient, layout: images.Layout) -> None:
        """Import the empty image if the engine lacks it. Remembered, and looked up again after a failure."""
        tag = layout.tag()
        with self._image_lock:
            if not api.images(name=tag, quiet=True):
                repository, _, version = tag.partition(":")
                api.import_image_from_data(layout.tar(), repository=repository, tag=version)

    def _is_stale(self, labels: Mapping[str, str]) -> bool:
        deadline = labels.get(profile.DEADLINE, "")
        late = deadline.isdigit() and self._clock.now_ms() // 1000 > int(deadline)
        return late or is_gone(labels.get(profile.OWNER, ""))


def _forget(api: APIClient, name: str) -> None:
    """Remove what may have been made under a name; what can't be removed now is the reaper's."""
    try:
        with engine_faults("clearing up"):
            remove(api, name)
    except EnvironmentBroke as error:
        log.warning("a sandbox is left to the reaper: %s", error)


def _seen(api: APIClient, info: Mapping[str, Any], shares_files: bool | None) -> _Engine:
    options = " ".join(info.get("SecurityOptions") or [])
    mapped = "name=rootless" in options or "name=userns" in options
    wanted = {"memory": "MemoryLimit", "processes": "PidsLimit", "CPU time": "CpuCfsQuota"}
    lacks = tuple(what for what, key in wanted.items() if info.get(key) is False)
    here = _is_here(api, info) if shares_files is None else shares_files
    return _Engine(api=api, cpus=float(info.get("NCPU") or 1), uids=_MAPPED_UIDS if mapped else _UIDS, lacks=lacks,
                   shares_files=here, where=str(info.get("Name") or "another address"),
                   runtimes=tuple(sorted(info.get("Runtimes") or ())))  # fmt: skip


def _is_here(api: APIClient, info: Mapping[str, Any]) -> bool:
    """Whether the engine is on this machine: behind a socket file, or one of the same name and kernel."""
    if getattr(api, "base_url", "http+docker://").startswith("http+docker://") and not getattr(api, "elsewhere", False):
        return True
    return (info.get("Name"), info.get("KernelVersion")) == (os.uname().nodename, os.uname().release)
