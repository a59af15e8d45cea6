"""For checks that are not one pytest run: write the changed file, run the command, put the file back.

As many at a time as there are cores, each in a copy of the tree of its own. A copy is only used when the command fails
there as it does in the tree itself: it may name the tree by its path.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from typing import Any, List

from .swap import apply_edits, read_source

_EACH_S = 0.005


class Slot:
    """A copy of the tree in which one candidate at a time is tried."""

    def __init__(self, folder: str) -> None:
        self.folder, self.row, self.pid, self.end = folder, None, 0, 0.0
        self.originals: dict[str, bytes] = {}

    def start(self, setup: dict[str, Any], row: Any, limit_s: float) -> bool:
        """Put a candidate in and run the command; False when it is no Python."""
        try:
            for path in {e[0] for e in row["e"]}:
                full = os.path.join(self.folder, path)
                with open(full, "rb") as stream:
                    self.originals[full] = stream.read()
                text = apply_edits(read_source(full), [(s, e, t) for p, s, e, t in row["e"] if p == path])
                compile(text.lstrip("\ufeff"), full, "exec", dont_inherit=True)
                with open(full, "wb") as stream:
                    stream.write(text.encode(setup["encodings"].get(path, "utf-8")))
        except (SyntaxError, ValueError, RecursionError):
            self.restore()
            return False
        self.row, self.pid, self.end = row, _spawn(setup["command"], self.folder), time.monotonic() + limit_s
        return True

    def ended(self) -> int | None:
        """Exit status of the command (-1 when it had to be killed), None while it runs."""
        done, status = os.waitpid(self.pid, os.WNOHANG)
        if not done and time.monotonic() < self.end:
            return None
        if not done:
            self.kill()
            return -1
        self.restore()
        return status if status == 0 else status >> 8 or 1

    def kill(self) -> None:
        """Stop the command and take the candidate out."""
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.restore()

    def restore(self) -> None:
        """Put the file back and be free again."""
        for path, data in self.originals.items():
            with open(path, "wb") as stream:
                stream.write(data)
        self.originals, self.row = {}, None


def serve(setup: dict[str, Any], say: Any, mailbox: Any) -> None:
    """Baseline (must fail), then rounds of candidates."""
    os.chdir(setup["root"])
    start = time.monotonic()
    code = _run(setup["command"], setup["root"], setup["baseline_s"])
    base_s = time.monotonic() - start
    if code == 0:
        say({"t": "unusable", "why": "the check passes"})
        return
    say({"t": "baseline", "seconds": base_s, "suspicion": {}, "crashes": [], "collected": 0, "passing": 0,
         "failing": [], "mode": "command"})  # fmt: skip
    limit = max(5.0, 3 * base_s) if code != -1 else max(10.0, base_s)
    slots = [Slot(setup["root"]), *copies(setup, code, limit)]
    tried, queue = 0, []
    while True:
        order = mailbox.take()
        if order["op"] == "stop":
            return
        queue += order.get("candidates", [])
        tried = _round(setup, say, order, queue, slots, tried, limit)


def copies(setup: dict[str, Any], code: int, limit_s: float) -> List[Slot]:
    """More places to try candidates in, as far as they fit and the command says the same there."""
    found: list[Slot] = []
    for number in range(1, setup["cores"]):
        folder = os.path.join(setup["home"], "tree-%d" % number)
        try:
            shutil.copytree(setup["root"], folder, symlinks=True)
        except (OSError, shutil.Error):
            shutil.rmtree(folder, ignore_errors=True)
            break
        if code == -1 or _run(setup["command"], folder, limit_s) != code:
            break
        found.append(Slot(folder))
    return found


def _round(
    setup: dict[str, Any], say: Any, order: dict[str, Any], queue: list[Any], slots: list[Slot], tried: int,
    limit_s: float,
) -> int:  # fmt: skip
    start = tick = time.monotonic()
    found, first_find, why = 0, 0.0, ""
    while not why:
        tried += _fill(setup, slots, queue, limit_s)
        for slot in slots:
            row = slot.row
            status = slot.ended() if row is not None else None
            if row is None or status is None:
                continue
            tried += 1
            if status == 0:
                found += 1
                first_find = first_find or time.monotonic()
                say({"t": "plausible", "n": row["n"], "tried": tried})
        now = time.monotonic()
        if now - tick > 1.0:
            tick = now
            say({"t": "tick", "tried": tried, "left": len(queue)})
        why = _over(order, found, now - first_find if first_find else 0.0, now - start)
        if not why and not queue and all(slot.row is None for slot in slots):
            why = "exhausted"
        time.sleep(_EACH_S)
    for slot in slots:
        if slot.row is not None:
            queue.insert(0, slot.row)
            slot.kill()
    say({"t": "idle", "why": why, "tried": tried, "left": len(queue), "seconds": time.monotonic() - start})
    return tried


def _fill(setup: dict[str, Any], slots: list[Slot], queue: list[Any], limit_s: float) -> int:
    """Start what can be started; returns how many candidates were no Python."""
    failed = 0
    for slot in slots:
        while slot.row is None and queue:
            failed += not slot.start(setup, queue.pop(0), limit_s)
    return failed


def _over(order: dict[str, Any], found: int, lingered_s: float, spent_s: float) -> str:
    if found >= order["patches"]:
        return "patches"
    if lingered_s > order["linger_s"]:
        return "linger"
    return "deadline" if spent_s > order["deadline_s"] else ""


def _spawn(command: str, folder: str) -> int:
    """A shell line in a process group of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            os.chdir(folder)
            os.execvp("sh", ["sh", "-c", command])
        finally:
            os._exit(127)
    with contextlib.suppress(OSError):  # whoever of the two comes first; it must stand before anybody kills the group
        os.setpgid(pid, pid)
    return pid


def _run(command: str, folder: str, limit_s: float) -> int:
    """Exit status of a shell line; -1 when it had to be killed."""
    slot = Slot(folder)
    slot.pid, slot.end = _spawn(command, folder), time.monotonic() + limit_s
    while True:
        status = slot.ended()
        if status is not None:
            return status
        time.sleep(_EACH_S)
