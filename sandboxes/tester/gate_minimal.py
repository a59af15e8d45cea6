"""Gate 6: every hunk is needed. Those without which everything stays green are dropped from the patch.

The negative control, red without the patch, is the reproduction itself: it was red twice on base.
"""

from __future__ import annotations

from nightshift.daemon.model import Judgement
from nightshift.sandboxes.harness import TestRun
from nightshift.sandboxes.tester import gate_constructs, gate_policy
from nightshift.sandboxes.tester.hunks import Hunk, hunks_of, tree_with
from nightshift.sandboxes.tester.objections import harm, not_green
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept

_MOST = 12


def judge(trial: Trial) -> Ruling:
    """See the module; `trial.patch` may be smaller afterwards."""
    if trial.patch.kind == "revert":
        return accept("a revert is taken whole; red without it was shown on base")
    hunks = hunks_of(trial)
    if len(hunks) < 2:
        return accept("one hunk; red without it was shown on base")
    if len(hunks) > _MOST:
        return accept(f"{len(hunks)} hunks, too many to leave out one by one; red without them was shown on base")
    needed = _needed(trial, hunks)
    if len(needed) == len(hunks):
        return accept(f"{len(hunks)} hunks, each of them needed")
    smaller = trial.shrunk(tree_with(trial, needed))
    if any(gate.judge(smaller).judgement is not Judgement.ACCEPTED for gate in (gate_policy, gate_constructs)):
        return accept("smaller patches are not allowed; kept whole")
    trial.become(smaller)
    return accept(f"{len(hunks) - len(needed)} of {len(hunks)} hunks were not needed and are dropped")


def _needed(trial: Trial, hunks: list[Hunk]) -> list[Hunk]:
    """Leave each hunk out on its own, side by side; then drop the spare ones one after the other."""
    runs = {hunk: trial.run_on(tree_with(trial, [h for h in hunks if h != hunk])) for hunk in hunks}
    spare = [hunk for hunk, run in runs.items() if _fine(trial, run.result())]
    kept, dropped_one = list(hunks), False
    for hunk in spare:
        rest = [h for h in kept if h != hunk]
        if rest and (not dropped_one or _fine(trial, trial.run_on(tree_with(trial, rest)).result())):
            kept, dropped_one = rest, True
    return kept


def _fine(trial: Trial, run: TestRun) -> bool:
    return not not_green(trial, run) and not harm(trial, run)
