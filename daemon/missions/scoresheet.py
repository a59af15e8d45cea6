"""The written record of a tournament: everything it takes to hold it again and to see whether the same comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from nightshift.daemon.missions import tournament
from nightshift.daemon.missions.lessons import taught
from nightshift.daemon.missions.tournament import Rules, Standing
from nightshift.daemon.model import Case, dump, load

VERSION = 1
_BASELINE = 2000
"""Tests whose state on base is written down; of larger suites it is found again."""


@dataclass(frozen=True, kw_only=True)
class Scoresheet:
    """One tournament. `case` is what the first round knew, without the place of its repository; `chosen` the id of the
    patch that won ('' = none did)."""

    case: Case
    rules: Rules
    standing: Standing
    chosen: str = ""
    reason: str = ""
    version: int = VERSION


def written(sheet: Scoresheet) -> dict[str, Any]:
    """The record as plain JSON, with the table that people read."""
    case, red = replace(sheet.case, repo=""), sheet.case.reproduction
    if red and len(red.baseline) > _BASELINE:
        case = replace(case, reproduction=replace(red, baseline={}))
    return {**dump(replace(sheet, case=case)), "table": list(tournament.rows(sheet.standing))}


def read(data: Any) -> Scoresheet:
    """A record that `written` made. Raises ValueError with what is wrong."""
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"no record of a tournament (version {VERSION})")
    given = {key: value for key, value in data.items() if key != "table"}
    sheet = load(Scoresheet, given)  # pydantic's error is a ValueError
    if not sheet.standing.rounds:
        raise ValueError("it holds no round")
    return sheet


def cases(sheet: Scoresheet, repo: str) -> Iterator[Case]:
    """The case of each round, on a repository that has the base. Raises GitError."""
    case = replace(sheet.case, repo=repo)
    for number, each in enumerate(sheet.standing.rounds):
        if number:
            before = sheet.standing.rounds[number - 1]
            new = [lesson for lesson in each.lessons if lesson not in before.lessons]
            said = [line for line in each.criticism if line not in before.criticism]
            case = taught(case, new, said, [entry.proved for entry, _ in before.refutations])
        yield case
