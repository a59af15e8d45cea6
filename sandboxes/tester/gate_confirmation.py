"""Last gate: the final patch once more, in a fresh sandbox that no other run has touched, the tests last one first.

What is red only in this order is compared with base in this order: a test that depends on its neighbours there goes
into quarantine, and the usual order is confirmed as well; anything else is the patch's doing.
"""

from __future__ import annotations

from nightshift.sandboxes.harness import TestRun
from nightshift.sandboxes.proof import unhealed
from nightshift.sandboxes.tester.objections import harm, newly_failing, not_green
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject


def judge(trial: Trial) -> Ruling:
    """See the module."""
    if not trial.is_pytest:
        return _confirmed(trial, trial.start("third").result(), "confirmed in a fresh sandbox")
    run = trial.start("second", backwards=True).result()
    if not not_green(trial, run) and not harm(trial, run):
        return accept("confirmed in a fresh sandbox, the tests in opposite order")
    if reason := _held_against(trial, run):
        trial.drop_runs()
        return reject(f"not confirmed in a fresh sandbox, the tests in opposite order: {reason}")
    many = f"; {len(trial.quarantined)} test(s) depend on their order on base too" if trial.quarantined else ""
    said = f"confirmed in a fresh sandbox in the usual order{many}"
    return _confirmed(trial, trial.start("third").result(), said)


def _held_against(trial: Trial, run: TestRun) -> str:
    """Why a run in opposite order speaks against the patch; '' when base is no better there."""
    if run.ended != "exited" or not run.finished:
        return not_green(trial, run) if trial.on_base.ends(backwards=True) or run.ended == "uncompiled" else ""
    if failing := newly_failing(trial, run):
        trial.quarantine(trial.on_base.unreliable(failing, backwards=True))
    if reason := harm(trial, run):
        return reason
    red = unhealed(trial.made, run)
    if not red:
        return not_green(trial, run)
    alone = trial.only(red).result()
    if not unhealed(trial.made, alone, red):
        return f"red only in this order: {', '.join(red[:3])}"
    same = trial.on_base.fails_as(alone, red)
    return f"alone, it fails as it did without the patch: {', '.join(same[:3])}" if same else ""


def _confirmed(trial: Trial, run: TestRun, said: str) -> Ruling:
    reason = not_green(trial, run) or harm(trial, run)
    return reject(f"not confirmed in a fresh sandbox: {reason}") if reason else accept(said)
