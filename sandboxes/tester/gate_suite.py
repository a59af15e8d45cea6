"""Gate 5: nothing else was harmed: no test lost, none newly failing, none newly skipped."""

from __future__ import annotations

from nightshift.sandboxes.tester.objections import harm
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject


def judge(trial: Trial) -> Ruling:
    """See the module."""
    if not trial.is_pytest:
        return accept("the check reports no single tests; its exit code is all the evidence there is")
    reason = harm(trial, trial.start("first").result())
    if reason:
        trial.drop_runs()
        return reject(reason)
    return accept(f"{len(trial.made.baseline)} test(s) of base are still there, none of them worse")
