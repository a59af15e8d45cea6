"""Project environments for bubblewrap: directories outside every tree, built once in a sealed command, bound read-only.

A lock file per environment keeps builders of all daemons apart and is free again the moment its holder dies. A build
happens in a directory of another name and gets the real one by a rename, so that a half-made one is never taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.run import Completed, run
from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes.images import Layout
from nightshift.sandboxes.project.index import Settings
from nightshift.sandboxes.project.order import HOME, Build, host_base, image_key, with_project
from nightshift.sandboxes.project.tunnel import Tunnel

log = logging.getLogger(__name__)

_BUSY_S = 2 * 3600.0
"""A directory used within that time may still be bound somewhere."""
Sealed = Callable[[Layout, list[str], int], Completed]
"""Runs a command over a layout with one inherited descriptor, until its end."""


class ProjectFolders:
    """Get-or-create of project environments on this machine. Thread-safe."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self._root = Path(settings.cache_dir or f"{cache}/nightshift/projects")

    def ensure(self, spec: SandboxSpec, sealed: Callable[[SandboxSpec], Sealed], uid: int) -> Layout:
        """The layout of a sandbox with the project's environment, which is made now if it is not there. `sealed` runs
        a build's command. Raises EnvironmentBroke."""
        base = host_base(spec.python)
        assert base.layout
        key = image_key(spec.recipe, base, self._settings)
        home = self._root / key
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with self._locked(key):
                if not home.is_dir():
                    self._make(key, base.layout, spec, sealed, uid)
            os.utime(home)
        except OSError as error:
            raise EnvironmentBroke(f"no place for project environments in {self._root}: {error}") from error
        return _with(base.layout, home, writable=False)

    def reap(self) -> int:
        """Remove what builders that died left, and the longest unused over the number that is kept."""
        left = [folder for folder in self._folders(".new") if self._removed(folder, folder.name.partition(".")[0])]
        whole = sorted(self._folders(""), key=lambda folder: folder.stat().st_mtime, reverse=True)
        old = [each for each in whole[self._settings.keep :]
               if self._clock.now_ms() / 1000 - each.stat().st_mtime > _BUSY_S]  # fmt: skip
        return len(left) + sum(self._removed(folder, folder.name) for folder in old)

    def _make(
        self, key: str, layout: Layout, spec: SandboxSpec, sealed: Callable[[SandboxSpec], Sealed], uid: int
    ) -> None:
        log.info("project environment %s: building", key)
        fresh = self._root / f"{key}.new"
        _remove(fresh)
        fresh.mkdir(mode=0o755)
        if os.getuid() == 0:
            os.chown(fresh, uid, uid)
        build = Build.of(spec.recipe, self._settings)
        large = replace(spec, memory_mb=self._settings.memory_mb, work_mb=self._settings.disk_mb, pids=256)
        try:
            self._run(build, sealed(large), _with(layout, fresh, writable=True))
            os.rename(fresh, self._root / key)
        finally:
            build.mirror.close()
            _remove(fresh)
        self.reap()

    @staticmethod
    def _run(build: Build, sealed: Sealed, layout: Layout) -> None:
        mine, theirs = socket.socketpair()
        wrong: list[ValueError] = []
        with mine:
            tunnel = Tunnel(build.mirror, mine.sendall)
            reader = threading.Thread(target=_read, args=(mine, tunnel, wrong), name="project-build", daemon=True)
            try:
                with theirs:
                    mine.sendall(build.order())
                    reader.start()
                    number = theirs.fileno()
                    done = sealed(layout, build.argv(number, number), number)
            finally:
                if reader.ident:
                    reader.join(timeout=30)
                with contextlib.suppress(OSError):
                    mine.shutdown(socket.SHUT_RDWR)
                tunnel.close()
        if wrong:
            raise EnvironmentBroke(f"the project environment could not be built: {wrong[0]}")
        build.accept(tunnel.result, done.stderr, done.ended)

    @contextlib.contextmanager
    def _locked(self, key: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold an environment's lock; yields whether it is held."""
        with open(self._root / f"{key}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True

    def _removed(self, folder: Path, key: str) -> bool:
        with self._locked(key, wait=False) as held:
            if held:
                _remove(folder)
            return held

    def _folders(self, suffix: str) -> list[Path]:
        entries = list(self._root.iterdir()) if self._root.is_dir() else []
        return [each for each in entries if each.suffix == suffix and each.is_dir() and not each.is_symlink()]


def _with(layout: Layout, home: Path, *, writable: bool) -> Layout:
    env = tuple(sorted(layout.env if writable else with_project(dict(layout.env)).items()))
    return replace(layout, mounts=((str(home), HOME, writable),), env=env)


def _read(sock: socket.socket, tunnel: Tunnel, wrong: list[ValueError]) -> None:
    """What the build writes, until it is over."""
    with contextlib.suppress(OSError):
        while data := sock.recv(1 << 16):
            try:
                tunnel.feed(data)
            except ValueError as error:
                wrong.append(error)
                return


def _remove(folder: Path) -> None:
    if folder.exists():
        run(["rm", "-rf", "--", str(folder)], timeout_s=300, cwd="/")
