"""The daemon's process and its end: told at any moment it exits with 0, and soon; what it needs and lacks is said."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import slow

from nightshift.daemon.model import Stage
from nightshift.daemon.store.store import Store

PATIENCE_S = 60
CRASH = """Traceback (most recent call last):
  File "/srv/shop/app.py", line 1, in handle
    x
KeyError: 'x'
"""


class Daemon:
    """A configuration, a log and a process."""

    def __init__(self, root: Path) -> None:
        self.root, self.config, self.log = root, root / "nightshift.yaml", root / "shop.log"
        self.log.touch()
        subprocess.run(["git", "init", "-q", "--bare", str(root / "repo.git")], check=True)
        self.config.write_text(
            f"state_dir: {root}/state\nservices:\n  - name: shop\n    repo: {root}/repo.git\n"
            f"    logs: ['{self.log}']\nhttp: {{port: 0}}\n"
        )
        self.mark = root / "mark"
        self.process: subprocess.Popen | None = None

    def start(self, *argv: str) -> None:
        command = argv or (sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", str(self.config))
        with (self.root / "out").open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, cwd=self.root)

    def start_slow(self) -> None:
        self.start(sys.executable, slow.__file__, str(self.config), str(self.mark))

    def crash(self) -> None:
        """Once more, for a monitor begins at the end of what it finds."""
        with self.log.open("a") as log:
            log.write(CRASH)
        time.sleep(0.2)

    def said(self) -> str:
        return (self.root / "out").read_text()

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, self.said()
            assert self.process.poll() is None, self.said()
            time.sleep(0.02)

    def end(self, *numbers: int) -> int:
        for number in numbers or (signal.SIGTERM,):
            self.process.send_signal(number)
            time.sleep(0.05)
        return self.process.wait(PATIENCE_S / 2)


@pytest.fixture
def daemon(tmp_path: Path):
    made = Daemon(tmp_path)
    yield made
    if made.process and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_told_to_end_while_a_step_runs_it_does_not_wait_for_it(daemon: Daemon):
    daemon.start_slow()
    daemon.until(lambda: "watching 1 service" in daemon.said())
    daemon.until(lambda: daemon.crash() or daemon.mark.exists())
    assert daemon.end() == 0, daemon.said()
    store = Store.open(daemon.root / "state" / "nightshift.db")
    assert [m.stage for m in store.missions.list()] == [Stage.QUEUED]
    store.close()
    daemon.mark.unlink()
    daemon.start_slow()
    daemon.until(daemon.mark.exists)
    assert daemon.end(signal.SIGINT, signal.SIGTERM, signal.SIGTERM) == 0


def test_told_to_end_at_any_moment_of_its_start(daemon: Daemon):
    for _ in range(3):
        daemon.start()
        daemon.until((daemon.root / "state" / "lock").exists)
        time.sleep(random.uniform(0, 1))
        assert daemon.end() == 0, daemon.said()
        (daemon.root / "state" / "lock").unlink()


@pytest.mark.parametrize("name", ["nightshift.db", "missions.db"])
def test_a_corrupt_database_is_named_and_left_alone(daemon: Daemon, name: str):
    broken = daemon.root / "state" / name
    broken.parent.mkdir()
    broken.write_bytes(b"this is no database " * 1000)
    daemon.start()
    assert daemon.process.wait(PATIENCE_S) == 3, daemon.said()
    assert f"{broken}" in daemon.said()
    assert "not a database" in daemon.said()
    assert "Traceback" not in daemon.said()
    assert broken.read_bytes().startswith(b"this is no database")


def test_a_port_in_use_is_told(daemon: Daemon):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon.config.write_text(daemon.config.read_text().replace("port: 0", f"port: {port}"))
        daemon.start()
        assert daemon.process.wait(PATIENCE_S) == 3, daemon.said()
        assert str(port) in daemon.said()
        assert "Traceback" not in daemon.said()
