"""The statistics: known values, the promised error rate on data nobody tuned them for, and what no data means."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.missions.comparison import compared, quieted, shifted, spoken

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=30)


def test_the_interval_of_a_textbook_example() -> None:
    """Hollander and Wolfe, example 4.1 (permeability of membranes): the shift is 0.305, the exact interval (−0.15, 0.76)
    from the 9th difference on; the normal approximation, rounded down, takes the 8th and is a little wider."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    shift, low, high = shifted(early, term)
    assert shift == pytest.approx(0.305)
    assert (low, high) == (pytest.approx(-0.17), pytest.approx(0.76))


@given(VALUES, VALUES)
def test_the_interval_holds_the_shift_and_turns_around(before: list[float], after: list[float]) -> None:
    shift, low, high = shifted(before, after)
    assert low <= shift <= high
    back, least, most = shifted(after, before)
    assert (back, least, most) == pytest.approx((-shift, -high, -low))


@given(VALUES, VALUES)
def test_an_overlap_only_widens(before: list[float], after: list[float]) -> None:
    _, low, high = shifted(before, after)
    _, lower, higher = shifted(before, after, overlap=4)
    assert lower <= low and higher >= high


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Two samples of one skewed distribution: 'worse' without tolerance in at most 2.5 % (one side of 95 %)."""
    chance = random.Random(7)
    draw = lambda n: [chance.lognormvariate(0, 1) for _ in range(n)]  # noqa: E731
    alarms = sum(compared("x", draw(60), draw(15), tolerance=0.0).verdict == "worse" for _ in range(2000))
    assert alarms / 2000 < 0.035


def test_a_real_change_is_found() -> None:
    chance = random.Random(7)
    draw = lambda n, by: [chance.lognormvariate(0, 0.3) * by for _ in range(n)]  # noqa: E731
    found = [compared("x", draw(60, 1), draw(20, 1.6), tolerance=0.1).verdict for _ in range(200)]
    assert found.count("worse") >= 190


@pytest.mark.parametrize(
    ("before", "after"),
    [([], []), ([1.0] * 100, []), ([], [1.0] * 100), ([1.0] * 4, [1.0] * 100), ([math.nan] * 9, [1.0] * 9),
     ([1.0] * 9, [math.inf] * 9)],
)  # fmt: skip
def test_too_little_is_no_data(before: list[float], after: list[float]) -> None:
    assert compared("x", before, after, tolerance=10.0).verdict == "no data"


def test_steady_metrics() -> None:
    assert compared("restarts", [0.0] * 20, [0.0] * 9, tolerance=0.0, floor=0.5).verdict == "no worse"
    assert compared("restarts", [0.0] * 20, [1.0] * 9, tolerance=0.0, floor=0.5).verdict == "worse"
    assert compared("x", [2.0] * 20, [2.1] * 9, tolerance=0.1).verdict == "no worse"
    assert compared("x", [2.0] * 20, [2.3] * 9, tolerance=0.1).verdict == "worse"
    assert compared("x", [-2.0] * 20, [-1.7] * 9, tolerance=0.1).verdict == "worse"


def test_how_sure_it_is_that_something_became_rarer() -> None:
    often = quieted("occurrences", 60, 1800, 0, 60)
    assert often.confidence == pytest.approx(1 - (1800 / 1860) ** 60, rel=1e-6)
    assert quieted("occurrences", 1, 1800, 0, 60).confidence < 0.05
    assert quieted("occurrences", 1000, 1800, 0, 60).confidence > 0.999999
    assert quieted("occurrences", 0, 1800, 0, 60).confidence == 0.0
    assert quieted("occurrences", 1, 1800, 5, 60).verdict == "worse"
    assert quieted("occurrences", 1, 0, 0, 60).verdict == "no data"
    many = quieted("occurrences", 30_000, 1800, 900, 60)
    assert many.confidence == pytest.approx(quieted("occurrences", 3000, 1800, 90, 60).confidence, abs=0.3)


@given(st.integers(0, 200), st.integers(0, 20))
def test_rarer_is_a_probability(before: int, after: int) -> None:
    assert -1e-9 <= quieted("o", before, 600, after, 60).confidence <= 1 + 1e-9


def test_figures_in_words() -> None:
    assert spoken(quieted("occurrences", 60, 1800, 0, 60).as_json()) == (
        "occurrences: 2/min → 0/min (−100 %, 86.0% sure that it is rarer; no worse)"
    )
    assert spoken(compared("memory", [1.0], [], tolerance=0, unit="B").as_json()) == "memory: 1 B → ? (no data)"
