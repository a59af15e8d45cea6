"""Orders for the search's process inside the sandbox, and what it answers: lines of JSON, not trusted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.ports import WORKDIR, Sandbox

HOME = "/tmp/nightshift-javascript"  # noqa: S108 - a path inside the sandbox
_FLAGS = ("--experimental-vm-modules", "--no-warnings")
_SPARE_S = 5.0
NO_NODE = 127


class NodeLost(Exception):
    """The search's process ended without an answer; the message is its last words."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one search told: numbers of candidates in the order they passed."""

    plausible: tuple[int, ...]
    tried: int
    why: str
    seconds: float


class Session:
    """The search inside one sandbox."""

    def __init__(self, box: Sandbox) -> None:
        self._box, self._runs = box, 0
        folder = resources.files("nightshift.fixers.javascript") / "worker"
        self._box.put(
            tar_of({e.name: e.read_text("utf-8") for e in folder.iterdir() if e.name.endswith(".js")}), to=HOME
        )

    def survey(self, orders: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """What the unpatched tests do: `tests`, or `why` there are none. Raises NodeLost, EnvironmentBroke."""
        for message in self._run(
            {**orders, "op": "survey", "deadline_ms": int(timeout_s * 1000)}, timeout_s + _SPARE_S
        ):
            if message.get("t") == "survey":
                return message
        return {}

    def search(self, orders: Mapping[str, Any], timeout_s: float) -> Found:
        """Try candidates; `orders` names the way (`op`: search | commands). Raises NodeLost, EnvironmentBroke."""
        began = time.monotonic()
        most = len(orders["candidates"])
        messages = self._run({**orders, "deadline_ms": int(timeout_s * 1000)}, timeout_s)
        numbers = [m.get("n") for m in messages if m.get("t") == "plausible"]
        found = tuple(dict.fromkeys(n for n in numbers if isinstance(n, int) and 0 <= n < most))
        last = next((m for m in messages if m.get("t") == "idle"), {})
        tried = last.get("tried")
        return Found(plausible=found, tried=min(tried, most) if isinstance(tried, int) else 0,
                     why=str(last.get("why", "ended")), seconds=time.monotonic() - began)  # fmt: skip

    def _run(self, orders: Mapping[str, Any], timeout_s: float) -> list[dict[str, Any]]:
        self._runs += 1
        name = f"orders-{self._runs}.json"
        self._box.put(tar_of({name: json.dumps({"root": WORKDIR, **orders})}), to=HOME)
        argv = ["node", *_FLAGS, f"{HOME}/main.js", f"{HOME}/{name}"]
        done = self._box.run(argv, timeout_s=timeout_s + _SPARE_S, env={"NODE_OPTIONS": "", "FORCE_COLOR": "0"})
        messages = [m for m in map(_message, done.stdout.splitlines()) if m]
        if not messages:
            raise NodeLost(_why(done.code, done.ended, (done.stderr or done.stdout).decode("utf-8", "replace")))
        return messages


def _message(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _why(code: int, ended: str, said: str) -> str:
    if code in (126, NO_NODE) and ended == "exited":
        return "there is no node in the sandbox: install it on this machine, or name an image that has it"
    last = [line for line in said.strip().splitlines() if line.strip()][-1:] or [f"node {ended} with {code}"]
    return last[0][:300]
