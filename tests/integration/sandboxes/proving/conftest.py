"""A real engine, and real bare repositories made of plain dictionaries."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Diagnosis
from nightshift.sandboxes.all_sandboxes import Settings, engine


@pytest.fixture(scope="session")
def sandboxes():
    made = engine(Settings())
    yield made
    made.close()


@dataclasses.dataclass
class History:
    """A bare repository; `commit` adds a commit whose tree is exactly the given files."""

    repo: BareRepo
    head: str = ""
    number: int = 0

    def commit(self, files: dict[str, str | bytes]) -> str:
        data = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        empty = self.repo.out("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()
        tree = self.repo.with_files(empty, data)
        self.number += 1
        parents = [self.head] if self.head else []
        self.head = self.repo.commit(tree, parents, f"commit {self.number}", at_s=1_700_000_000 + self.number)
        return self.head

    def diff(self, files: dict[str, str | bytes | None]) -> str:
        """The diff from HEAD to HEAD with these files changed (None removes)."""
        keep = {e.path: e for e in self.repo.entries(self.head)}
        changed = {p: t.encode() if isinstance(t, str) else t for p, t in files.items() if t is not None}
        empty = self.repo.out("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()
        old = {p: self.repo.read(self.head, p) for p in keep if p not in files}
        return self.repo.diff(self.head, self.repo.with_files(empty, {**old, **changed}))

    def case(self, check: str = "", diagnosis: Diagnosis | None = None) -> Case:
        return Case(id="case-1", repo=self.repo.path, base=self.head, check=check, diagnosis=diagnosis or Diagnosis())


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(repo=BareRepo.ensure(tmp_path / "repo.git"))
