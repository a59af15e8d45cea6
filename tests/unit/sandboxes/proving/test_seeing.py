"""Reading two runs of one command on base."""

from __future__ import annotations

from nightshift.daemon.model import TestStatus
from nightshift.sandboxes.harness import TestRun
from nightshift.sandboxes.reproduce import _seen

RED, GREEN = TestStatus.FAILED, TestStatus.PASSED


def run(**statuses: TestStatus) -> TestRun:
    return TestRun(pytest=True, ended="exited", code=1, statuses=statuses, count=len(statuses), finished=True)


def seen(first: TestRun, second: TestRun):
    return _seen("pytest", (first, second), frozenset(), {})


def test_red_twice_is_red() -> None:
    found = seen(run(a=RED, b=GREEN), run(a=RED, b=GREEN))
    assert (found.bad, found.flaky, found.reason) == (("a",), (), "")


def test_red_once_and_green_on_repeat_is_flaky() -> None:
    found = seen(run(a=RED), run(a=GREEN))
    assert found.reason == "flaky: red once, green on repeat (a)"


def test_a_flaky_neighbour_is_marked_in_the_baseline() -> None:
    found = seen(run(a=RED, b=GREEN), run(a=RED, b=RED))
    assert found.bad == ("a",)
    assert found.baseline() == {"a": "failed", "b": "flaky"}


def test_plain_checks_may_be_flaky_too() -> None:
    codes = [TestRun(pytest=False, ended="exited", code=code) for code in (1, 0)]
    assert "flaky" in seen(*codes).reason
