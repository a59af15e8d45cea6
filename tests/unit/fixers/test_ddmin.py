"""Delta debugging as a pure function: nothing that is kept could be left out, in a bounded number of questions."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from nightshift.fixers.ddmin import smallest
from nightshift.fixers.probes import Spent


class Oracle:
    def __init__(self, needed: set[int], most: int = 10**6) -> None:
        self.needed, self.asked, self.most = needed, 0, most

    def __call__(self, subsets: Sequence[Sequence[int]]) -> int | None:
        for at, subset in enumerate(subsets):
            self.asked += 1
            if self.asked > self.most:
                raise Spent
            if self.needed <= set(subset):
                return at
        return None


@given(st.integers(1, 60), st.data())
def test_exactly_what_is_needed_stays_in_order(size: int, data: st.DataObject) -> None:
    needed = data.draw(st.sets(st.integers(0, size - 1), min_size=1))
    assert smallest(range(size), Oracle(needed)) == sorted(needed)


def test_one_of_many_is_found_in_logarithmic_questions() -> None:
    oracle = Oracle({77})
    assert smallest(range(128), oracle) == [77]
    assert oracle.asked <= 14


def test_when_the_budget_is_spent_the_smallest_known_is_given() -> None:
    found = smallest(range(64), Oracle({3, 60}, most=5))
    assert {3, 60} <= set(found) and len(found) <= 64
