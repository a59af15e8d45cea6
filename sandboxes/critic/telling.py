"""When nobody can tell whether the best patch is right, or which one is: said instead of guessing.

The best patch's behaviour is weighed against the behaviours of its rivals, each patch by the square of its score as a
share of the best one's; where too little of the weight answers as the best does, the tests leave it open. Rivals
that mostly answer one and the same where they differ (a guard that returns a constant) weigh nothing. And where the
tests hardly call what was changed, a search over thousands of edits finds one that passes by chance: an edit that was
unlikely from the start is not believed then. How the figures were found: docs/decisions/critic.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.daemon.model import Patch
from nightshift.sandboxes.critic.clusters import apart, usable
from nightshift.sandboxes.critic.examine import Examination
from nightshift.sandboxes.critic.inputs import PRODUCTION, TEST

SURE, SURE_TRIED, TRIED = 0.55, 0.42, 4
"""The least share; the second one where the tests make at least `TRIED` different calls: they leave less open."""
DULL, ENOUGH = 0.25, 8
CREDIBLE = 0.25
"""What a rival has to weigh for its answer to a recorded input to count: half of the best score."""
ELSEWHERE = 0.35
"""What a patch of another fixer weighs: scores of two fixers don't compare."""
SEARCHED = ("templates",)
"""Whose scores are likelihoods of one edit among thousands."""
LIKELY = {1: 0.33, 2: 0.33, 3: 0.1}
"""The least score, by how many different calls the tests make of what was changed."""
FEW, LIKELY_ENOUGH, SURE_FEW = 2, 0.72, 0.8
"""With so few calls a less likely edit also needs this share of the weight."""
UNPROMPTED = ("revert", "partial-revert")
"""What history says is right needs no rank among guesses."""


def untellable(found: Examination, numbers: Sequence[int], left: Sequence[int]) -> str:
    """Why the best patch of those `left` (places in the field, best first) can't be told from its rivals, or ''."""
    best = left[0] if left else 0
    if left and numbers[best] and (guessed := _guess(found, numbers, left)):
        return guessed
    rivals = [v for v in left[1:] if numbers[v] and numbers[v] != numbers[best]] if left and numbers[best] else []
    rivals = [v for v in rivals if apart(found, best, v)]
    if not rivals or found.field.versions[best].patch.kind in UNPROMPTED:
        return ""
    for rival in rivals:
        split = apart(found, best, rival)
        if _weight(found, numbers, best, rival) < CREDIBLE:
            continue
        if split and found.inputs[split[0]].source == PRODUCTION:
            return f"patches differ on what production recorded: {_differ(found, best, rival, split[0])}"
    sure = weight_of_best(found, numbers, left)
    if sure >= (SURE_TRIED if calls_tried(found) >= TRIED else SURE):
        return ""
    rival = max(rivals, key=lambda v: _weight(found, numbers, best, v))
    split = apart(found, best, rival)
    many = len({numbers[v] for v in left if numbers[v]})
    return (
        f"{many} behaviours pass the tests and none stands out ({sure:.0%} for the best ranked): "
        f"{_differ(found, best, rival, split[0])}"
    )


def calls_tried(found: Examination) -> int:
    """How many different calls the tests make of what was changed, as far as they could be recorded."""
    return len({each.key() for each in found.inputs if each.source == TEST})


def _guess(found: Examination, numbers: Sequence[int], left: Sequence[int]) -> str:
    """Why the best patch is no more than a guess that fits few tests, or ''."""
    patch, tried = found.field.versions[left[0]].patch, calls_tried(found)
    if patch.fixer not in SEARCHED or not tried:
        return ""
    sure = 1.0 if patch.score >= LIKELY_ENOUGH else weight_of_best(found, numbers, left)
    if patch.score >= LIKELY.get(tried, 0.0) and not (tried <= FEW and sure < SURE_FEW):
        return ""
    called = f"{tried} different call{'s' if tried > 1 else ''}"
    return (
        f"the tests make only {called} of what it changes, and it is no likely edit by itself{_asked(found, left[0])}"
    )


def _asked(found: Examination, best: int) -> str:
    """What a test should say, by an input on which the patch changes the answer."""
    base, mine = found.base.calls, found.answers[best].calls
    news = [n for n in usable(found) if n in mine and mine[n] != base[n] and found.inputs[n].source != TEST]
    if not news:
        return ""
    call, answer = found.inputs[news[0]].shown(), mine[news[0]].shown()
    return f": a test should say what is right for {call}, where it answers {answer}"


def weight_of_best(found: Examination, numbers: Sequence[int], left: Sequence[int]) -> float:
    """The share of weight whose behaviour is that of the best patch, 0 to 1."""
    weights = {v: _weight(found, numbers, left[0], v) for v in left if numbers[v]}
    same = sum(weight for v, weight in weights.items() if numbers[v] == numbers[left[0]])
    return same / (sum(weights.values()) or 1.0)


def _weight(found: Examination, numbers: Sequence[int], best: int, version: int) -> float:
    patches = [each.patch for each in found.field.versions]
    if numbers[version] != numbers[best] and _dull(found, best, version):
        return 0.0
    return _share(patches[best], patches[version]) ** 2


def _share(best: Patch, other: Patch) -> float:
    if other.fixer != best.fixer:
        return ELSEWHERE
    return min(1.0, max(other.score, 0.0) / best.score) if best.score > 0 else 1.0


def _dull(found: Examination, best: int, version: int) -> bool:
    """Whether a rival, where it differs, answers far fewer different things than the best patch does there."""
    split = apart(found, best, version)
    mine = {found.answers[best].calls[n] for n in split}
    other = {found.answers[version].calls[n] for n in split}
    return len(split) >= ENOUGH and len(other) < DULL * len(mine)


def _differ(found: Examination, best: int, rival: int, number: int) -> str:
    one, other = (found.answers[v].calls[number].shown() for v in (best, rival))
    return f"on {found.inputs[number].shown()} the best answers {one}, another {other}"
