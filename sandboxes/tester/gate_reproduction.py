"""Gate 4: what was red is green, more than once: twice in one session, and for plain checks in two sandboxes."""

from __future__ import annotations

from nightshift.sandboxes.tester import gate_critic
from nightshift.sandboxes.tester.objections import not_green
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject


def judge(trial: Trial) -> Ruling:
    """Starts the run of the confirmation gate and the critic's as well: they share nothing with this one and a core
    may be idle."""
    first, second = trial.start("first"), trial.start("second", backwards=trial.is_pytest)
    trial.on_base.begin_control()
    trial.beside(gate_critic.compared)
    runs = [first.result()]
    if not trial.is_pytest:
        runs.append(second.result())
    reason = next((why for why in (not_green(trial, run) for run in runs) if why), "")
    if reason:
        trial.drop_runs()
        return reject(reason)
    tests = trial.made.failing
    return accept(f"{len(tests)} failing test(s) pass, repeated" if tests else "the check passes, repeated")
