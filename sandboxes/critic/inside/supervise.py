"""Runs one version of a tree after the other in the same sandbox, so that none can touch another's.

Shipped as text, run as ``python -I -S -c``. It holds every version in memory that others of the same user can't read;
before each it kills everything that is left and writes the whole tree anew. Prints one line: ``<nonce> <packed json>``.
Only the host knows what the answers mean; here they are lines, bounded in number and size.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import select
import shutil
import signal
import sys
import tarfile
import time
import zlib
from typing import Any

PRELUDE = "import sys\nif sys.path[:1] == ['']: sys.path.pop(0)\nfor text in {!r}: exec(text)"
LINES, BYTES, OUTPUT, ROUNDS = 20000, 8 << 20, 32 << 20, 500


def fresh(tree: bytes, overlay: dict[str, str | None]) -> None:
    """Everything that could be written to is emptied, and the tree of one version put there."""
    root = os.getcwd()
    for folder in (root, "/tmp"):  # noqa: S108 - the sandbox's own
        for name in os.listdir(folder):
            _remove(os.path.join(folder, name))
    with tarfile.open(fileobj=io.BytesIO(tree)) as tar:
        tar.extractall(root)  # noqa: S202 - the host made it
    for path, text in overlay.items():
        _remove(os.path.join(root, path))
        if text is not None:
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "wb") as file:
                file.write(base64.b64decode(text))


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
        else:
            for folder, _, _ in os.walk(path):
                with contextlib.suppress(OSError):
                    os.chmod(folder, 0o700)
            shutil.rmtree(path, ignore_errors=True)


class Child:
    """One interpreter with the version's code in it, and the pipe it answers on."""

    def __init__(self, job: dict[str, Any], session: dict[str, Any]) -> None:
        ours, theirs, out = os.pipe(), os.pipe(), os.pipe()
        self.answers, self.out, self.rest = theirs[0], out[0], b""
        argv = job["interpreter"] + ["-c", PRELUDE.format(job["boot"]), str(ours[0]), str(theirs[1])]
        self.pid = os.fork()
        if self.pid == 0:
            _become(argv, dict(os.environ, **job["env"]), out[1], [ours[0], theirs[1]])
        for fd in (ours[0], theirs[1], out[1]):
            os.close(fd)
        with contextlib.suppress(BrokenPipeError), os.fdopen(ours[1], "wb") as pipe:
            pipe.write(json.dumps(session).encode())

    def lines(self, quiet_s: float, deadline: float) -> Any:
        """Lines as they come, until it ends, says nothing for too long, or the deadline passes."""
        heard, size = time.monotonic(), 0
        while True:
            wait = min(deadline, heard + quiet_s) - time.monotonic()
            if wait <= 0 or size > OUTPUT:
                return
            ready = select.select([self.answers, self.out], [], [], wait)[0]
            if self.out in ready:
                data = os.read(self.out, 65536)
                size += len(data)
                if not data and self.answers not in ready:
                    time.sleep(0.002)
            if self.answers in ready:
                data = os.read(self.answers, 65536)
                if not data:
                    return
                size, heard = size + len(data), time.monotonic()
                *whole, self.rest = (self.rest + data).split(b"\n")
                yield from whole
                if len(self.rest) > BYTES:
                    return

    def end(self, spared: set[int]) -> None:
        """End it, and everything else in this sandbox that was not there before the tree was."""
        clear(spared)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        os.close(self.answers)
        os.close(self.out)


def alive() -> set[int]:
    """Every process of this sandbox."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def clear(spared: set[int]) -> None:
    """Kill every other process, again and again until nothing new was born meanwhile."""
    for _ in range(ROUNDS):
        if not [pid for pid in alive() - spared if _kill(pid)]:
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _kill(pid: int) -> bool:
    """Whether there was something to kill: what is dead already waits for its parent only."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            if file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X"):
                return False
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True


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
    finally:
        os._exit(127)


def hide() -> None:
    """Close this process's memory and descriptors to others of the same user (prctl PR_SET_DUMPABLE 0)."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


def carried_out(job: dict[str, Any], deadline: float, spared: set[int]) -> list[str]:
    """The lines of one version; after a call that did not come back the next process goes on behind it."""
    session, size = dict(job["session"]), 0
    found: list[str] = []
    for _ in range(job["restarts"] + 1):
        child, done = Child(job, session), False
        try:
            for line in child.lines(job["quiet_s"], deadline):
                done = done or line == b"[-1]"
                size += len(line)
                if len(found) < LINES and size < BYTES:
                    found.append(line.decode("utf-8", "replace"))
        finally:
            child.end(spared)
        if done or not job["restarts"] or time.monotonic() > deadline:
            break
        session["after"] = len(found) + 1
        found.append(json.dumps([len(found), "endless", "", ""]))
    return found


def main() -> int:
    """Read the orders (one JSON line on stdin), carry out every job, print what they said."""
    hide()
    spared = alive()  # the engine's own; nothing of the tree runs yet
    orders = json.loads(sys.stdin.buffer.readline().decode())
    began = time.monotonic()
    tree = base64.b64decode(orders["tree"])
    answers = []
    for job in orders["jobs"]:
        deadline = min(began + orders["timeout_s"], time.monotonic() + job["timeout_s"])
        if job["fresh"]:
            fresh(tree, job["overlay"])
        answers.append(carried_out(job, deadline, spared))
    packed = base64.b64encode(zlib.compress(json.dumps(answers).encode())).decode()
    sys.stdout.write(f"\n{orders['nonce']} {packed}\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
