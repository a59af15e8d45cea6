"""Gate 6: the negative controls. The check is red without the patch, in the tester's own sandbox, and red with each
hunk left out; hunks without which everything stays green are dropped from the patch.

Many hunks are left out in groups: a group that is not needed goes as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.daemon.model import Judgement
from nightshift.sandboxes.harness import TestRun
from nightshift.sandboxes.tester import gate_constructs, gate_policy
from nightshift.sandboxes.tester.hunks import Hunk, hunks_of, tree_with
from nightshift.sandboxes.tester.objections import harm, not_green
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject

_MOST = 12
_WHOLE = ("revert", "dependency", "configuration")
"""Kinds whose lines mean something only together: a commit's undoing, a pin and its digests, a file's mode."""

Group = tuple[Hunk, ...]


def judge(trial: Trial) -> Ruling:
    """See the module; `trial.patch` may be smaller afterwards."""
    if not trial.on_base.is_red():
        return reject("the check is green without the patch as well, so the patch proves nothing")
    if trial.patch.kind in _WHOLE:
        return accept("red without it; history is restored whole")
    groups = _groups(hunks_of(trial))
    if len(groups) < 2:
        return accept("red without its only hunk")
    needed = _needed(trial, groups)
    if len(needed) == len(groups):
        return accept(f"red without {_each(groups)}")
    smaller = trial.shrunk(tree_with(trial, _flat(needed)))
    if any(gate.judge(smaller).judgement is not Judgement.ACCEPTED for gate in (gate_policy, gate_constructs)):
        return accept("red without it; smaller patches are not allowed, kept whole")
    total, kept = len(_flat(groups)), len(_flat(needed))
    trial.become(smaller)
    return accept(f"{total - kept} of {total} hunks were not needed and are dropped")


def _groups(hunks: Sequence[Hunk]) -> list[Group]:
    """At most `_MOST` groups of neighbours, of one hunk each where that is enough."""
    size = -(-len(hunks) // _MOST) or 1
    return [tuple(hunks[at : at + size]) for at in range(0, len(hunks), size)]


def _each(groups: Sequence[Group]) -> str:
    hunks = _flat(groups)
    single = len(hunks) == len(groups)
    return f"each of its {len(hunks)} hunks" if single else f"each of {len(groups)} groups of its {len(hunks)} hunks"


def _flat(groups: Sequence[Group]) -> list[Hunk]:
    return [hunk for group in groups for hunk in group]


def _needed(trial: Trial, groups: list[Group]) -> list[Group]:
    """Leave each group out on its own, side by side; then drop the spare ones one after the other."""
    runs = {g: trial.run_on(tree_with(trial, _flat([other for other in groups if other != g]))) for g in groups}
    spare = [group for group, run in runs.items() if _fine(trial, run.result())]
    kept, dropped_one = list(groups), False
    for group in spare:
        rest = [other for other in kept if other != group]
        if rest and (not dropped_one or _fine(trial, trial.run_on(tree_with(trial, _flat(rest))).result())):
            kept, dropped_one = rest, True
    return kept


def _fine(trial: Trial, run: TestRun) -> bool:
    return not not_green(trial, run) and not harm(trial, run)
