"""Watches one pytest session from outside its process and sums up what it proved.

Shipped as text into a sandbox and run as ``python -I -S -c``: it imports nothing of the tree, so code under test never
runs in it. It hides its memory and file descriptors from processes of the same user, verifies every record the
session sends, drains (and caps) its output, enforces the time-out, and prints one line: ``<nonce> <packed json>``.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import select
import signal
import sys
import time
import zlib
from typing import Any

TAIL, FAILURES, PRELUDE = (
    16384,
    200,
    "import sys\nif sys.path[:1] == ['']: sys.path.pop(0)\nfor text in {!r}: exec(text)",
)
_RANK = {"passed": 0, "skipped": 1, "failed": 2, "error": 3}


class Ledger:
    """Every record of one session, checked and folded into one status per test; the worst status wins."""

    def __init__(self, key: bytes, canaries: list[str]) -> None:
        self.key, self.canaries = key, set(canaries)
        self.statuses: dict[str, str] = {}
        self.failures: dict[str, dict[str, Any]] = {}
        self.collected: list[str] = []
        self.raised: dict[str, dict[str, Any]] = {}
        self.told: dict[str, str] = {}
        self.durations: dict[str, float] = {}
        self.forged: list[str] = []
        self.equal: list[list[str]] = []
        self.tampered: list[list[str]] = []
        self.running, self.pytest, self.nopytest = "", "", ""
        self.ids: list[str] | None = None
        self.placed: list[str] = []
        self.finish: int | None = None
        self.count = 0

    def line(self, line: bytes) -> None:
        """Take one raw line from the session."""
        mac, _, body = line.partition(b" ")
        number, _, text = body.partition(b" ")
        good = hmac.compare_digest(mac, hmac.new(self.key, body, hashlib.sha256).hexdigest().encode())
        if not good or number != str(self.count).encode():
            self.forge("a record on the report channel that pytest did not write")
            return
        self.count += 1
        record = json.loads(text.decode())
        if self.finish is not None:
            self.forge("a record after the session's end")
        getattr(self, "on_" + record["k"])(record)

    def forge(self, why: str) -> None:
        if why not in self.forged:
            self.forged.append(why)

    def on_begin(self, record: dict[str, Any]) -> None:
        self.pytest = record["pytest"]

    def on_nopytest(self, record: dict[str, Any]) -> None:
        self.nopytest = record["why"]

    def on_items(self, record: dict[str, Any]) -> None:
        self.ids, self.placed = record["ids"], record["canaries"]
        self._tampered(record)

    def on_collected(self, record: dict[str, Any]) -> None:
        if record["ok"]:
            self.collected.append(record["id"])
        else:
            self._status(record["id"] or "(collection)", "error")
            self.failures[record["id"] or "(collection)"] = record

    def on_start(self, record: dict[str, Any]) -> None:
        self.running = record["id"]

    def on_end(self, record: dict[str, Any]) -> None:
        self.running = ""
        self._tampered(record)
        self.durations[record["id"]] = record["s"]
        for when in ("setup", "call", "teardown"):
            if self.raised.pop(record["id"] + " " + when, None):
                self._status(record["id"], "failed")

    def on_raised(self, record: dict[str, Any]) -> None:
        self.raised[record["id"] + " " + record["when"]] = record

    def on_report(self, record: dict[str, Any]) -> None:
        raised = self.raised.pop(record["id"] + " " + record["when"], None)
        status = record["outcome"] if record["outcome"] in _RANK else "skipped"
        if record["outcome"] == "rerun":
            return
        if raised and status == "passed" and not record["xfail"]:
            self.forge("a report says passed where an exception was raised")
            status = "failed"
        if status == "failed" and record["when"] != "call":
            status = "error"
        if status == "passed" and record["when"] != "call":
            return
        self._status(record["id"], status)
        if record["id"].rpartition("::")[2] in self.canaries:
            return
        if status in ("failed", "error") and len(self.failures) < FAILURES:
            self.failures.setdefault(record["id"], dict(raised or {}, text=record["text"]))

    def on_equal(self, record: dict[str, Any]) -> None:
        self.equal = record["classes"]
        self._tampered(record)

    def on_finish(self, record: dict[str, Any]) -> None:
        self.finish = record["code"]

    def _tampered(self, record: dict[str, Any]) -> None:
        self.tampered += [row for row in record["tampered"] if row not in self.tampered]

    def _status(self, test: str, status: str) -> None:
        name = test.rpartition("::")[2]
        if name in self.canaries:
            self.told[name] = max(self.told.get(name, "passed"), status, key=_RANK.__getitem__)
            return
        self.statuses[test] = max(self.statuses.get(test, "passed"), status, key=_RANK.__getitem__)


def settle(ledger: Ledger, ended: str, code: int) -> dict[str, Any]:
    """The cross-checks that need the whole session: canaries, exit code, tests that were started and never ended."""
    if ended == "exited" and ledger.ids is not None:
        for name in ledger.placed:
            if ledger.told.get(name) == "passed":  # a conftest may honestly skip it; a skip never helps a forger
                ledger.forge("a test that must fail was reported as passed")
        if ledger.finish is None:
            ended = "died"
        elif code != ledger.finish:
            ledger.forge(f"pytest ended with {ledger.finish}, the process with {code}")
        elif len(ledger.told) < len(ledger.placed):
            ended = "stopped"
        elif code != 1:
            ledger.forge(f"a session with a failing test ended with {code}")
    if ended != "exited" and ledger.running and ledger.running.rpartition("::")[2] not in ledger.canaries:
        ledger.statuses[ledger.running] = "error"
        ledger.failures[ledger.running] = {"exception": "", "message": "the process " + ended + " in this test"}
    return {
        "ended": ended, "code": code, "statuses": ledger.statuses, "failures": ledger.failures,
        "collected": ledger.collected, "count": None if ledger.ids is None else len(ledger.ids),
        "forged": ledger.forged, "equal": ledger.equal,
        "tampered": ledger.tampered,
        "pytest": ledger.pytest, "nopytest": ledger.nopytest, "finish": ledger.finish,
    }  # fmt: skip


class Session:
    """The child process and its two pipes."""

    def __init__(self, orders: dict[str, Any]) -> None:
        ours, theirs = os.pipe(), os.pipe()
        out = os.pipe()
        self.report, self.out = theirs[0], out[0]
        argv = orders["interpreter"] + ["-c", PRELUDE.format(orders["boot"]), str(ours[0]), str(theirs[1])]
        self.pid = os.fork()
        if self.pid == 0:
            _become(argv, dict(os.environ, **orders["env"]), out[1], [ours[0], theirs[1]])
        for fd in (ours[0], theirs[1], out[1]):
            os.close(fd)
        with os.fdopen(ours[1], "wb") as pipe:
            pipe.write(json.dumps(orders["session"]).encode())

    def watch(self, ledger: Ledger, deadline: float, cap: int) -> tuple[str, bytes]:
        """Until the child ends, the deadline passes or its output passes the cap."""
        tail, rest, total, status = b"", b"", 0, None
        while True:
            wait = min(0.5, deadline - time.monotonic())
            if wait <= 0 or total > cap:
                return ("timeout" if wait <= 0 else "output"), tail
            ready = select.select([self.report, self.out], [], [], 0 if status is not None else wait)[0]
            moved = False
            if self.out in ready:
                data = os.read(self.out, 65536)
                total, tail, moved = total + len(data), (tail + data)[-TAIL:], bool(data)
            if self.report in ready:
                data = os.read(self.report, 65536)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    ledger.line(line)
                moved = moved or bool(data)
            if status is not None and not moved:
                return "exited", tail
            if status is None and not moved:
                status = self._ended(0 if ready else os.WNOHANG)

    def _ended(self, flags: int) -> int | None:
        """The exit status once the child is gone. Blocks only after it closed a pipe, and then not for long."""
        for _ in range(200):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = -(status & 127) if status & 127 else status >> 8
                return status
            if flags:
                return None
            time.sleep(0.002)
        return None

    code = -9

    def kill(self) -> None:
        """End the child and everything in its group."""
        for kill in (lambda: os.killpg(self.pid, signal.SIGKILL), lambda: os.waitpid(self.pid, 0)):
            with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                kill()


def _become(argv: list[str], env: dict[str, str], out: int, keep: list[int]) -> None:
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        for fd in keep:
            os.set_inheritable(fd, True)
        os.execvpe(argv[0], argv, env)  # noqa: S606 - inside the sandbox; kit.run is not there
    except OSError as error:
        os.write(2, f"cannot start {argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def hide() -> None:
    """Close this process's memory and descriptors to others of the same user (prctl PR_SET_DUMPABLE 0)."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


def syntax_errors(paths: list[str]) -> list[list[Any]]:
    """[path, line, message] for each file that this Python can't compile."""
    found: list[list[Any]] = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                compile(file.read(), path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            found.append([path, getattr(error, "lineno", 0) or 0, str(getattr(error, "msg", error))])
        except OSError as error:
            found.append([path, 0, str(error)])
    return found


def main() -> int:
    """Read the orders (one JSON line on stdin), run the session, print its sum."""
    hide()
    orders = json.loads(sys.stdin.buffer.readline().decode())
    began = time.monotonic()
    broken = syntax_errors(orders["compile"])
    if broken:
        answer: dict[str, Any] = {"ended": "uncompiled", "code": -1, "syntax": broken}
    else:
        answer = _session(orders)
    answer["duration_s"] = round(time.monotonic() - began, 4)
    packed = base64.b64encode(zlib.compress(json.dumps(answer).encode())).decode()
    sys.stdout.write(f"\n{orders['nonce']} {packed}\n")
    sys.stdout.flush()
    # As if this had been killed too: only then does the engine look whether memory ran out.
    return 137 if answer["code"] in (-9, 137) else 0


def _session(orders: dict[str, Any]) -> dict[str, Any]:
    canaries = orders["session"]["canaries"]
    ledger = Ledger(bytes.fromhex(orders["session"]["key"]), canaries)
    session = Session(orders)
    deadline = time.monotonic() + orders["timeout_s"]
    try:
        ended, tail = session.watch(ledger, deadline, orders["output_bytes"])
    finally:
        session.kill()
    answer = settle(ledger, ended, session.code)
    answer["tail"] = tail.decode("utf-8", "replace")
    return answer


if __name__ == "__main__":
    sys.exit(main())
