"""What speaks against a patch in one run of the check. Shared by every gate that looks at runs."""

from __future__ import annotations

from nightshift.daemon.model import TestStatus
from nightshift.sandboxes.caps import starved, told
from nightshift.sandboxes.harness import TestRun
from nightshift.sandboxes.proof import COLLECTION, FLAKY, unhealed
from nightshift.sandboxes.tester.constructs import same_class
from nightshift.sandboxes.tester.sources import parse
from nightshift.sandboxes.tester.trial import Trial

_BAD = (TestStatus.FAILED, TestStatus.ERROR)


def not_green(trial: Trial, run: TestRun) -> str:
    """Why the run does not show the reproduction green, or ''."""
    if run.ended == "uncompiled":
        path, line, message = run.syntax[0]
        return f"{path} does not compile with the check's Python: line {line}: {message}"
    if run.ended != "exited":
        return told(run)
    if not run.pytest:
        return f"the check still fails with exit code {run.code}" if run.code else ""
    if reason := _untrustworthy(trial, run):
        return reason
    left = unhealed(trial.made, run)
    return f"{starved(run, left)}still not passed: {', '.join(left[:3])}" if left else ""


def _untrustworthy(trial: Trial, run: TestRun) -> str:
    if run.forged:
        return f"the evidence contradicts itself: {run.forged[0]}"
    if run.nopytest:
        return f"pytest can't be imported any more: {run.nopytest}"
    if run.count is None or not run.finished:
        return f"pytest ended with {run.code} before it had collected the tests"
    for path, name in run.tampered:
        if path in trial.sources or path.startswith(("<", "?")):
            return f"{path} replaced {name} while the tests ran"
    for path, name in run.equal:
        before, after = trial.sources.get(path, (None, None))
        is_new = path in trial.sources and not same_class(parse(before), parse(after), name)
        if is_new or path.startswith(("<", "?")):
            return f"{path} makes objects of {name} that claim to equal anything"
    return ""


def harm(trial: Trial, run: TestRun) -> str:
    """What the run lost against base: tests gone, newly failing, newly skipped. '' = nothing."""
    if not run.pytest:
        return ""
    known = trial.made.baseline.items()
    baseline = {
        test: status for test, status in known if status != FLAKY and test not in (COLLECTION, *trial.quarantined)
    }
    lost = [test for test in baseline if not _still_there(trial, test, run)]
    if lost:
        return f"tests are gone: {', '.join(lost[:3])}"
    if failing := newly_failing(trial, run):
        return f"{starved(run, failing)}newly failing: {', '.join(failing[:3])}"
    passed = [test for test, status in baseline.items() if status == TestStatus.PASSED and test in run.statuses]
    skipped = [test for test in passed if run.statuses[test] == TestStatus.SKIPPED]
    if skipped:
        return f"newly skipped: {', '.join(skipped[:3])}"
    own = [test for test in run.bad if test not in baseline and test.partition("::")[0] in trial.sources]
    return f"the patch's own tests fail: {', '.join(own[:3])}" if own else ""


def newly_failing(trial: Trial, run: TestRun) -> list[str]:
    """Tests that passed on base, are not known to be unreliable, and fail in the run."""
    known = (test for test, status in trial.made.baseline.items() if status == TestStatus.PASSED)
    return [test for test in known if test not in trial.quarantined and run.statuses.get(test) in _BAD]


def _still_there(trial: Trial, test: str, run: TestRun) -> bool:
    if test in run.statuses or test in run.collected:
        return True
    return test.partition("::")[0] in trial.reverted_tests and test not in trial.made.failing
