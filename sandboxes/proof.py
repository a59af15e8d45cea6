"""What a run proves about a reproduction: red, green, or nothing."""

from __future__ import annotations

from collections.abc import Collection

from nightshift.daemon.model import Reproduction, TestStatus
from nightshift.sandboxes.harness import TestRun

COLLECTION = "(collection)"
"""Stands for a suite that could not be collected at all."""
FLAKY = "flaky"
"""A baseline status: the test did not do the same twice on base."""
_RED = (TestStatus.FAILED, TestStatus.ERROR)
_NOT_RUNNABLE = (126, 127)


def is_red(made: Reproduction, run: TestRun) -> bool | None:
    """Whether a run shows the reproduction's failure; None when it shows neither failure nor health."""
    if not run.pytest:
        if run.ended != "exited" or run.code in _NOT_RUNNABLE:
            return None
        return run.code != 0
    if any(run.statuses.get(test) in _RED for test in made.failing):
        return True
    return False if not unhealed(made, run) else None


def unhealed(made: Reproduction, run: TestRun, of: Collection[str] = ()) -> tuple[str, ...]:
    """Those of the failing ids (or of the ones asked for) that a pytest run does not show as passed."""
    return tuple(test for test in of or made.failing if not _healed(test, run))


def _healed(test: str, run: TestRun) -> bool:
    if test in run.statuses:
        return run.statuses[test] == TestStatus.PASSED
    if test == COLLECTION:
        return run.green
    inside = [status for name, status in run.statuses.items() if name.startswith(f"{test}::")]
    return test in run.collected and bool(inside) and not any(status in _RED for status in inside)
