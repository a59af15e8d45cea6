"""Whatever is done with sandboxes, in whatever order, nothing of it stays: containers, volumes, images, folders,
processes, threads, descriptors."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.run import run
from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.ports import EnvironmentBroke, Sandbox, Sandboxes, SandboxSpec
from nightshift.sandboxes import profile
from nightshift.sandboxes.all_sandboxes import connect_docker
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.docker import DockerSandboxes
from nightshift.sandboxes.owner import this_owner

SPECS = (SandboxSpec(memory_mb=96, work_mb=16, lifetime_s=120), SandboxSpec(memory_mb=128, work_mb=16, lifetime_s=120))
CRASH = """
import os, sys
from nightshift.daemon.ports import SandboxSpec
from nightshift.sandboxes.all_sandboxes import ENGINES, Settings
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.owner import this_owner
made = ENGINES["docker"](Settings()) if sys.argv[1] == "docker" else BubblewrapSandboxes(base=sys.argv[2])
box = made.open(SandboxSpec(memory_mb=96, lifetime_s=120))
made.prewarm(SandboxSpec(memory_mb=96, lifetime_s=120), 1)
box.run(["true"], timeout_s=20)
print(this_owner(), flush=True)
os.kill(os.getpid(), 9)
"""
STEPS = st.one_of(
    st.tuples(st.just("open"), st.integers(0, 1)),
    st.tuples(st.sampled_from(["put", "run", "flood", "late", "suicide", "kill", "get", "close"]), st.integers(0, 3)),
    st.tuples(st.sampled_from(["prewarm", "crash", "reap"]), st.integers(0, 1)),
)


class World:
    """What there is on this machine of one engine's doing."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.crashed: list[str] = []
        self.api = connect_docker() if kind == "docker" else None

    def engine(self) -> Sandboxes:
        """A new engine, as a daemon has it."""
        return DockerSandboxes(connect_docker) if self.api else BubblewrapSandboxes(base=str(self.folder))

    def left(self) -> dict[str, object]:
        """Everything that could be left behind by this process, or by one that is dead."""
        gc.collect()  # exceptions that were caught hold on to connections in cycles
        fds = len(os.listdir("/proc/self/fd"))
        threads = sorted(each.name for each in threading.enumerate() if each.name.startswith(("sandbox", "project")))
        found = {"fds": fds, "threads": threads, "children": _children(), "folders": sorted(os.listdir(self.folder))}
        if self.api:
            rows = self.api.containers(all=True, filters={"label": profile.OWNER})
            mine = [row["Id"] for row in rows if row["Labels"][profile.OWNER] in (this_owner(), *self.crashed)]
            images = {tag for each in self.api.images() for tag in each.get("RepoTags") or [each["Id"]]
                      if "project" not in tag}  # fmt: skip
            found |= {"containers": mine, "volumes": len(self.api.volumes()["Volumes"] or []), "images": images}
        return found


def _children() -> list[str]:
    mine = f"/proc/self/task/{threading.get_native_id()}/children"
    return Path(mine).read_text().split()


@pytest.fixture(scope="module", params=[pytest.param("docker", marks=pytest.mark.engine),
                                        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)])  # fmt: skip
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(request.param, tmp_path_factory.mktemp("private"))
    engine = made.engine()
    if not engine.probe().ok and request.param == "bubblewrap":
        pytest.skip("bubblewrap does not work here")
    for spec in SPECS:  # so that its images are there before anything is counted
        engine.open(spec).close()
    engine.reap()
    engine.close()
    made.left()  # opens what the looking itself needs
    return made


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, min_size=2, max_size=9))
def test_nothing_is_left(world: World, steps: list[tuple[str, int]]) -> None:
    before = world.left()
    engine, boxes = world.engine(), list[Sandbox]()
    try:
        for step, number in steps:
            _do(world, engine, boxes, step, number)
    finally:
        for box in boxes:
            box.close()
        engine.reap()
        engine.close()
    deadline = time.monotonic() + 20
    while (after := world.left()) != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert after == before


def _do(world: World, engine: Sandboxes, boxes: list[Sandbox], step: str, number: int) -> None:
    if step == "open":
        boxes.append(engine.open(SPECS[number]))
    elif step == "prewarm":
        engine.prewarm(SPECS[number], 2)
    elif step == "reap":
        engine.reap()
    elif step == "crash":
        died = run([sys.executable, "-c", CRASH, world.kind, str(world.folder)], timeout_s=60)
        assert died.code == -9, died.why()
        world.crashed.append(died.text().strip())
    elif boxes:
        with contextlib.suppress(EnvironmentBroke):  # closed or killed before
            _use(world, boxes[number % len(boxes)], step)


def _use(world: World, box: Sandbox, step: str) -> None:
    argv = {"run": ["sh", "-c", "sleep 30 & echo x > y"], "flood": ["sh", "-c", "yes"], "late": ["sleep", "30"],
            "suicide": ["sh", "-c", "kill -9 -1"]}  # fmt: skip
    if step == "put":
        box.put(tar_of({"a/b": "c"}))
    elif step == "get":
        box.get(["/sandbox/a/b"])
    elif step == "close":
        box.close()
    elif step == "kill":
        if world.api:
            run(["docker", "kill", getattr(box, "id", "")], timeout_s=30)
    else:
        box.run(argv[step], timeout_s=1 if step in ("late", "run") else 20)
