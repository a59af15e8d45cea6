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
        with contextlib.suppress(OSError):
            os.chmod(folder, os.stat(folder).st_mode & 0o7777 | 0o700)
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
    """Whatever its depth and modes: inner folders are moved up first, so that no path and no recursion gets long."""
    todo = [path]
    while todo:
        at = todo.pop()
        with contextlib.suppress(OSError):
            if os.path.islink(at) or not os.path.isdir(at):
                os.unlink(at)
                continue
            os.chmod(at, 0o700)
            for name in os.listdir(at):
                inner = os.path.join(at, name)
                if os.path.isdir(inner) and not os.path.islink(inner):
                    os.chmod(inner, 0o700)
                    todo.append(os.path.join(os.path.dirname(path), f".gone-{os.urandom(8).hex()}"))
                    os.rename(inner, todo[-1])
                else:
                    os.unlink(inner)
            os.rmdir(at)


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

    def end(self, spared: set[tuple[int, bytes]]) -> None:
        """End it, and everything else in this sandbox that was not there before the tree was."""
        clear(spared)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        os.close(self.answers)
        os.close(self.out)


def alive() -> set[tuple[int, bytes]]:
    """Every process of this sandbox that is not dead, with the time of its birth: numbers come again."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()
            if state[0] not in (b"Z", b"X"):  # those wait for their parent only
                found.add((int(name), state[19]))
    return found


def clear(spared: set[tuple[int, bytes]]) -> None:
    """Kill every other process, again and again until nothing new was born meanwhile. All are stopped at once first:
    one that forks and leaves without end would always be ahead of a list."""
    for _ in range(ROUNDS):
        _signal(-1, signal.SIGSTOP)
        left = alive() - spared
        for pid, _ in left:
            _signal(pid, signal.SIGKILL)
        _signal(-1, signal.SIGCONT)
        if not left:
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


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


def carried_out(job: dict[str, Any], deadline: float, spared: set[tuple[int, bytes]]) -> list[str]:
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
