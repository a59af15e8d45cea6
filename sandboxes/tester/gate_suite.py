"""Gate 5: nothing else was harmed: no test lost, none newly failing, none newly skipped.

A test that fails with the patch is run on base again, several times: what fails there as well, now and then, is flaky.
It goes into quarantine: it is not held against the patch, and people are told.
"""

from __future__ import annotations

from nightshift.sandboxes.tester.objections import harm, newly_failing
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject


def judge(trial: Trial) -> Ruling:
    """See the module."""
    if not trial.is_pytest and not trial.made.baseline:
        return accept("the check reports no single tests; its exit code is all the evidence there is")
    run = trial.start("first").result()
    if failing := newly_failing(trial, run):
        trial.quarantine(trial.on_base.unreliable(failing, backwards=False))
    reason = harm(trial, run)
    if reason:
        trial.drop_runs()
        return reject(reason)
    set_aside = f"; {len(trial.quarantined)} flaky on base, in quarantine" if trial.quarantined else ""
    return accept(f"{len(trial.made.baseline)} test(s) of base are still there, none of them worse{set_aside}")
