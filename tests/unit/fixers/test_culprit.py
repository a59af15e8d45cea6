"""Bisection as a pure function: right, in few probes, whatever part of the history can't tell."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.fixers.culprit import find_culprits as parallel


def find_culprits(line: list[str], red: Callable[[str], bool | None]) -> list[str]:
    return parallel(line, lambda commits: [red(commit) for commit in commits])


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


@given(st.integers(2, 3000), st.integers(1, 8), st.data())
def test_several_slots_find_the_same_commit_in_fewer_rounds(length: int, slots: int, data: st.DataObject) -> None:
    culprit, rounds = data.draw(st.integers(0, length - 2)), []

    def ask(commits: list[str]) -> list[bool]:
        rounds.append(len(commits))
        return [int(commit[1:]) <= culprit for commit in commits]

    assert parallel(_line(length), ask, slots) == [f"c{culprit}"]
    assert max(rounds) <= slots
    gallop = math.log2(length) / slots + 1
    assert len(rounds) <= gallop + math.log(length, slots + 1) + 2


def test_rounds_against_one_at_a_time() -> None:
    def rounds(slots: int, culprit: int) -> int:
        asked = []

        def ask(commits: list[str]) -> list[bool]:
            asked.append(commits)
            return [int(commit[1:]) <= culprit for commit in commits]

        assert parallel(_line(2000), ask, slots) == [f"c{culprit}"]
        return len(asked)

    total = {slots: sum(rounds(slots, culprit) for culprit in range(0, 1999, 37)) for slots in (1, 2, 4, 8)}
    assert total[2] < 0.62 * total[1] and total[4] < 0.4 * total[1] and total[8] < 0.3 * total[1]


@given(st.integers(2, 120), st.integers(2, 5), st.data())
def test_silent_commits_do_not_mislead_several_slots(length: int, slots: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, length - 2))
    silent = data.draw(st.sets(st.integers(1, length - 1)))

    def ask(commits: list[str]) -> list[bool | None]:
        numbers = [int(commit[1:]) for commit in commits]
        return [None if n in silent else n <= culprit for n in numbers]

    found = parallel(_line(length), ask, slots)
    if found:
        assert f"c{culprit}" in found and all(int(c[1:]) in silent for c in found[1:])
