"""Talking with the search worker inside a sandbox: orders go in as files, JSON lines come out, one thread listens."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.ports import EnvironmentBroke, Sandbox

HOME = "/tmp/nightshift-search"  # noqa: S108 - a path inside the sandbox
_PACKAGE = "nightshift_worker"
_BOOT = (
    f"import sys; sys.path[:] = [p for p in sys.path if p != '']; sys.path.insert(0, {HOME!r}); "
    f"from {_PACKAGE}.main import main; main()"
)
_LINE_LIMIT = 64 << 20


class WorkerLost(Exception):
    """The worker ended without saying why; its last words are the message."""


def worker_files() -> dict[str, str]:
    """The worker's modules as text, by path inside the sandbox's home of the search."""
    folder = resources.files("nightshift.fixers.templates") / "worker"
    return {
        f"{_PACKAGE}/{entry.name}": entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".py")
    }


class Conversation:
    """One worker. Use as a context manager; leaving it closes the sandbox, which ends everything inside."""

    def __init__(self, sandbox: Sandbox, interpreter: Sequence[str], env: Mapping[str, str], lifetime_s: float) -> None:
        self._sandbox, self._argv, self._lifetime_s = sandbox, [*interpreter, "-c", _BOOT], lifetime_s
        self._env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", **env}
        self._heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self._orders = 0
        self._thread: threading.Thread | None = None

    def start(self, setup: Mapping[str, Any]) -> None:
        """Ship the worker and start it with its setup."""
        self._sandbox.put(tar_of({**worker_files(), "mail/.keep": ""}), to=HOME)
        data = json.dumps({**setup, "home": HOME, "mailbox": f"{HOME}/mail"}).encode()
        self._thread = threading.Thread(target=self._listen, args=(data,), name="search-worker", daemon=True)
        self._thread.start()

    def _listen(self, setup: bytes) -> None:
        try:
            done = self._sandbox.run(
                self._argv, timeout_s=self._lifetime_s, stdin=setup, env=self._env, on_line=self._hear
            )
            last = done.stderr.decode("utf-8", "replace").strip()[-2000:]
            self._heard.put({"t": "ended", "why": f"worker {done.ended} with {done.code}: {last}"})
        except EnvironmentBroke as error:
            self._heard.put({"t": "broke", "why": str(error)})
        except Exception as error:  # noqa: BLE001 - a thread's edge: the waiting side must hear of it
            self._heard.put({"t": "ended", "why": repr(error)})

    def _hear(self, line: bytes) -> None:
        if len(line) > _LINE_LIMIT:
            return
        try:
            message = json.loads(line)
        except ValueError:
            return
        if isinstance(message, dict) and isinstance(message.get("t"), str):
            self._heard.put(message)

    def order(self, order: Mapping[str, Any]) -> None:
        """Send an order; the worker takes orders one after another."""
        self._orders += 1
        files = {f"{self._orders}.json": json.dumps(order), f"{self._orders}.ready": ""}
        self._sandbox.put(tar_of(files), to=f"{HOME}/mail")

    def hear(self, deadline: float) -> Iterator[dict[str, Any]]:
        """Messages until the monotonic deadline. Raises WorkerLost or EnvironmentBroke when the worker is gone."""
        while True:
            try:
                message = self._heard.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if message["t"] == "ended":
                raise WorkerLost(message["why"])
            if message["t"] == "broke":
                raise EnvironmentBroke(message["why"])
            yield message

    def close(self) -> None:
        """Ask the worker to stop, then close its sandbox, which ends whatever does not listen."""
        if self._thread is not None and self._thread.is_alive():
            with contextlib.suppress(EnvironmentBroke):
                self.order({"op": "stop"})
            self._thread.join(timeout=0.5)
        self._sandbox.close()

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
