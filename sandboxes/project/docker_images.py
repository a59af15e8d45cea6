"""Project images on a Docker engine: built there in a sealed container, committed once, found again by name.

The engine itself keeps the order: a build's container has the image's name as its own, so a second builder, of this
daemon or another one, meets a conflict and waits; an image gets its name in the same call that makes it, when
everything is installed; a builder that died leaves a container that is nobody's and no image.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes import profile
from nightshift.sandboxes.exec_stream import Duplex
from nightshift.sandboxes.owner import is_gone, this_owner
from nightshift.sandboxes.project.index import Settings
from nightshift.sandboxes.project.order import HOME, Base, Build, image_key, with_project
from nightshift.sandboxes.project.tunnel import Tunnel

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

REPOSITORY, LABEL = "nightshift-project", "nightshift.project"
_CONFLICT = 409
_POLL_S, _TOUCH_S = 0.5, 600.0


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a build stands on: the base, as this engine has it (`image`, `binds`, `env`), the build's user, the engine's
    CPUs, and more of the container's `HostConfig` (a runtime)."""

    base: Base
    image: str
    binds: tuple[str, ...]
    env: Mapping[str, str]
    uid: int
    cpus: float
    how: Mapping[str, Any]


class DockerProjects:
    """Get-or-create of project images on one engine. Thread-safe."""

    def __init__(self, settings: Settings, clock: Clock, closing: Callable[[], bool] = lambda: False) -> None:
        self._settings, self._clock, self._closing = settings, clock, closing
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._touched: dict[str, float] = {}

    def ensure(self, api: APIClient, spec: SandboxSpec, ground: Ground) -> str:
        """The image's name, made now if the engine lacks it. Raises EnvironmentBroke and what the engine raises."""
        key = image_key(spec.recipe, ground.base, self._settings)
        with self._lock:
            mine = self._locks.setdefault(key, threading.Lock())
        with mine:
            if not self._there(api, key):
                build = Build.of(spec.recipe, self._settings)
                try:
                    self._make(api, spec, key, build, ground)
                finally:
                    build.mirror.close()
                self._prune(api)
        return f"{REPOSITORY}:{key}"

    def _there(self, api: APIClient, key: str) -> bool:
        """Whether the image exists; its use is noted on the engine, by naming it again, once in a while."""
        tag = f"{REPOSITORY}:{key}"
        if not api.images(name=tag, quiet=True):
            return False
        now = self._clock.monotonic()
        if now - self._touched.get(tag, -_TOUCH_S) >= _TOUCH_S:
            self._touched[tag] = now
            api.tag(tag, REPOSITORY, key, force=True)
        return True

    def _make(self, api: APIClient, spec: SandboxSpec, key: str, build: Build, ground: Ground) -> None:
        """Build, or wait for whoever does."""
        deadline = self._clock.monotonic() + self._settings.build_s + 60
        while self._clock.monotonic() < deadline and not self._closing():
            if container := self._claimed(api, spec, key, ground):
                try:
                    if not self._there(api, key):  # whoever had the name before made it
                        self._run(api, container, key, build, ground)
                finally:
                    _gone(api, container)
                return
            if self._there(api, key):
                return
            self._clear_dead(api, key)
            time.sleep(_POLL_S)
        raise EnvironmentBroke("another daemon's build of the project image did not end in time")

    def _claimed(self, api: APIClient, spec: SandboxSpec, key: str, ground: Ground) -> str:
        """A container of ours under the image's name, '' while somebody else has that."""
        from docker.errors import APIError

        lifetime_s = int(self._settings.build_s) + 30
        large = replace(spec, memory_mb=self._settings.memory_mb, work_mb=self._settings.disk_mb, pids=256)
        host = profile.host_config(large, ground.uid, ground.binds, ground.cpus) | dict(ground.how)
        # The environment is written into the container's own layer, which is what becomes the image.
        host |= {"ReadonlyRootfs": False, "Tmpfs": dict.fromkeys(("/tmp", "/var/tmp"), host["Tmpfs"]["/tmp"])}  # noqa: S108
        labels = {profile.OWNER: this_owner(), profile.DEADLINE: str(self._clock.now_ms() // 1000 + lifetime_s + 30)}
        body = profile.container(image=ground.image, uid=ground.uid, lifetime_s=lifetime_s, env=ground.env,
                                 labels=labels, host=host)  # fmt: skip
        try:
            container = str(api.create_container_from_config(body, name=f"{REPOSITORY}-{key}")["Id"])
        except APIError as error:
            if error.status_code == _CONFLICT:
                return ""
            raise
        try:
            api.put_archive(container, "/", _folders())
            api.start(container)
        except BaseException:
            _gone(api, container)
            raise
        return container

    def _run(self, api: APIClient, container: str, key: str, build: Build, ground: Ground) -> None:
        log.info("project image %s: building", key)
        made = api.exec_create(container, build.argv(), stdin=True, workdir="/")
        stream = Duplex(api, made["Id"])
        tunnel = Tunnel(build.mirror, stream.send)
        watch = _Disk(api, container, self._settings.disk_mb, self._closing)
        try:
            stream.send(build.order())
            ended = stream.pump(tunnel.feed, time.monotonic() + self._settings.build_s, watch.full)
        except ValueError as error:
            raise EnvironmentBroke(f"the project image could not be built: {error}") from error
        finally:
            stream.close()
            tunnel.close()
        build.accept(tunnel.result, stream.words(), ended)
        conf = {"Labels": {LABEL: key, profile.OWNER: "", profile.DEADLINE: ""},
                "Env": [f"{name}={value}" for name, value in with_project(ground.env).items()]}  # fmt: skip
        api.commit(container, repository=REPOSITORY, tag=key, message="packages of a repository", conf=conf)

    def _clear_dead(self, api: APIClient, key: str) -> None:
        """Remove the container of a builder that is gone, so that its name is free."""
        named = {"name": f"^/{REPOSITORY}-{key}$"}
        for each in api.containers(all=True, filters=named):
            labels = each.get("Labels") or {}
            deadline = labels.get(profile.DEADLINE, "")
            late = deadline.isdigit() and self._clock.now_ms() // 1000 > int(deadline)
            if late or is_gone(labels.get(profile.OWNER, "")) or each.get("State") in ("exited", "dead"):
                _gone(api, each["Id"])

    def _prune(self, api: APIClient) -> None:
        """Drop the longest unused images over the number that is kept, and unnamed ones of ours."""
        from docker.errors import APIError

        found = [api.inspect_image(each["Id"]) for each in api.images(filters={"label": LABEL})]
        found.sort(key=lambda image: str((image.get("Metadata") or {}).get("LastTagTime", "")), reverse=True)
        named = [image for image in found if image.get("RepoTags")]
        for image in [*named[self._settings.keep :], *(image for image in found if not image.get("RepoTags"))]:
            with contextlib.suppress(APIError):  # in use, or another daemon was faster
                api.remove_image((image.get("RepoTags") or [image["Id"]])[0])


class _Disk:
    """Says whether a container wrote more than it may; the engine is asked every few seconds."""

    def __init__(self, api: APIClient, container: str, limit_mb: int, closing: Callable[[], bool]) -> None:
        self._api, self._container, self._limit, self._ask_at = api, container, limit_mb << 20, 0.0
        self._closing = closing

    def full(self) -> str:
        if self._closing():
            return "given up, the daemon ends"
        if time.monotonic() < self._ask_at:
            return ""
        self._ask_at = time.monotonic() + 3.0
        rows: list[Any] = self._api.containers(size=True, filters={"id": self._container})
        if not rows:
            return "killed"
        return "disk" if int(rows[0].get("SizeRw") or 0) > self._limit else ""


def _folders() -> bytes:
    """The place of the environment, writable for the build's user."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, mode in (("opt", 0o755), ("opt/nightshift", 0o755), (HOME.lstrip("/"), 0o1777)):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, mode
            archive.addfile(info)
    return buffer.getvalue()


def _gone(api: APIClient, container: str) -> None:
    from nightshift.sandboxes.container import remove

    remove(api, container)
