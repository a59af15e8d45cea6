"""The way to the engine fails at every single request, in every way: nothing is ever inferred from that.

The engine itself goes on; a relay before it cuts connections (before a request is sent, or after, so that its answer is
lost), answers 500 and 503, or containers are killed as a restarting engine kills them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.relay import Relay

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.model import Case, Judgement, Patch, Reproduction
from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes import profile
from nightshift.sandboxes.all_sandboxes import connect_docker
from nightshift.sandboxes.docker import DockerSandboxes
from nightshift.sandboxes.owner import this_owner
from nightshift.sandboxes.tester import GateTester

pytestmark = pytest.mark.engine

SPEC = SandboxSpec(memory_mb=128, work_mb=16, lifetime_s=60)
MODES = ("before", "after", "500", "503")


class Nth:
    """A fault at one request, counted from 0, and none at any other."""

    def __init__(self, number: int, mode: str) -> None:
        self.number, self.mode, self.count, self.hit = number, mode, -1, ""

    def __call__(self, line: str) -> str:
        self.count += 1
        if self.count != self.number:
            return ""
        self.hit = line
        return self.mode


@pytest.fixture(scope="module")
def direct() -> Iterator[object]:
    api = connect_docker()
    yield api
    api.close()


@pytest.fixture
def relay(direct: object) -> Iterator[Relay]:
    made = Relay(direct._custom_adapter.socket_path)  # type: ignore[attr-defined]
    yield made
    made.close()


def _ours(api: object) -> set[str]:
    rows = api.containers(all=True, filters={"label": f"{profile.OWNER}={this_owner()}"})  # type: ignore[attr-defined]
    return {row["Id"] for row in rows}


def _life(relay: Relay) -> list[object]:
    """Everything one sandbox is used for, and what came of it."""
    made = DockerSandboxes(lambda: connect_docker(relay.url), shares_files=True)
    try:
        with made.open(SPEC) as box:
            box.put(tar_of({"a": "A"}))
            green, red = box.run(["sh", "-c", "exit 0"], timeout_s=20), box.run(["sh", "-c", "exit 3"], timeout_s=20)
            return [green.code, green.ended, red.code, red.ended, dict(box.get(["/sandbox/a"]))]
    finally:
        made.close()


WHOLE: list[object] = [0, "exited", 3, "exited", {"/sandbox/a": b"A"}]


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_at_any_request_breaks_the_environment_or_nothing(relay: Relay, direct: object, mode: str) -> None:
    before = _ours(direct)
    assert _life(relay) == WHOLE
    count, outcomes = len(relay.requests), []
    assert count > 12
    for number in range(count):
        relay.fault = fault = Nth(number, mode)
        try:
            outcomes.append(_life(relay))
            assert outcomes[-1] == WHOLE or "killed" in outcomes[-1], (number, fault.hit, outcomes[-1])
        except EnvironmentBroke:
            outcomes.append([])
        relay.fault = Nth(-1, "")
        for left in _ours(direct) - before:  # an engine that can't be reached keeps it until its deadline
            assert direct.inspect_container(left)["State"]["Status"] in ("running", "created"), fault.hit  # type: ignore[attr-defined]
            direct.remove_container(left, force=True)  # type: ignore[attr-defined]
    assert [] in outcomes
    assert _life(relay) == WHOLE


def test_an_answer_that_is_lost_leaves_no_container(relay: Relay, direct: object) -> None:
    made = DockerSandboxes(lambda: connect_docker(relay.url), shares_files=True)
    before = _ours(direct)
    for word in ("/containers/create", "/start "):
        relay.fault = lambda line, word=word: "after" if word in line else ""
        with pytest.raises(EnvironmentBroke):
            made.open(SPEC)
        assert _ours(direct) == before
    made.close()


BAD, GOOD = "def half(n):\n    return n\n", "def half(n):\n    return n // 2\n"
TEST = "from half import half\n\ndef test_half():\n    assert half(4) == 2\n"


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Case, Patch, Patch]:
    """A case with a patch that heals and one that does not."""
    repo = BareRepo.ensure(tmp_path / "r.git")
    root = repo.commit(repo.out("mktree").decode().strip(), [], "e", at_s=1)
    base = repo.commit(
        repo.with_files(root, {"half.py": BAD.encode(), "test_half.py": TEST.encode()}), [root], "f", at_s=2
    )
    red = Reproduction(kind="check", command="python -m pytest -q", failing=("test_half.py::test_half",),
                       baseline={"test_half.py::test_half": "failed"})  # fmt: skip
    case = Case(id="c", repo=repo.path, base=base, check=red.command, reproduction=red)

    def patch(text: str) -> Patch:
        diff = repo.diff(base, repo.with_files(base, {"half.py": text.encode()}))
        return Patch(id=text[-4:], base=base, diff=diff, files=("half.py",), fixer="t", rationale="")

    return case, patch(GOOD), patch(BAD.replace("return n", "return n + 1"))


def _verdicts(sandboxes: DockerSandboxes, judged: tuple[Case, Patch, Patch]) -> list[Judgement]:
    case, good, bad = judged
    tester = GateTester(sandboxes, timeout_s=60)
    return [tester.judge(case, patch, lambda _: None).judgement for patch in (good, bad)]


@pytest.mark.parametrize(("number", "mode"), [(9, "before"), (14, "after"), (22, "500")])
def test_no_verdict_is_inferred_from_a_fault(relay: Relay, judged, number: int, mode: str) -> None:
    made = DockerSandboxes(lambda: connect_docker(relay.url), shares_files=True)
    relay.fault = Nth(number, mode)
    first = _verdicts(made, judged)
    assert first[0] in (Judgement.ACCEPTED, Judgement.UNJUDGED)
    assert first[1] in (Judgement.REJECTED, Judgement.UNJUDGED)
    relay.fault = Nth(-1, "")
    assert _verdicts(made, judged) == [Judgement.ACCEPTED, Judgement.REJECTED]
    made.close()


def test_containers_that_a_restart_kills_are_tried_again(direct: object, judged) -> None:
    """The first container is killed in the middle of its run, as `exited 137`; then the engine is well again."""
    made = DockerSandboxes(connect_docker)
    before, done = _ours(direct), threading.Event()

    def kill() -> None:
        while not done.is_set():
            if new := _ours(direct) - before:
                time.sleep(0.4)
                direct.remove_container(new.pop(), force=True)  # type: ignore[attr-defined]
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    case, good, _ = judged
    verdict = GateTester(made, timeout_s=60).judge(case, good, lambda _: None)
    done.set()
    killer.join()
    assert verdict.judgement in (Judgement.ACCEPTED, Judgement.UNJUDGED), verdict
    assert GateTester(made, timeout_s=60).judge(case, good, lambda _: None).judgement is Judgement.ACCEPTED
    made.close()
