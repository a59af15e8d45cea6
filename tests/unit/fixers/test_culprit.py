"""Bisection as a pure function: right, in few probes, whatever part of the history can't tell."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.fixers.culprit import find_culprits


def _line(length: int) -> list[str]:
    return [f"c{n}" for n in range(length)]


@given(st.integers(2, 3000), st.data())
def test_finds_the_commit_in_logarithmic_probes(length: int, data: st.DataObject) -> None:
    culprit, asked = data.draw(st.integers(0, length - 2)), []

    def red(commit: str) -> bool:
        asked.append(commit)
        return int(commit[1:]) <= culprit

    assert find_culprits(_line(length), red) == [f"c{culprit}"]
    assert len(asked) <= 2 * math.log2(length) + 2


@given(st.integers(2, 200), st.data())
def test_commits_that_cannot_tell_never_hide_the_culprit(length: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, length - 2))
    silent = data.draw(st.sets(st.integers(1, length - 1)))
    green = [n for n in range(culprit + 1, length) if n not in silent]

    def red(commit: str) -> bool | None:
        n = int(commit[1:])
        return None if n in silent else n <= culprit

    found = find_culprits(_line(length), red)
    if found:
        assert f"c{culprit}" in found
        assert all(int(c[1:]) in silent for c in found[1:])
    elif green:
        assert silent


@pytest.mark.parametrize("length", [0, 1, 2, 3, 17])
def test_red_all_the_way_down_has_no_culprit(length: int) -> None:
    assert find_culprits(_line(length), lambda _: True) == []
    assert find_culprits(_line(length), lambda _: None) == []


def test_green_just_before_the_feature_did_not_exist() -> None:
    def red(commit: str) -> bool | None:
        n = int(commit[1:])
        return True if n <= 5 else False if n <= 9 else None

    assert find_culprits(_line(500), red) == ["c5"]
