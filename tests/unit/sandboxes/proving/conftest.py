"""Bare repositories made of plain dictionaries."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Patch, Reproduction

EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class Bare:
    """A bare repository whose commits are exactly the given files."""

    def __init__(self, path: Path) -> None:
        self.repo, self.head, self.count = BareRepo.ensure(path), "", 0
        self.repo.out("hash-object", "-t", "tree", "-w", "--stdin")

    def commit(self, files: dict) -> str:
        tree = self.repo.with_files(EMPTY, {p: _bytes(t) for p, t in files.items()})
        self.count += 1
        self.head = self.repo.commit(tree, [self.head] if self.head else [], "c", at_s=1_700_000_000 + self.count)
        return self.head

    def diff_to(self, files: dict) -> str:
        """The diff from HEAD to exactly these files."""
        return self.repo.diff(self.head, self.repo.with_files(EMPTY, {p: _bytes(t) for p, t in files.items()}))

    def case(self, **more) -> Case:
        made = Reproduction(
            kind="check",
            command="python -m pytest",
            failing=("test_a.py::test_a",),
            baseline={"test_a.py::test_a": "failed"},
            files={"tests/test_nightshift_x.py": ""},
        )
        return Case(id="c", repo=self.repo.path, base=self.head, reproduction=made, **more)

    def patch(self, diff: str, kind: str = "") -> Patch:
        return Patch(id="p", base=self.head, diff=diff, files=(), fixer="f", rationale="", kind=kind)


def _bytes(text) -> bytes:
    return text.encode() if isinstance(text, str) else text


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return Bare(tmp_path / "repo.git")
