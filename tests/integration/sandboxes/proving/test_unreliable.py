"""Tests that can't be relied on are found by repetition and by order, and set aside; and a verdict needs its control."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightshift.daemon.model import Case, Judgement, Patch
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester import GateTester

pytestmark = pytest.mark.engine

CODE = "seen = []\n\n\ndef total(numbers):\n    return sum(numbers) - 1\n"
RIGHT = CODE.replace(" - 1", "")
RED = "from code_ import seen, total\n\ndef test_red():\n    assert total([1, 2]) == 3\n"


def quiet(line: str) -> None:
    """Progress nobody reads."""


@pytest.fixture(scope="module")
def tester(sandboxes):
    return GateTester(sandboxes, timeout_s=60)


@pytest.fixture
def red(sandboxes, history):
    def make(tests: str, code: str = CODE) -> Case:
        history.commit({"code_.py": code, "test_code.py": tests})
        case = history.case("python -m pytest -q")
        made = SandboxReproducer(sandboxes, timeout_s=60).reproduce(case, quiet)
        assert made.kind == "check", made.reason
        return replace(case, reproduction=made)

    return make


def patch(history, code: str) -> Patch:
    return Patch(id="p", base=history.head, diff=history.diff({"code_.py": code}), files=("code_.py",), fixer="x",
                 rationale="")  # fmt: skip


LATER = "\ndef test_writes():\n    seen.append(1)\n\ndef test_reads():\n    assert seen\n"


def test_a_test_that_needs_its_neighbours_is_set_aside_and_told(tester, red, history) -> None:
    verdict = tester.judge(red(RED + LATER), patch(history, RIGHT), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    assert verdict.quarantined == ("test_code.py::test_reads",)
    assert "usual order" in verdict.gates[-1].reason
    assert "depend on their order" in verdict.gates[-1].reason


def test_a_patch_whose_tests_pass_in_one_order_only_is_rejected(tester, red, history) -> None:
    tests = RED + "\ndef test_other():\n    assert total([5]) < 9\n"
    leaky = (
        "seen = []\n\n\ndef total(numbers):\n    seen.append(1)\n"
        "    return sum(numbers) + 100 * (numbers == [5] and len(seen) < 2)\n"
    )
    verdict = tester.judge(red(tests), patch(history, leaky), quiet)
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "confirmation"), verdict
    assert "newly failing: test_code.py::test_other" in verdict.reason
    assert verdict.quarantined == ()


def test_a_fix_whose_test_fails_on_its_own_as_before_is_rejected(tester, red, history) -> None:
    tests = (
        "from code_ import total\n\ndef test_first():\n    total([0])\n\ndef test_red():\n    assert total([1]) == 1\n"
    )
    warmed = "seen = []\n\n\ndef total(numbers):\n    seen.append(1)\n    return sum(numbers) - (seen == [1])\n"
    verdict = tester.judge(red(tests), patch(history, warmed), quiet)
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "confirmation"), verdict
    assert "fails as it did without the patch" in verdict.reason


def test_a_fix_that_heals_only_after_another_test_is_rejected(tester, red, history) -> None:
    tests = (
        "from code_ import total\n\ndef test_first():\n    total([])\n\ndef test_red():\n    assert total([1]) == 1\n"
    )
    leaky = "seen = []\n\n\ndef total(numbers):\n    seen.append(1)\n    return sum(numbers) - (len(seen) > 4)\n"
    tests += "".join(f"\ndef test_later_{n}():\n    total([])\n" for n in range(6))
    verdict = tester.judge(red(tests), patch(history, leaky), quiet)
    assert verdict.judgement is Judgement.REJECTED, verdict


FLAKY = """
def test_now_and_then():
    import pathlib, time
    assert int(time.time() * 1000) % 3 != 0
"""


def test_a_test_that_fails_now_and_then_on_base_is_not_held_against_the_patch(tester, red, history) -> None:
    case = red(RED + FLAKY.replace("% 3 != 0", "% 3 < 5"))
    flaky = {**case.reproduction.baseline, "test_code.py::test_now_and_then": "passed"}
    case = replace(case, reproduction=replace(case.reproduction, baseline=flaky))
    history.commit({"code_.py": CODE, "test_code.py": RED + FLAKY.replace("% 3 != 0", "< 0")})
    unlucky = replace(case, base=history.head)  # the second commit's test fails always: the first pair was lucky
    verdict = tester.judge(unlucky, patch(history, RIGHT), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    assert verdict.quarantined == ("test_code.py::test_now_and_then",)
    assert "1 flaky on base" in next(g.reason for g in verdict.gates if g.gate == "suite")


def test_what_was_flaky_at_the_reproduction_is_told(tester, red, history) -> None:
    case = red(RED + LATER.replace("assert seen", "pass"))
    baseline = {**case.reproduction.baseline, "test_code.py::test_reads": "flaky"}
    case = replace(case, reproduction=replace(case.reproduction, baseline=baseline))
    assert tester.judge(case, patch(history, RIGHT), quiet).quarantined == ("test_code.py::test_reads",)


def test_a_verdict_needs_a_check_that_is_red_without_the_patch(tester, red, history) -> None:
    case = red(RED)
    history.commit({"code_.py": RIGHT, "test_code.py": RED})
    green = replace(case, base=history.head)  # as if the reproduction had been wrong
    verdict = tester.judge(green, patch(history, RIGHT + "\n\nSPARE = 1\n"), quiet)
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "minimal"), verdict
    assert "green without the patch" in verdict.reason


def test_many_hunks_are_left_out_in_groups(tester, red, history) -> None:
    spare = "".join(f"A{n} = {n}\n\nB{n} = {n}\n" for n in range(20))
    case = red(RED, CODE + spare)
    patched = (RIGHT + spare).replace("A", "C")
    verdict = tester.judge(case, patch(history, patched), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    assert "hunks were not needed and are dropped" in next(g.reason for g in verdict.gates if g.gate == "minimal")
    assert "C19" not in verdict.patch.diff
