"""The shop's deploy command: a folder per release, then a restart. `python -m nightshift.daemon.demo.ship ROOT PORT`.

It is an ordinary deploy command: it learns the commit and the repository from the environment, and running it
twice for one commit does no harm.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from nightshift.daemon.kit.run import run, spawn


def unpack(root: Path, repo: str, commit: str) -> Path:
    """The release folder of a commit."""
    release = root / "releases" / commit[:12]
    if not release.exists():
        fresh = release.with_suffix(f".{os.getpid()}")
        fresh.mkdir(parents=True)
        tar = run(["git", f"--git-dir={repo}", "archive", commit], timeout_s=60)
        if not tar.ok or not run(["tar", "-x", "-C", str(fresh)], stdin=tar.stdout, timeout_s=60).ok:
            raise SystemExit(f"can't unpack {commit}: {tar.why()}")
        with contextlib.suppress(OSError):
            fresh.rename(release)
    return release


def stop(root: Path) -> None:
    """Stop the running release, if any, and wait until it is gone."""
    try:
        pid = int((root / "shop.pid").read_text())
        os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return
    for _ in range(500):
        if not _alive(pid):
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start(root: Path, release: Path, port: int) -> None:
    """Start a release and wait until it answers."""
    argv = [sys.executable, "-m", "shop", "--port", str(port), "--log", str(root / "logs" / "shop.log")]
    with (root / "logs" / "shop.out").open("ab") as out:
        process = spawn(argv, cwd=str(release), env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}, stdout=out)
    (root / "shop.pid").write_text(str(process.pid))
    if not answers(port, 20.0):
        raise SystemExit(f"the shop does not answer on port {port}; see {root}/logs/shop.out")


def answers(port: int, timeout_s: float) -> bool:
    """Whether the shop answers within a time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
            return True
        time.sleep(0.02)
    return False


def main() -> None:
    """Unpack, stop the old, start the new."""
    root, port = Path(sys.argv[1]), int(sys.argv[2])
    commit = os.environ["NIGHTSHIFT_COMMIT"]
    release = unpack(root, os.environ["NIGHTSHIFT_REPO"], commit)
    stop(root)
    start(root, release, port)
    print(f"shop {commit[:12]} answers on port {port}")


if __name__ == "__main__":
    main()
