"""Real repositories made of plain dictionaries, and benches that really look at a commit's files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Diagnosis, Frame, Patch, Reproduction
from nightshift.daemon.ports import EnvironmentBroke, Sandbox

RED = Reproduction(kind="check", command="sh check.sh")


@dataclasses.dataclass
class Line:
    """A bare repository; `commit` changes the given files of the newest commit (None removes one)."""

    repo: BareRepo
    head: str = ""
    number: int = 0

    def commit(self, files: Mapping[str, str | None], *, message: str = "", parents: tuple[str, ...] = ()) -> str:
        before = parents[0] if parents else self.head
        old = {e.path: self.repo.read(before, e.path) for e in self.repo.entries(before)} if before else {}
        new = {path: None if text is None else text.encode() for path, text in files.items()}
        empty = self.repo.out("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()
        tree = self.repo.with_files(empty, {p: d for p, d in {**old, **new}.items() if d is not None})
        self.number += 1
        given = parents or ((self.head,) if self.head else ())
        self.head = self.repo.commit(tree, given, message or f"commit {self.number}", at_s=1_700_000_000 + self.number)
        return self.head

    def case(self, *frames: Frame, **more: object) -> Case:
        made = {"id": "c", "repo": self.repo.path, "base": self.head, "reproduction": RED}
        made["diagnosis"] = Diagnosis(frames=frames)
        return Case(**{**made, **more})

    def after(self, patch: Patch, path: str) -> str | None:
        data = self.repo.read(self.repo.apply(patch.base, patch.diff), path)
        return None if data is None else data.decode()


class Looking:
    """A bench whose reproduction is a function of a tree's files (path → text): red, green or None."""

    def __init__(self, line: Line, case: Case, judge: Callable[[Mapping[str, str]], bool | None]) -> None:
        self.repo, self.case, self.judge, self.asked = line.repo, case, judge, []

    def open(self, commit: str = "") -> Sandbox:
        raise EnvironmentBroke("no sandbox here")

    def red(self, commit: str) -> bool | None:
        self.asked.append(commit)
        files = {e.path: (self.repo.read(commit, e.path) or b"").decode() for e in self.repo.entries(commit)}
        return self.judge(files)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(repo=BareRepo.ensure(tmp_path / "own.git"))


@pytest.fixture
def looking() -> type[Looking]:
    return Looking
