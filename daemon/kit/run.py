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

    def until(self, deadline: float) -> str:
        while self.selector.get_map():
            wait = deadline - time.monotonic()
            if wait <= 0:
                return "timeout"
            for key, _ in self.selector.select(min(wait, 1.0)):
                self._serve(key)
            if max(map(len, self.buffers.values())) > self.cap:
                return "output"
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
            self._lines(data)

    def _lines(self, data: bytes) -> None:
        *lines, rest = (bytes(self.tail) + data).split(b"\n")
        self.tail = bytearray(rest)
        for line in lines:
            if self.on_line:
                self.on_line(line)

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
) -> Completed:
    """Run a command to its end, the time-out or the output cap; its whole process group dies with it.

    `env` replaces the environment (None inherits). `on_line` gets each stdout line as it comes.
    Raises FileNotFoundError when the program does not exist.
    """
    start = time.monotonic()
    child = subprocess.Popen(
        argv, cwd=cwd, env=None if env is None else dict(env), start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    pump = _Pump(child, stdin, max_output, on_line)
    try:
        ended = pump.until(start + timeout_s)
        ended = _reap(child, ended, start + timeout_s)
    finally:
        _kill_group(child)
        pump.close()
    out, err = (bytes(pump.buffers[name][:max_output]) for name in ("out", "err"))
    return Completed(argv=tuple(argv), code=child.returncode, stdout=out, stderr=err,
                     duration_s=time.monotonic() - start, ended=ended)  # fmt: skip


def _reap(child: subprocess.Popen[bytes], ended: str, deadline: float) -> str:
    if ended == "exited":
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "timeout"
    return ended


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
) -> subprocess.Popen[bytes]:
    """Start a long-lived process in a group of its own; the caller owns its end. stderr joins stdout."""
    return subprocess.Popen(
        argv, cwd=cwd, env=None if env is None else dict(env), start_new_session=True,
        stdin=stdin, stdout=stdout if stdout is not None else subprocess.DEVNULL, stderr=subprocess.STDOUT,
    )  # fmt: skip
