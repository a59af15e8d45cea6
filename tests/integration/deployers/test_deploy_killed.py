"""Killed with -9 before and after every request that changes something, a deploy started again ends as if nothing had happened."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import run
from nightshift.daemon.model import dump

from .conftest import NEW, UNDONE, of


def zip_(params: list, least: int) -> list:
    return [pytest.param(*param.values, least, marks=param.marks) for param in params]


CHILD = """
import json, os, signal, sys
from pathlib import Path

import requests.adapters
import kubernetes.client.rest as rest

from nightshift.daemon.deployers.docker import DockerDeployer, Settings as Docker
from nightshift.daemon.deployers.kubernetes import KubernetesDeployer, Settings as Kubernetes
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import Service, load

task = json.loads(sys.argv[1])
left = task["kill_at"]

def trapped(real, method):
    def sent(*args, **more):
        global left
        if method(args) in ("GET", "HEAD"):
            return real(*args, **more)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(*args, **more)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return sent

requests.adapters.HTTPAdapter.send = trapped(requests.adapters.HTTPAdapter.send, lambda args: args[1].method)
rest.RESTClientObject.request = trapped(rest.RESTClientObject.request, lambda args: args[1])
kind = {"docker": (Docker, DockerDeployer), "kubernetes": (Kubernetes, KubernetesDeployer)}[task["settings"]["kind"]]
deployer = kind[1](kind[0](**task["settings"]), Path(task["state"]), SystemClock())
service = load(Service, task["service"])
if task["undo"]:
    print(deployer.undo(service, task["commit"], task["key"], of="m-1-fix"))
else:
    print(deployer.deploy(service, task["commit"], task["key"]))
print("requests", -left)
"""


def killed(world, kill_at: int, undo: bool) -> bool:
    """A process that is killed before (odd) or after (even) a request; False when it came to its end first."""
    task = {
        "settings": json.loads(world.settings().model_dump_json()), "state": str(world.folder / "state"),
        "service": dump(world.service), "kill_at": kill_at, "undo": undo, "commit": UNDONE if undo else NEW,
        "key": "m-1-rollback" if undo else "m-1-fix",
    }  # fmt: skip
    done = run([sys.executable, "-c", CHILD, json.dumps(task)], timeout_s=120)
    assert done.ok or done.code == -9, done.stderr.decode()[-2000:]
    return not done.ok


def forward(world) -> str:
    return world.deployer().deploy(world.service, NEW, "m-1-fix")


def back(world) -> str:
    return world.deployer().undo(world.service, UNDONE, "m-1-rollback", of="m-1-fix")


@pytest.mark.slow
@pytest.mark.parametrize(("world", "least"), [*zip_(of("docker"), 10), *zip_(of("kubernetes"), 4)], indirect=["world"])
def test_killed_at_any_request_a_deploy_doubles_nothing(world, least: int) -> None:
    """One world for all rounds: kill, finish, look, and go back to where it began."""
    world.service = replace(world.service, canary_s=0.01)
    rounds = 0
    while True:
        changes = world.changes()
        dead = killed(world, rounds + 1, undo=False)
        assert forward(world)
        assert (world.runs(), world.changes() - changes) == ("new", 1), rounds
        back(world)
        assert world.runs() == "old"
        for record in Path(world.folder / "state").glob("*.json"):
            record.unlink()
        if not dead:
            break
        rounds += 1
    assert rounds >= least
    assert not [name for name in world.extras() if "canary" in name]


@pytest.mark.slow
@pytest.mark.parametrize(("world", "least"), [*zip_(of("docker"), 4), *zip_(of("kubernetes"), 2)], indirect=["world"])
def test_killed_at_any_request_the_way_back_is_found(world, least: int) -> None:
    rounds, dead = 0, True
    while dead:
        forward(world)
        dead = killed(world, rounds + 1, undo=True)
        back(world)
        assert world.runs() == "old", rounds
        for record in Path(world.folder / "state").glob("*.json"):
            record.unlink()
        rounds += dead
    assert rounds >= least
