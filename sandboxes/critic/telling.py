"""When nobody can tell which of the patches is right: said instead of guessing. Figures: docs/decisions/critic.md."""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.daemon.model import Patch
from nightshift.sandboxes.critic.clusters import apart
from nightshift.sandboxes.critic.examine import Examination
from nightshift.sandboxes.critic.inputs import PRODUCTION

CLOSE = 0.2
"""Scores this near to each other (as a share of the better one) rank two patches alike."""
UNPROMPTED = ("revert", "partial-revert")
"""What history says is right needs no rank among guesses."""


def untellable(found: Examination, numbers: Sequence[int], left: Sequence[int]) -> str:
    """Why the best patch of those `left` (places in the field, best first) can't be told from its rivals, or ''."""
    patches = [version.patch for version in found.field.versions]
    rivals = [v for v in left[1:] if numbers[v] and numbers[v] != numbers[left[0]]] if left else []
    if not rivals or patches[left[0]].kind in UNPROMPTED or not numbers[left[0]]:
        return ""
    best, rival = left[0], rivals[0]
    split = apart(found, best, rival)
    at = f"on {found.inputs[split[0]].shown()}: {_says(found, best, split[0])}, {_says(found, rival, split[0])}"
    if any(found.inputs[n].source == PRODUCTION for n in split):
        return f"the best two patches differ on what production recorded, {at}"
    if close(patches[best], patches[rival]):
        return f"two patches rank alike and differ, {at}"
    return ""


def close(one: Patch, other: Patch) -> bool:
    """Whether two patches of one fixer rank nearly alike."""
    return one.fixer == other.fixer and one.score > 0 and one.score - other.score < CLOSE * one.score


def _says(found: Examination, version: int, number: int) -> str:
    answer = found.answers[version].calls.get(number)
    return f"{found.field.versions[version].patch.id} answers {answer.shown() if answer else 'nothing'}"
