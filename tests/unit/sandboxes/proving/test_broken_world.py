"""A world that fails is never a verdict on a patch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightshift.daemon.model import Diagnosis, Health, Judgement
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester import GateTester
from nightshift.sandboxes.tester.all_gates import Gate

TREE = {"app.py": "x = 1\n", "test_a.py": "def test_a(): assert 0\n"}


class GoneEngine:
    """An engine that does not answer."""

    name = "gone"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def open(self, spec):
        raise self.error

    def prewarm(self, spec, count) -> None:
        """In the background, so it fails silently."""

    def probe(self) -> Health:
        return Health(ok=False, what="sandboxes", detail="gone")

    def reap(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


def patch(bare):
    bare.commit(TREE)
    return bare.patch(bare.diff_to({**TREE, "app.py": "x = 2\n"}))


@pytest.mark.parametrize("error", [EnvironmentBroke("the engine is gone"), OSError(28, "No space left on device")])
def test_an_engine_that_is_gone_is_unjudged(bare, error: Exception) -> None:
    change = patch(bare)
    verdict = GateTester(GoneEngine(error)).judge(bare.case(), change, print)
    assert (verdict.judgement, verdict.failed) == (Judgement.UNJUDGED, "reproduction")
    assert verdict.patch == change


def test_a_repository_that_is_gone_is_unjudged(bare, tmp_path) -> None:
    change = patch(bare)
    case = replace(bare.case(), repo=str(tmp_path / "nowhere"))
    verdict = GateTester(GoneEngine(EnvironmentBroke(""))).judge(case, change, print)
    assert verdict.judgement is not Judgement.ACCEPTED


def test_a_gate_with_a_fault_of_its_own_is_unjudged(bare) -> None:
    def broken(trial):
        raise ZeroDivisionError("ours")

    change = patch(bare)
    tester = GateTester(GoneEngine(EnvironmentBroke("")), gates=[Gate(name="odd", judge=broken)])
    verdict = tester.judge(bare.case(), change, print)
    assert (verdict.judgement, verdict.failed) == (Judgement.UNJUDGED, "odd")


def test_reproduction_says_that_the_environment_broke(bare, tmp_path) -> None:
    bare.commit(TREE)
    reproducer = SandboxReproducer(GoneEngine(EnvironmentBroke("the engine is gone")))
    with pytest.raises(EnvironmentBroke, match="gone"):
        reproducer.reproduce(replace(bare.case(), check="python -m pytest", diagnosis=Diagnosis()), print)
    with pytest.raises(EnvironmentBroke, match="can't be read"):
        reproducer.reproduce(replace(bare.case(), repo=str(tmp_path / "nowhere")), print)


def test_a_patch_is_rejected_before_any_engine_is_asked(bare) -> None:
    bare.commit(TREE)
    change = bare.patch(bare.diff_to({**TREE, "conftest.py": "x = 2\n"}))
    verdict = GateTester(GoneEngine(EnvironmentBroke(""))).judge(bare.case(), change, print)
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "policy")
