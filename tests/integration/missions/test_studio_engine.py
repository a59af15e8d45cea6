"""Creators that nobody waits for any more are stopped in real sandboxes, which are then gone."""

import subprocess
import threading
import time
from pathlib import Path

import pytest
from support.scenario import RED, commit

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.studio import Grant, Studio
from nightshift.daemon.model import Case, Patch
from nightshift.sandboxes.all_sandboxes import ENGINES, Settings
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.reproduce import SandboxReproducer

MARK = "31.4159"
PATIENCE_S = 60.0


class Quick:
    name = "quick"

    def draft(self, case, bench, budget, note):
        yield Patch(id="q", base=case.base, diff="d", files=("a",), fixer="quick", rationale="r")


class Slow:
    name = "slow"

    def __init__(self) -> None:
        self.began, self.ended = threading.Event(), threading.Event()

    def draft(self, case, bench, budget, note):
        try:
            with bench.open() as box:
                box.run(["sh", "-c", "echo on"], timeout_s=60)
                self.began.set()
                box.run(["sleep", f"600{MARK}"], timeout_s=700)
            bench.open()
        finally:
            self.ended.set()
        yield Patch(id="s", base=case.base, diff="d", files=("a",), fixer="slow", rationale="r")


@pytest.mark.parametrize(
    "name", [pytest.param("docker", marks=pytest.mark.engine), pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)]
)
def test_a_stopped_creator_ends_and_leaves_no_sandbox(tmp_path: Path, name):
    engine = BubblewrapSandboxes(base=str(tmp_path)) if name == "bubblewrap" else ENGINES[name](Settings())
    repo = BareRepo.ensure(tmp_path / "r.git")
    case = Case(id="m", repo=repo.path, base=commit(repo, {"a": b"1\n"}, "first"), reproduction=RED)
    studio, slow = Studio(SandboxReproducer(engine)), Slow()
    try:
        drafts = studio.drafts("m", "t", case, [Quick(), slow], Grant(seconds=600, cores=2), lambda _: None)
        assert [p.id for p in drafts.patches] == ["q"]
        assert slow.began.wait(PATIENCE_S)
        studio.stop("m", rest_s=PATIENCE_S)
        assert slow.ended.is_set()
        deadline = time.monotonic() + PATIENCE_S
        while MARK in subprocess.run(["ps", "axo", "args"], capture_output=True, text=True, check=True).stdout:
            assert time.monotonic() < deadline, "what it ran is still running"
            time.sleep(0.1)
    finally:
        engine.close()
