"""The command deployer with real processes: once per key, again after a kill, failing loudly."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from nightshift.daemon.deployers.command import CommandDeployer
from nightshift.daemon.deployers.nobody import NOTHING_TO_DEPLOY
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import spawn
from nightshift.daemon.model import Service
from nightshift.daemon.ports import EnvironmentBroke


def _service(script: str, **more: object) -> Service:
    return Service(name="shop", repo="", deploy=("sh", "-c", script), **more)


@pytest.fixture
def deployer(tmp_path: Path) -> CommandDeployer:
    return CommandDeployer(tmp_path / "state", SystemClock(), lambda service: f"/repos/{service.name}")


def test_the_command_is_told_what_to_ship(deployer: CommandDeployer) -> None:
    said = deployer.deploy(_service("env | grep ^NIGHTSHIFT_ | sort"), "c" * 40, "m-1-fix")
    assert said.splitlines() == [
        "NIGHTSHIFT_ATTEMPT=1", f"NIGHTSHIFT_COMMIT={'c' * 40}", "NIGHTSHIFT_KEY=m-1-fix",
        "NIGHTSHIFT_REPO=/repos/shop", "NIGHTSHIFT_SERVICE=shop",
    ]  # fmt: skip


def test_once_per_key_and_commit(deployer: CommandDeployer, tmp_path: Path) -> None:
    service = _service(f"echo ran >> {tmp_path}/ran; echo shipped")
    assert [deployer.deploy(service, "a", "k") for _ in range(3)] == ["shipped"] * 3
    assert (tmp_path / "ran").read_text() == "ran\n"
    deployer.deploy(service, "b", "k")
    deployer.deploy(service, "a", "other/../key")
    assert (tmp_path / "ran").read_text() == "ran\n" * 3


def test_racing_callers_ship_once(deployer: CommandDeployer, tmp_path: Path) -> None:
    service = _service(f"echo ran >> {tmp_path}/ran; sleep 0.1")
    threads = [threading.Thread(target=deployer.deploy, args=(service, "a", "k")) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_no_command(deployer: CommandDeployer) -> None:
    assert deployer.deploy(Service(name="s", repo=""), "a", "k") == NOTHING_TO_DEPLOY
    assert deployer.shipment("k") is None


@pytest.mark.parametrize(
    ("script", "told"),
    [("echo oops password=hunter22 >&2; exit 3", "exited with 3.*oops password="), ("sleep 60", "stopped .timeout"),
     ("yes", "stopped .output")],
)  # fmt: skip
def test_failures_tell_the_end_of_the_output_and_can_be_tried_again(
    deployer: CommandDeployer, script: str, told: str
) -> None:
    with pytest.raises(EnvironmentBroke, match=told) as broke:
        deployer.deploy(_service(script, deploy_timeout_s=1.0 if "sleep" in script else 60.0), "a", "k")
    assert "hunter22" not in str(broke.value)
    assert deployer.shipment("k").state == "failed"
    assert deployer.deploy(_service("echo $NIGHTSHIFT_ATTEMPT"), "a", "k") == "2"


def test_a_missing_program_breaks(deployer: CommandDeployer) -> None:
    with pytest.raises(EnvironmentBroke, match="can't be run"):
        deployer.deploy(Service(name="s", repo="", deploy=("/no/such",)), "a", "k")


def test_a_server_left_in_the_background_lives_on(deployer: CommandDeployer, tmp_path: Path) -> None:
    deployer.deploy(_service(f"sleep 60 & echo $! > {tmp_path}/pid; echo up"), "a", "k")
    pid = int((tmp_path / "pid").read_text())
    assert b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
    os.kill(pid, signal.SIGKILL)


CHILD = """
import sys
from pathlib import Path
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.deployers.command import CommandDeployer
from nightshift.daemon.model import Service
state, script = sys.argv[1:]
service = Service(name="shop", repo="", deploy=("sh", "-c", script))
print(CommandDeployer(Path(state), SystemClock()).deploy(service, "a", "k"))
"""


def test_killed_while_it_ran_it_runs_again_but_never_beside_itself(deployer: CommandDeployer, tmp_path: Path) -> None:
    script = f"""mkdir {tmp_path}/running || exit 9; echo $NIGHTSHIFT_ATTEMPT >> {tmp_path}/began
                 sleep 0.7; rmdir {tmp_path}/running; echo $NIGHTSHIFT_ATTEMPT >> {tmp_path}/ended"""
    child = spawn([sys.executable, "-c", CHILD, str(deployer.state_dir), script])
    while not (tmp_path / "began").exists():
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert deployer.shipment("k").state == "started"
    deployer.deploy(_service(script), "a", "k")
    assert (tmp_path / "began").read_text() == (tmp_path / "ended").read_text() == "1\n2\n"
    assert deployer.shipment("k").attempt == 2


def test_a_leftover_record_of_another_process_is_not_waited_for(deployer: CommandDeployer) -> None:
    deployer.deploy(_service("echo 1"), "a", "k")
    file = next(deployer.state_dir.glob("*.json"))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"state": "started", "pid": os.getpid(), "born": "1"}))
    assert deployer.deploy(_service("echo $NIGHTSHIFT_ATTEMPT"), "a", "k") == "2"
