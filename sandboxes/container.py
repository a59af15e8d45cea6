"""One sandbox in one container: commands by exec, and the reading of how each of them ended."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nightshift.daemon.ports import EnvironmentBroke, Finished, SandboxSpec
from nightshift.sandboxes.exec_stream import Stream, hijack
from nightshift.sandboxes.sealed import KILLED, Sealed

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

START_FIX = "start it with `deploy/engine start` (or `systemctl start docker`), or set engine: bubblewrap"
_GRACE_S = 3.0
_SECOND_LOOKS = 30
_TIMED_OUT = 124
_TIMEOUT_CODES = (_TIMED_OUT, KILLED)


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
    except KeyError as error:
        if not isinstance(error.__context__, requests.HTTPError):
            raise
        # The SDK takes it for granted that an error's body has a message; what stands before an engine may say less.
        raise EnvironmentBroke(f"{what}: {error.__context__}") from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise EnvironmentBroke(f"{what}: Docker does not answer ({error}); {START_FIX}") from error


def remove(api: APIClient, container: str) -> int:
    """Kill and remove a container and its anonymous volumes; 0 when it was gone already."""
    from docker.errors import APIError, NotFound

    try:
        api.remove_container(container, force=True, v=True)
    except NotFound:
        return 0
    except APIError as error:
        if error.status_code != 409:  # 409: its own removal is already under way
            raise
    return 1


class DockerSandbox(Sealed):
    """A container. After a command hit its output cap or would not die, the container is gone with it and every
    later command ends `killed`."""

    def __init__(self, api: APIClient, container: str, spec: SandboxSpec) -> None:
        super().__init__(spec)
        self._api, self.id, self._last_oom = api, container, 0

    def __enter__(self) -> DockerSandbox:
        return self

    def alive(self) -> bool:
        """Whether the container runs."""
        from docker.errors import NotFound

        with engine_faults("looking at a sandbox"):
            try:
                return bool(self._api.inspect_container(self.id)["State"]["Running"])
            except NotFound:
                return False

    def close(self) -> None:
        """Remove the container. Never raises: what an unreachable engine keeps is reaped, or ends at its deadline."""
        self._dead = True
        try:
            with engine_faults("closing a sandbox"):
                remove(self._api, self.id)
        except EnvironmentBroke as error:
            log.warning("a sandbox is left to the reaper: %s", error)

    def _exec(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes, env: Mapping[str, str], cwd: str,
        on_line: Callable[[bytes], None] | None, cap: int,
    ) -> Finished:  # fmt: skip
        begun = time.monotonic()
        with engine_faults("running a command in a sandbox"):
            exec_id = self._create(["timeout", "-k", "1", f"{timeout_s:.3f}", *argv], bool(stdin), env, cwd)
            start = time.monotonic()  # before the command can have begun: an engine far away answers late
            sock, early, release = hijack(self._api, exec_id)
            stream = Stream(sock, early, cap, on_line)
            try:
                ended = stream.pump(stdin, start + timeout_s + _GRACE_S, lambda: not self._running(exec_id))
            finally:
                stream.close()
                release()
            code, ended = self._settle(exec_id, ended, time.monotonic() - start >= timeout_s)
        stdout, stderr = stream.output()
        return Finished(argv=tuple(argv), code=code, stdout=stdout, stderr=stderr,
                        duration_s=time.monotonic() - begun, ended=ended)  # fmt: skip

    def _create(self, argv: Sequence[str], stdin: bool, env: Mapping[str, str], cwd: str) -> str:
        from docker.errors import APIError

        try:
            made = self._api.exec_create(self.id, list(argv), stdin=stdin, environment=dict(env), workdir=cwd)
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
            self._dead = True
            remove(self._api, self.id)
            return (_TIMED_OUT if ended == "timeout" else KILLED), ended
        code = self._code(exec_id)
        if code == 0:
            return code, ended
        if late and code in _TIMEOUT_CODES:
            return code, "timeout"
        ended = self._why_killed(_SECOND_LOOKS if code == KILLED else 1) if code is not None else "killed"
        self._dead = self._dead or ended == "killed"
        return (KILLED if code is None else code), ended

    def _why_killed(self, looks: int) -> str:
        """oom, killed (the container is gone) or exited. The engine tells of a command's end a moment before it tells
        that memory ran out or that the whole container ended, so a command that was killed is looked at again."""
        for look in range(looks):
            if look:
                time.sleep(0.05)
            if self._oom():
                return "oom"
            if not self.alive():
                return "killed"
        return "exited"

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
