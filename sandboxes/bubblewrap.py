"""Sandboxes without an engine: bubblewrap, for machines where Docker can't be had. Weaker, and it says so.

Every command is a bubblewrap of its own with a fresh PID namespace, so nothing survives the command that started
it. What must survive, the work directory and /tmp, are two private directories on the host, bound in: a long-lived
namespace entered with nsenter would have kept them in a tmpfs, but what enters that way comes in without the seccomp
filter, the dropped capabilities and the limits. The price: their size is watched, not enforced by a file system
(a command that outgrows it is killed within about a quarter of a second). Also weaker than Docker: memory is limited
per process, not in sum, and running out is a MemoryError, never `oom`; CPU is not limited; /tmp is not noexec.

As root, commands run under a unique uid of the host, without capabilities; as an ordinary user, under that user's
own uid inside a user namespace.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.run import Completed, run
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, Finished, SandboxSpec
from nightshift.sandboxes import filter, images, profile, recipe
from nightshift.sandboxes.owner import is_gone, this_owner
from nightshift.sandboxes.project import PROJECT
from nightshift.sandboxes.sealed import KILLED
from nightshift.sandboxes.sealed import Sealed as SealedBox

if TYPE_CHECKING:
    from nightshift.sandboxes.project.folders import ProjectFolders, Sealed
    from nightshift.sandboxes.project.index import Settings

log = logging.getLogger(__name__)

_PREFIX = "nightshift-sandbox-"
_CODES = {"timeout": 124, "output": KILLED, "killed": KILLED}
_FIX = (
    "apt-get install bubblewrap; inside a container or where user namespaces are restricted "
    "(sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), use Docker instead"
)


class BubblewrapSandboxes:
    """The engine. `base` is where the private directories are made (default: the system's temporary directory)."""

    name = "bubblewrap"

    def __init__(self, *, base: str = "", clock: Clock | None = None, rng: random.Random | None = None,
                 project: Settings | None = None) -> None:  # fmt: skip
        self._base, self._clock = base or tempfile.gettempdir(), clock or SystemClock()
        self._rng = rng or random.SystemRandom()
        self._project = project

    def open(self, spec: SandboxSpec) -> BubblewrapSandbox:
        """A new sandbox; only the images ``host`` and ``project``. Raises `EnvironmentBroke`."""
        if spec.image not in (images.HOST, PROJECT):
            raise EnvironmentBroke(f"bubblewrap has no images: {spec.image} needs Docker, or use the image `host`")
        recipe.program("bwrap")
        filter.program()
        uid = self._rng.randrange(1 << 28, 1 << 30)
        layout = (images.host_layout(spec.python) if spec.image == images.HOST
                  else self._projects().ensure(spec, lambda large: self._builder(large, uid), uid))  # fmt: skip
        return self._furnished(layout, spec, uid)

    def _furnished(self, layout: images.Layout, spec: SandboxSpec, uid: int) -> BubblewrapSandbox:
        deadline_ms = self._clock.now_ms() + int(spec.lifetime_s * 1000)
        try:
            home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._base))
            (home / "owner").write_text(json.dumps({"owner": this_owner(), "deadline_ms": deadline_ms}))
            recipe.furnish(home, layout, uid)
        except OSError as error:
            raise EnvironmentBroke(f"no private directory for a sandbox in {self._base}: {error}") from error
        return BubblewrapSandbox(home, layout, spec, uid, lambda: (deadline_ms - self._clock.now_ms()) / 1000)

    def _projects(self) -> ProjectFolders:
        from nightshift.sandboxes.project.folders import ProjectFolders
        from nightshift.sandboxes.project.index import Settings

        return ProjectFolders(self._project or Settings(), self._clock)

    def _builder(self, spec: SandboxSpec, uid: int) -> Sealed:
        """Runs one command of a build, in a sandbox of its own, with a descriptor of ours in it."""

        build_s = self._project.build_s if self._project else 900.0

        def sealed(layout: images.Layout, argv: list[str], descriptor: int) -> Completed:
            limit, roots = spec.work_mb << 20, [Path(source) for source, _, writable in layout.mounts if writable]

            def full() -> str:
                return "disk" if _outgrown(roots, limit, 10 * profile.WORK_INODES) else ""

            with (self._furnished(layout, replace(spec, lifetime_s=build_s), uid) as box,
                  _descriptors() as (seccomp, status_out, _)):  # fmt: skip
                words = recipe.command_line(box.home, layout, spec, uid, argv=argv, env={}, cwd="/", seccomp=seccomp,
                                            status=status_out)  # fmt: skip
                return _started(
                    words,
                    build_s,
                    b"",
                    16 << 20,
                    None,
                    (seccomp, status_out, descriptor),
                    full,
                )

        return sealed

    def prewarm(self, spec: SandboxSpec, count: int) -> None:
        """Nothing to do: opening costs about a millisecond."""

    def probe(self) -> Health:
        """Whether a sandbox can really be made here: it makes one."""
        try:
            with self.open(SandboxSpec(lifetime_s=60)) as box:
                done = box.run(["true"], timeout_s=20)
        except EnvironmentBroke as error:
            return Health(ok=False, what="sandboxes", detail=str(error), fix=_FIX)
        detail = f"bubblewrap works ({'unique uid' if os.getuid() == 0 else 'user namespace'}); weaker than Docker"
        return Health(ok=done.code == 0, what="sandboxes", detail=detail, fix="" if done.code == 0 else _FIX)

    def reap(self) -> int:
        """Remove the private directories of dead owners and of passed deadlines."""
        stale = [home for home in self._homes() if self._is_stale(home)]
        for home in stale:
            _remove(home)
        return len(stale) + self._projects().reap()

    def close(self) -> None:
        """Nothing is held."""

    def _homes(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._base):
                mine = entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False)
                if mine and entry.stat(follow_symlinks=False).st_uid == os.getuid():
                    yield Path(entry.path)

    def _is_stale(self, home: Path) -> bool:
        try:
            seen = json.loads((home / "owner").read_text())
            return is_gone(str(seen["owner"])) or self._clock.now_ms() > int(seen["deadline_ms"])
        except (OSError, ValueError, KeyError, TypeError):
            # Being made just now, or its maker died in that instant: an hour tells the two apart.
            return self._clock.now_ms() - home.stat().st_mtime_ns // 1_000_000 > 3_600_000


class BubblewrapSandbox(SealedBox):
    """A pair of private directories and the recipe to run commands over them. A command that outgrows them is
    `killed`, and the sandbox with it."""

    def __init__(
        self, home: Path, layout: images.Layout, spec: SandboxSpec, uid: int, left_s: Callable[[], float]
    ) -> None:
        super().__init__(spec)
        self.home, self._layout, self._uid, self._left_s = home, layout, uid, left_s

    def __enter__(self) -> BubblewrapSandbox:
        return self

    def close(self) -> None:
        """Remove the private directories. Never raises: what stays is reaped."""
        self._dead = True
        _remove(self.home)

    def _exec(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes, env: Mapping[str, str], cwd: str,
        on_line: Callable[[bytes], None] | None, cap: int,
    ) -> Finished:  # fmt: skip
        if (left_s := self._left_s()) <= 0:
            raise EnvironmentBroke(f"the sandbox's lifetime of {self._spec.lifetime_s:g} s has passed; try again")
        start = time.monotonic()
        with _descriptors() as (seccomp, status_out, status_in):
            words = recipe.command_line(self.home, self._layout, self._spec, self._uid, argv=argv, env=env, cwd=cwd,
                                        seccomp=seccomp, status=status_out)  # fmt: skip
            done = _started(words, min(timeout_s, left_s), stdin, cap, on_line, (seccomp, status_out), self._stop)
            ran = b"exit-code" in _drain(status_in)
        if done.ended == "exited" and not ran:
            raise EnvironmentBroke(f"bubblewrap could not make a sandbox: {done.why()}; {_FIX}")
        ended = (done.ended == "exited" and self._stop()) or done.ended
        self._dead = self._dead or ended == "killed"
        return Finished(argv=tuple(argv), code=_CODES.get(ended, done.code), stdout=done.stdout, stderr=done.stderr,
                        duration_s=time.monotonic() - start, ended=ended)  # fmt: skip

    def _stop(self) -> str:
        limit, inodes = (self._spec.work_mb + profile.TMP_MB) << 20, profile.WORK_INODES + profile.TMP_INODES
        return "killed" if _outgrown([self.home / "work", self.home / "tmp"], limit, inodes) else ""


@contextlib.contextmanager
def _descriptors() -> Iterator[tuple[int, int, int]]:
    """The seccomp program to read, and a pipe on which bubblewrap says whether the command was run."""
    seccomp = os.memfd_create("seccomp")
    status_in, status_out = os.pipe()
    try:
        os.write(seccomp, filter.program())
        os.lseek(seccomp, 0, os.SEEK_SET)
        os.set_blocking(status_in, False)
        yield seccomp, status_out, status_in
    finally:
        for descriptor in (seccomp, status_in, status_out):
            os.close(descriptor)


def _drain(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except BlockingIOError:
        return b""


def _started(
    argv: list[str], timeout_s: float, stdin: bytes, cap: int, on_line: Callable[[bytes], None] | None,
    pass_fds: Sequence[int], stop: Callable[[], str],
) -> Completed:  # fmt: skip
    path = os.environ.get("PATH", "/usr/bin:/bin")
    try:
        return run(argv, timeout_s=timeout_s, stdin=stdin, max_output=cap, on_line=on_line, pass_fds=pass_fds,
                   stop=stop, env={"PATH": path}, cwd="/")  # fmt: skip
    except OSError as error:
        raise EnvironmentBroke(f"bubblewrap could not be started: {error}") from error


def _outgrown(roots: Sequence[Path], limit: int, inodes: int) -> bool:
    """Whether the trees hold more bytes or entries than allowed; what can't be walked (paths grown too long) does."""
    todo = [str(root) for root in roots]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    limit -= entry.stat(follow_symlinks=False).st_blocks * 512
                    inodes -= 1
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    if limit < 0 or inodes < 0:
                        return True
        except FileNotFoundError:
            continue
        except PermissionError:
            continue
        except OSError:
            return True
    return False


def _remove(home: Path) -> None:
    """rm, not shutil: it copes with any depth; what was made unreadable is made readable first."""
    for argv in (["rm", "-rf", "--", str(home)], ["chmod", "-R", "u+rwx", "--", str(home)]) * 2:
        if not home.exists():
            return
        run(argv, timeout_s=120, cwd="/")
    log.warning("a sandbox's directory is left to the reaper: %s", home)
