"""Sandboxes in real Docker containers: one hardened, single-use container each, commands by exec.

The container itself only sleeps until its deadline and then removes itself, so that even a daemon that vanished
leaves nothing for longer than that; `reap` clears earlier. A warm container is used once, never again.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.model import Health
from nightshift.daemon.ports import WORKDIR, EnvironmentBroke, Finished, SandboxSpec
from nightshift.sandboxes import archive, images, profile
from nightshift.sandboxes.exec_stream import Stream, hijack
from nightshift.sandboxes.owner import is_gone, this_owner

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

START_FIX = "start it with `deploy/engine start` (or `systemctl start docker`), or set engine: bubblewrap"
_WARM_S = 300
_GRACE_S = 3.0
_GET_BYTES = 64 << 20
_KILLED = 137
_CODES = {"timeout": 124, "oom": _KILLED, "killed": _KILLED, "output": _KILLED}


@contextlib.contextmanager
def engine_faults(what: str) -> Iterator[None]:
    """Turn what the engine or the way to it may raise into `EnvironmentBroke` with a message that says what to do."""
    import requests
    from docker.errors import APIError, DockerException, ImageNotFound

    try:
        yield
    except ImageNotFound as error:
        raise EnvironmentBroke(f"{what}: the image is not there ({error.explanation})") from error
    except APIError as error:
        text = str(error.explanation or error)
        full = "no space left" in text
        raise EnvironmentBroke(f"{what}: {text}{'; free disk: docker system df' if full else ''}") from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise EnvironmentBroke(f"{what}: Docker does not answer ({error}); {START_FIX}") from error


class DockerSandboxes:
    """The engine. `connect` makes an API client; it is called once, on first use. Thread-safe."""

    name = "docker"

    def __init__(
        self, connect: Callable[[], APIClient], *, pull: bool = False, clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:  # fmt: skip
        self._connect, self._pull, self._clock = connect, pull, clock or SystemClock()
        self._rng = rng or random.SystemRandom()
        self._lock = threading.Lock()
        self._made: tuple[APIClient, float] | None = None
        self._warm: dict[SandboxSpec, deque[tuple[float, DockerSandbox]]] = {}
        self._wanted: dict[SandboxSpec, int] = {}
        self._fillers: list[threading.Thread] = []
        self._closed = threading.Event()
        self._image_lock = threading.Lock()

    # -- the port

    def open(self, spec: SandboxSpec) -> DockerSandbox:
        """A warm sandbox of that spec when one is ready, else a new one. Raises `EnvironmentBroke`."""
        while (taken := self._take(spec)) is not None:
            made_at, box = taken
            if self._clock.monotonic() - made_at < _WARM_S and box.alive():
                return box
            box.close()
        return self._start(spec)

    def prewarm(self, spec: SandboxSpec, count: int) -> None:
        """Bring the pool for `spec` up to `count`, in the background; failures are logged and left to `open`."""
        with self._lock:
            ready = len(self._warm.get(spec, ())) + self._wanted.get(spec, 0)
            missing = max(0, count - ready)
            self._wanted[spec] = self._wanted.get(spec, 0) + missing
            filler = threading.Thread(target=self._fill, args=(spec, missing), name="sandbox-warm", daemon=True)
            self._fillers = [each for each in self._fillers if each.is_alive()] + [filler]
            filler.start()

    def probe(self) -> Health:
        """Whether Docker answers and can make what is needed."""
        try:
            with engine_faults("the sandbox engine"):
                api, cpus = self._api()
                version = api.version()
            detail = f"Docker {version.get('Version')} (API {version.get('ApiVersion')}, {cpus:g} CPUs)"
            return Health(ok=True, what="sandboxes", detail=detail)
        except EnvironmentBroke as error:
            return Health(ok=False, what="sandboxes", detail=str(error), fix=START_FIX)

    def reap(self) -> int:
        """Remove containers whose owner is dead or whose deadline has passed; other living owners' stay."""
        with engine_faults("reaping sandboxes"):
            api, _ = self._api()
            found = api.containers(all=True, filters={"label": profile.OWNER})
            return sum(_remove(api, each["Id"]) for each in found if self._is_stale(each.get("Labels") or {}))

    def close(self) -> None:
        """Throw the warm pool away and drop the connection; sandboxes already open stay their users' to close."""
        self._closed.set()
        for filler in list(self._fillers):
            filler.join(timeout=60)
        with self._lock:
            pools, self._warm = list(self._warm.values()), {}
        for _, box in (each for pool in pools for each in pool):
            box.close()
        with self._lock:
            if self._made:
                self._made[0].close()
                self._made = None

    # -- making

    def _take(self, spec: SandboxSpec) -> tuple[float, DockerSandbox] | None:
        with self._lock:
            pool = self._warm.get(spec)
            return pool.popleft() if pool else None

    def _fill(self, spec: SandboxSpec, count: int) -> None:
        for _ in range(count):
            try:
                box = None if self._closed.is_set() else self._start(spec)
            except EnvironmentBroke as error:
                log.warning("no warm sandbox: %s", error)
                box = None
            with self._lock:
                self._wanted[spec] -= 1
                if box:
                    self._warm.setdefault(spec, deque()).append((self._clock.monotonic(), box))

    def _api(self) -> tuple[APIClient, float]:
        with self._lock:
            if self._made is None:
                api = self._connect()
                self._made = api, float(api.info().get("NCPU") or 1)
            return self._made

    def _start(self, spec: SandboxSpec) -> DockerSandbox:
        lifetime_s = int(spec.lifetime_s) + _WARM_S
        with engine_faults("making a sandbox"):
            api, cpus = self._api()
            image, binds, env = self._image(api, spec)
            uid = self._rng.randrange(1 << 28, 1 << 30)
            deadline_s = self._clock.now_ms() // 1000 + lifetime_s
            body = profile.container(
                image=image, uid=uid, lifetime_s=lifetime_s, env=env,
                labels={profile.OWNER: this_owner(), profile.DEADLINE: str(deadline_s)},
                host=profile.host_config(spec, uid, binds, cpus),
            )  # fmt: skip
            container = api.create_container_from_config(body)["Id"]
            try:
                api.start(container)
            except BaseException:
                _remove(api, container)
                raise
        return DockerSandbox(api, container, spec)

    def _image(self, api: APIClient, spec: SandboxSpec) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
        if spec.image != images.HOST:
            self._named(api, spec.image)
            return spec.image, (), images.BASE_ENV
        layout = images.host_layout(spec.python)
        self._import(api, layout)
        return layout.tag(), layout.binds, dict(layout.env)

    def _named(self, api: APIClient, image: str) -> None:
        if api.images(name=image, quiet=True):
            return
        if not self._pull:
            raise EnvironmentBroke(
                f"image {image} is not on this engine: `docker pull {image}`, or allow `pull: true` in the settings"
            )
        log.info("pulling %s", image)
        last = next(iter(reversed(list(api.pull(image, stream=True, decode=True)))), {})
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


class DockerSandbox:
    """One container. After a command hit its output cap or would not die, the container is gone with it and every
    later command ends `killed`."""

    def __init__(self, api: APIClient, container: str, spec: SandboxSpec) -> None:
        self._api, self.id, self._spec = api, container, spec
        self._dead, self._last_oom = False, 0

    def put(self, tar: bytes, *, to: str = WORKDIR) -> None:
        """Unpack a tar inside; raises `EnvironmentBroke` when it does not fit or its paths are refused."""
        done = self.run(archive.unpack_argv(to), timeout_s=120, stdin=tar, cwd="/")
        if done.code != 0 or done.ended != "exited":
            why = done.stderr.decode("utf-8", "replace").strip()[-300:] or f"{done.ended} with {done.code}"
            raise EnvironmentBroke(f"the tree could not be unpacked in the sandbox ({len(tar)} bytes): {why}")

    def get(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """Regular files by absolute path; missing ones, links, pipes and what exceeds 64 MiB in all are absent."""
        if not paths or self._dead:
            return {}
        done = self._exec(archive.pack_argv(paths), 60, b"", {}, "/", None, _GET_BYTES)
        return archive.read_members(done.stdout, paths)

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"", env: Mapping[str, str] | None = None,
        cwd: str = WORKDIR, on_line: Callable[[bytes], None] | None = None,
    ) -> Finished:  # fmt: skip
        """Run a command; see the port. A container that died is `killed` in the command during which it died."""
        if self._dead:
            return Finished(argv=tuple(argv), code=_KILLED, stdout=b"", stderr=b"", duration_s=0.0, ended="killed")
        return self._exec(argv, timeout_s, stdin, env or {}, cwd, on_line, self._spec.output_bytes)

    def alive(self) -> bool:
        """Whether the container runs."""
        from docker.errors import NotFound

        with engine_faults("looking at a sandbox"):
            try:
                return bool(self._api.inspect_container(self.id)["State"]["Running"])
            except NotFound:
                return False

    def kill(self) -> None:
        """End the container at once; it removes itself."""
        self._dead = True
        with engine_faults("killing a sandbox"):
            _remove(self._api, self.id)

    def close(self) -> None:
        """Remove the container. Never raises: what an unreachable engine keeps is reaped at its deadline."""
        self._dead = True
        try:
            with engine_faults("closing a sandbox"):
                _remove(self._api, self.id)
        except EnvironmentBroke as error:
            log.warning("a sandbox is left to the reaper: %s", error)

    def __enter__(self) -> DockerSandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _exec(
        self, argv: Sequence[str], timeout_s: float, stdin: bytes, env: Mapping[str, str], cwd: str,
        on_line: Callable[[bytes], None] | None, cap: int,
    ) -> Finished:  # fmt: skip
        limited = ["timeout", "-k", "1", f"{timeout_s:.3f}", *argv]
        start = time.monotonic()
        with engine_faults("running a command in a sandbox"):
            exec_id = self._create(limited, stdin, env, cwd)
            sock, early, _keep = hijack(self._api, exec_id)
            stream = Stream(sock, early, cap, on_line)
            try:
                ended = stream.pump(stdin, start + timeout_s + _GRACE_S, lambda: not self._running(exec_id))
            finally:
                stream.close()
            code, ended = self._settle(exec_id, ended, time.monotonic() - start >= timeout_s)
        stdout, stderr = stream.output()
        return Finished(argv=tuple(argv), code=code, stdout=stdout, stderr=stderr,
                        duration_s=time.monotonic() - start, ended=ended)  # fmt: skip

    def _create(self, argv: Sequence[str], stdin: bytes, env: Mapping[str, str], cwd: str) -> str:
        from docker.errors import APIError

        try:
            made = self._api.exec_create(self.id, list(argv), stdin=bool(stdin), environment=dict(env), workdir=cwd)
        except APIError as error:
            if error.status_code in (404, 409):
                raise EnvironmentBroke(
                    f"the sandbox was gone before the command started ({error.explanation}): its lifetime of "
                    f"{self._spec.lifetime_s:g} s passed, or the engine was restarted; try again"
                ) from error
            raise
        return str(made["Id"])

    def _running(self, exec_id: str) -> bool:
        from docker.errors import NotFound

        try:
            return bool(self._api.exec_inspect(exec_id)["Running"])
        except NotFound:
            return False

    def _settle(self, exec_id: str, ended: str, late: bool) -> tuple[int, str]:
        """The exit code and how it ended, after the stream is over."""
        if ended in ("timeout", "output"):
            self.kill()
            return _CODES[ended], ended
        code = self._code(exec_id)
        if code == 0:
            return code, ended
        if code is None or self._died(code, late):
            self._dead = True
            return _KILLED, "oom" if self._oom() else "killed"
        if late and code in (124, _KILLED):
            return code, "timeout"
        return code, "oom" if self._oom() else "exited"

    def _died(self, code: int, late: bool) -> bool:
        """Whether the container is gone. The engine learns of a command's end a moment before it learns that the
        whole container ended, so a command that was killed gets a second look."""
        for _ in range(8 if code == _KILLED and not late else 0):
            if not self.alive():
                return True
            time.sleep(0.05)
        return not self.alive()

    def _code(self, exec_id: str) -> int | None:
        from docker.errors import NotFound

        for _ in range(40):
            try:
                seen = self._api.exec_inspect(exec_id)
            except NotFound:
                return None
            if not seen["Running"]:
                return None if seen["ExitCode"] is None else int(seen["ExitCode"])
            time.sleep(0.05)
        return None

    def _oom(self) -> bool:
        """Whether the kernel killed something in here for memory since we last asked, by the engine's events."""
        wanted = {"container": self.id, "event": "oom", "type": "container"}
        events = self._api.events(since=1, until=time.time(), filters=wanted, decode=True)
        latest = max((int(event.get("timeNano", 0)) for event in events), default=0)
        fresh, self._last_oom = latest > self._last_oom, max(latest, self._last_oom)
        return fresh


def _remove(api: APIClient, container: str) -> int:
    from docker.errors import APIError, NotFound

    try:
        api.remove_container(container, force=True, v=True)
    except NotFound:
        return 0
    except APIError as error:
        if error.status_code != 409:  # 409: its own removal is already under way
            raise
    return 1
