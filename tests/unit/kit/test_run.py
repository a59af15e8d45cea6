"""Processes that misbehave: they hang, flood, fork, ignore their input, leave the pipes open."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import run, run_logged

PY = sys.executable


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_gone(pid: int) -> bool:
    for _ in range(200):
        if not _alive(pid):
            return True
        time.sleep(0.01)
    return False


def test_what_a_process_says_and_how_it_ends() -> None:
    done = run(["sh", "-c", "cat; echo err >&2; exit 3"], timeout_s=10, stdin=b"in")
    assert (done.code, done.stdout, done.stderr, done.ended, done.ok) == (3, b"in", b"err\n", "exited", False)
    assert done.why() == "err" and run(["true"], timeout_s=10).ok
    assert run(["sh", "-c", "kill -9 $$"], timeout_s=10).code == -signal.SIGKILL


def test_a_missing_program_is_told() -> None:
    with pytest.raises(FileNotFoundError):
        run(["/no/such/program"], timeout_s=1)


def test_the_environment_is_replaced() -> None:
    assert run(["/usr/bin/env"], timeout_s=10, env={"A": "1"}).stdout == b"A=1\n"


def test_a_time_out_kills_the_grandchildren_too(tmp_path: Path) -> None:
    done = run(["sh", "-c", f"sleep 300 & echo $! > {tmp_path}/pid; wait"], timeout_s=0.5)
    assert done.ended == "timeout" and not done.ok
    assert _wait_gone(int((tmp_path / "pid").read_text()))


def test_closed_pipes_do_not_hide_a_hanging_process() -> None:
    done = run([PY, "-c", "import os, time; os.closerange(0, 3); time.sleep(300)"], timeout_s=0.5)
    assert done.ended == "timeout"


def test_grandchildren_that_keep_the_pipes_open_hold_nobody_up(tmp_path: Path) -> None:
    done = run(["sh", "-c", f"echo said; sleep 300 & echo $! > {tmp_path}/pid; exit 4"], timeout_s=200)
    assert (done.ended, done.code, done.stdout) == ("exited", 4, b"said\n")
    assert _wait_gone(int((tmp_path / "pid").read_text()))


def test_not_even_those_that_left_the_group(tmp_path: Path) -> None:
    done = run(["sh", "-c", f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 300' & sleep 0.2; echo said"],
               timeout_s=200, stdin=b"x" * 1_000_000)  # fmt: skip
    assert (done.ended, done.stdout) == ("exited", b"said\n")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_process_that_never_reads_a_huge_input() -> None:
    assert run(["true"], timeout_s=10, stdin=b"x" * 20_000_000).ok
    assert run(["sleep", "300"], timeout_s=0.3, stdin=b"x" * 20_000_000).ended == "timeout"


def test_a_huge_input_and_output_cross_without_a_deadlock() -> None:
    data = os.urandom(1 << 20) * 8
    assert run(["cat"], timeout_s=60, stdin=data).stdout == data


@pytest.mark.parametrize("stream", ["1", "2"])
def test_output_is_capped(stream: str) -> None:
    done = run(["sh", "-c", f"yes >&{stream}"], timeout_s=60, max_output=100_000)
    assert done.ended == "output" and len(done.stdout) + len(done.stderr) == 100_000


def test_exactly_the_cap_is_not_too_much() -> None:
    assert run(["sh", "-c", "printf %0100d 0"], timeout_s=10, max_output=100).ok


def test_lines_come_whole_and_the_last_one_too() -> None:
    lines: list[bytes] = []
    run([PY, "-c", "import sys; sys.stdout.write('a' * 300000 + '\\n\\nb\\nlast')"], timeout_s=20, on_line=lines.append)
    assert lines == [b"a" * 300000, b"", b"b", b"last"]


def test_a_line_of_many_megabytes_costs_linear_time() -> None:
    sizes: list[int] = []
    run([PY, "-c", "print('x' * 40_000_000)"], timeout_s=60, on_line=lambda line: sizes.append(len(line)))
    assert sizes == [40_000_000]


def test_an_error_in_the_reader_kills_the_process(tmp_path: Path) -> None:
    def refuse(line: bytes) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="hello"):
        run(["sh", "-c", f"echo $$ > {tmp_path}/pid; echo hello; sleep 300"], timeout_s=60, on_line=refuse)
    assert _wait_gone(int((tmp_path / "pid").read_text()))


def test_stop_ends_it_with_its_word() -> None:
    assert run(["sleep", "300"], timeout_s=60, stop=lambda: "cancelled").ended == "cancelled"


def test_no_descriptor_leaks() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        run(["true"], timeout_s=10)
        run(["sleep", "9"], timeout_s=0.01)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_logged_runs_leave_servers_alone_and_kill_what_hangs(tmp_path: Path) -> None:
    log, pids = str(tmp_path / "log"), []
    done = run_logged(["sh", "-c", "sleep 300 & echo $!; exit 5"], timeout_s=60, log=log, started=pids.append)
    server = int(done.stdout)
    assert (done.code, done.ended) == (5, "exited") and pids and _alive(server)
    os.kill(server, signal.SIGKILL)
    done = run_logged(["sh", "-c", "sleep 300 & echo $!; wait"], timeout_s=0.5, log=log)
    assert done.ended == "timeout" and _wait_gone(int(done.stdout))
    assert run_logged(["yes"], timeout_s=60, log=log, max_output=100_000).ended == "output"
