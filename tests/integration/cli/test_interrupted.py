"""Commands that are interrupted while they wait: an exit code for shells, no traceback for people."""

import os
import signal
import sys
import time

import pytest

from nightshift.daemon.kit.run import run, spawn


@pytest.fixture
def pipe(tmp_path):
    """A named pipe; the writing end opens once the command reads it."""
    path = tmp_path / "log"
    os.mkfifo(path)
    (tmp_path / "shop" / ".git").mkdir(parents=True)

    def opened(child):
        while child.poll() is None:
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"ended with {child.returncode} before it read anything")

    return path, opened


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_heal_ends_quietly(tmp_path, pipe, number, code):
    path, opened = pipe
    with open(tmp_path / "said", "wb") as said:
        heal = ["heal", "--repo", str(tmp_path / "shop"), "--log", str(path)]
        child = spawn(
            ["env", "--default-signal=INT", sys.executable, "-m", "nightshift.daemon.cli", *heal], stdout=said
        )
        writing = opened(child)
        child.send_signal(number)
        assert child.wait(60) == code
    os.close(writing)
    assert (tmp_path / "said").read_bytes() == b""


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    line = f"{sys.executable} -m nightshift.daemon.cli schema | head -c 100 | wc -c; echo ${{PIPESTATUS[0]}}"
    done = run(["bash", "-c", line], timeout_s=120)
    assert done.stderr == b""
    assert done.text().split()[0] == "100"
