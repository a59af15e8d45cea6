"""Processes: the only module that starts any. Argv lists only, a time-out always, output capped, groups killed."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from selectors import SelectorKey

_CHUNK = 65536
_POLL_S = 0.25
_DRAIN_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a process ended: `ended` is exited | timeout | output (more than `max_output` bytes on one stream)."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes
    duration_s: float
    ended: str = "exited"

    @property
    def ok(self) -> bool:
        """Exited by itself with 0."""
        return self.ended == "exited" and self.code == 0

    def text(self) -> str:
        """Standard output as text; undecodable bytes are replaced."""
        return self.stdout.decode("utf-8", "replace")

    def why(self) -> str:
        """One line on what went wrong: the last line of standard error, or how it ended."""
        lines = self.stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"{self.argv[0]} {self.ended} with {self.code}"


class _Pump:
    """Moves bytes between a child's pipes and buffers until all are closed, a deadline or a cap is reached."""

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes, cap: int, on_line: Callable[[bytes], None] | None):
        self.child, self.left, self.cap, self.on_line = child, memoryview(stdin), cap, on_line
        self.buffers: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        self.tail = bytearray()
        self.selector = selectors.DefaultSelector()
        for name, pipe in (("out", child.stdout), ("err", child.stderr)):
            self._register(pipe, selectors.EVENT_READ, name)
        self._register(child.stdin, selectors.EVENT_WRITE, "in")

    def _register(self, pipe: IO[bytes] | None, event: int, name: str) -> None:
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, event, name)

    def until(self, deadline: float, stop: Callable[[], str] | None = None) -> str:
        """Serve until every pipe is closed. When the child is gone while others hold its pipes open (a server it
        left in the background), what is in them is still read, for `_DRAIN_S` at most.
        """
        ask_at, stale_at = 0.0, float("inf")
        while self.selector.get_map():
            now = time.monotonic()
            if now >= min(deadline, stale_at):
                return "exited" if _gone(self.child) else "timeout"
            if stop and now >= ask_at:
                ask_at = now + _POLL_S
                if word := stop():
                    return word
            events = self.selector.select(min(deadline - now, _POLL_S))
            for key, _ in events:
                self._serve(key)
            if max(map(len, self.buffers.values())) > self.cap:
                return "output"
            if not events and stale_at == float("inf") and _gone(self.child):
                stale_at = time.monotonic() + _DRAIN_S
        return "exited"

    def _serve(self, key: SelectorKey) -> None:
        if key.data == "in":
            self._write(key)
            return
        data = os.read(key.fd, _CHUNK)
        if not data:
            self._drop(key)
        self.buffers[key.data] += data
        if key.data == "out" and self.on_line:
            self._lines(data or b"\n" * bool(self.tail), self.on_line)

    def _lines(self, data: bytes, on_line: Callable[[bytes], None]) -> None:
        first, *more = data.split(b"\n")
        self.tail += first
        for rest in more:
            line, self.tail = bytes(self.tail), bytearray(rest)
            on_line(line)

    def _write(self, key: SelectorKey) -> None:
        try:
            self.left = self.left[os.write(key.fd, self.left[:_CHUNK]) :] if self.left else self.left
        except BrokenPipeError:
            self.left = self.left[:0]
        if not self.left:
            self._drop(key)

    def _drop(self, key: SelectorKey) -> None:
        self.selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            self._drop(key)
        self.selector.close()


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    max_output: int = 64 << 20,
    on_line: Callable[[bytes], None] | None = None,
    pass_fds: Sequence[int] = (),
    stop: Callable[[], str] | None = None,
) -> Completed:
    """Run a command to its end, the time-out or the output cap; its whole process group dies with it.

    `env` replaces the environment (None inherits). `on_line` gets each stdout line as it comes.
    `pass_fds` stay open in the child. `stop` is asked about four times a second; the first word that isn't empty
    ends the run with that word as `ended`. Raises FileNotFoundError when the program does not exist.
    """
    start = time.monotonic()
    child = subprocess.Popen(
        argv, cwd=cwd, env=None if env is None else dict(env), start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=tuple(pass_fds),
    )  # fmt: skip
    pump = _Pump(child, stdin, max_output, on_line)
    try:
        ended = pump.until(start + timeout_s, stop)
        ended = _reap(child, ended, start + timeout_s)
    finally:
        _kill_group(child)
        pump.close()
    out, err = (bytes(pump.buffers[name][:max_output]) for name in ("out", "err"))
    return Completed(argv=tuple(argv), code=child.returncode, stdout=out, stderr=err,
                     duration_s=time.monotonic() - start, ended=ended)  # fmt: skip


def _reap(child: subprocess.Popen[bytes], ended: str, deadline: float) -> str:
    nap = 0.0005
    while ended == "exited" and not _gone(child):
        if time.monotonic() >= deadline:
            return "timeout"
        time.sleep(nap)
        nap = min(2 * nap, 0.05)
    return ended


def _gone(child: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, without reaping it: until its group is killed the id must not pass to a stranger."""
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def spawn(
    argv: Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stdout: IO[bytes] | int | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stderr: IO[bytes] | int = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """Start a long-lived process in a group of its own; the caller owns its end. stderr joins stdout unless given."""
    return subprocess.Popen(
        argv, cwd=cwd, env=None if env is None else dict(env), start_new_session=True,
        stdin=stdin, stdout=stdout if stdout is not None else subprocess.DEVNULL, stderr=stderr,
    )  # fmt: skip


def run_logged(
    argv: Sequence[str],
    *,
    timeout_s: float,
    log: str,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    max_output: int = 64 << 20,
    started: Callable[[int], None] = lambda _: None,
) -> Completed:
    """Run a command that may leave servers behind: they outlive it when it ends by itself; output goes to a file.

    On the time-out or when the file `log` (written anew) grows over `max_output` bytes the whole group is
    killed. `started` gets the process id. `stdout` of the result is the last 64 KiB of the log.
    """
    start = time.monotonic()
    with open(log, "wb") as sink:
        child = spawn(argv, cwd=cwd, env=env, stdout=sink)
        ended = "exited"
        try:
            started(child.pid)
            ended = _watch_log(child, log, start + timeout_s, max_output)
        finally:
            if ended != "exited" or not _gone(child):
                _kill_group(child)
            child.wait()
    with open(log, "rb") as written:
        written.seek(max(0, os.path.getsize(log) - _CHUNK))
        tail = written.read(_CHUNK)
    return Completed(argv=tuple(argv), code=child.returncode, stdout=tail, stderr=b"",
                     duration_s=time.monotonic() - start, ended=ended)  # fmt: skip


def _watch_log(child: subprocess.Popen[bytes], log: str, deadline: float, max_output: int) -> str:
    nap = 0.001
    while not _gone(child):
        if time.monotonic() >= deadline:
            return "timeout"
        if os.path.getsize(log) > max_output:
            return "output"
        time.sleep(nap)
        nap = min(2 * nap, 0.05)
    return "exited"
