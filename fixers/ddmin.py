"""The smallest part of a change that matters: delta debugging, several subsets tried side by side.

Source: `ddmin` (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002), turned around: what is
looked for is a subset whose undoing turns the reproduction green.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from nightshift.fixers.probes import Spent

T = TypeVar("T")
FirstGreen = Callable[[Sequence[Sequence[T]]], int | None]
"""The index of the first of some subsets that turns it green, None when none does. May raise Spent."""


def smallest(whole: Sequence[T], first_green: FirstGreen[T]) -> list[T]:
    """A subset of `whole`, which is known to turn it green, none of whose members can be left out.

    Members that belong together should be neighbours. When the budget is spent, the smallest subset known by then.
    """
    found, parts = list(whole), 2
    while len(found) > 1:
        chunks = _cut(found, parts)
        rests = [[x for other in chunks if other is not chunk for x in other] for chunk in chunks]
        tried = chunks if len(chunks) == 2 else [*chunks, *rests]
        try:
            at = first_green(tried)
        except Spent:
            return found
        if at is not None:
            found, parts = tried[at], (2 if at < len(chunks) else max(parts - 1, 2))
        elif parts >= len(found):
            break
        else:
            parts = min(2 * parts, len(found))
    return found


def _cut(whole: Sequence[T], parts: int) -> list[list[T]]:
    """Into `parts` runs of neighbours, as even as can be."""
    edges = [round(n * len(whole) / parts) for n in range(parts + 1)]
    return [list(whole[a:b]) for a, b in pairwise(edges) if a < b]
