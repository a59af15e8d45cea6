"""Last gate: the final patch once more, in a fresh sandbox that no other run has touched."""

from __future__ import annotations

from nightshift.sandboxes.tester.objections import harm, not_green
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject


def judge(trial: Trial) -> Ruling:
    """See the module."""
    run = trial.start("second" if trial.is_pytest else "third").result()
    reason = not_green(trial, run) or harm(trial, run)
    return reject(f"not confirmed in a fresh sandbox: {reason}") if reason else accept("confirmed in a fresh sandbox")
