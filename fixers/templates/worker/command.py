"""For checks that are not one pytest run: write the changed file, run the command, put the file back."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from .swap import apply_edits, read_source


def serve(setup: dict[str, Any], say: Any, mailbox: Any) -> None:
    """Baseline (must fail), then rounds of candidates one after another."""
    os.chdir(setup["root"])
    start = time.monotonic()
    code = _run(setup["command"], setup["baseline_s"])
    base_s = time.monotonic() - start
    if code == 0:
        say({"t": "unusable", "why": "the check passes"})
        return
    say({"t": "baseline", "seconds": base_s, "suspicion": {}, "crashes": [], "collected": 0, "passing": 0,
         "failing": [], "mode": "command"})  # fmt: skip
    limit = max(5.0, 3 * base_s) if code != -1 else max(10.0, base_s)
    tried, queue = 0, []
    while True:
        order = mailbox.take()
        if order["op"] == "stop":
            return
        queue += order.get("candidates", [])
        tried = _round(setup, say, order, queue, tried, limit)


def _round(setup: dict[str, Any], say: Any, order: dict[str, Any], queue: list[Any], tried: int, limit_s: float) -> int:
    start = tick = time.monotonic()
    found, first_find, why = 0, 0.0, ""
    while not why:
        if not queue:
            why = "exhausted"
            break
        row = queue.pop(0)
        tried += 1
        if _good(setup, row, limit_s):
            found += 1
            first_find = first_find or time.monotonic()
            say({"t": "plausible", "n": row["n"], "tried": tried})
        now = time.monotonic()
        if now - tick > 1.0:
            tick = now
            say({"t": "tick", "tried": tried, "left": len(queue)})
        if found >= order["patches"]:
            why = "patches"
        elif first_find and now - first_find > order["linger_s"]:
            why = "linger"
        elif now - start > order["deadline_s"]:
            why = "deadline"
    say({"t": "idle", "why": why, "tried": tried, "left": len(queue), "seconds": time.monotonic() - start})
    return tried


def _good(setup: dict[str, Any], row: dict[str, Any], limit_s: float) -> bool:
    originals: dict[str, bytes] = {}
    try:
        for path in {e[0] for e in row["e"]}:
            with open(path, "rb") as stream:
                originals[path] = stream.read()
            text = apply_edits(read_source(path), [(s, e, t) for p, s, e, t in row["e"] if p == path])
            compile(text.lstrip("\ufeff"), path, "exec", dont_inherit=True)
            with open(path, "wb") as stream:
                stream.write(text.encode(setup["encodings"].get(path, "utf-8")))
        return _run(setup["command"], limit_s) == 0
    except (SyntaxError, ValueError, RecursionError):
        return False
    finally:
        for path, data in originals.items():
            with open(path, "wb") as stream:
                stream.write(data)


def _run(command: str, limit_s: float) -> int:
    """Exit status of a shell line; -1 when it had to be killed."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.execvp("sh", ["sh", "-c", command])
        finally:
            os._exit(127)
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status if status == 0 else status >> 8 or 1
        time.sleep(0.005)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -1
