"""Repositories that are healed in real sandboxes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Diagnosis, Patch, Reproduction
from nightshift.daemon.ports import Budget, Sandboxes
from nightshift.fixers.templates.fixer import Settings, TemplateFixer
from nightshift.sandboxes.all_sandboxes import Settings as SandboxSettings
from nightshift.sandboxes.all_sandboxes import engine
from nightshift.sandboxes.reproduce import SandboxReproducer

AT_S = 1_700_000_000
PYTEST = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest -q"


@pytest.fixture(scope="package", params=[pytest.param("docker", marks=pytest.mark.engine)])
def sandboxes(request: pytest.FixtureRequest) -> Iterator[Sandboxes]:
    made = engine(SandboxSettings(engine=request.param))
    yield made
    made.close()


@dataclasses.dataclass
class Patient:
    """A repository with one commit, and what the fixer makes of it."""

    sandboxes: Sandboxes
    repo: BareRepo
    base: str
    notes: list[str] = dataclasses.field(default_factory=list)

    def case(self, check: str = PYTEST, failing: tuple[str, ...] = (), diagnosis: Diagnosis | None = None) -> Case:
        made = Reproduction(kind="check", command=check, failing=failing)
        return Case(id="c", repo=self.repo.path, base=self.base, reproduction=made, diagnosis=diagnosis or Diagnosis())

    def draft(
        self, case: Case, *, patches: int = 3, budget_s: float = 60.0, settings: Settings | None = None
    ) -> list[Patch]:
        bench = SandboxReproducer(self.sandboxes).bench(case)
        budget = Budget(deadline=time.monotonic() + budget_s, patches=patches)
        return list(TemplateFixer(settings).draft(case, bench, budget, self.notes.append))

    def heal(self, **options: object) -> list[str]:
        """The patched files' texts at rank 1, 2, 3… (all changed files joined)."""
        return [self.text(patch) for patch in self.draft(self.case(**options))]  # type: ignore[arg-type]

    def text(self, patch: Patch) -> str:
        tree = self.repo.apply(self.base, patch.diff)
        return "".join((self.repo.read(tree, path) or b"").decode("latin-1") for path in patch.files)


@pytest.fixture
def patient(sandboxes: Sandboxes, tmp_path: Path) -> Callable[[dict[str, str | bytes]], Patient]:
    def make(files: dict[str, str | bytes]) -> Patient:
        repo = BareRepo.ensure(tmp_path / "own.git")
        empty = repo.commit(repo.out("mktree").decode().strip(), [], "empty", at_s=AT_S)
        data = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        return Patient(sandboxes, repo, repo.commit(repo.with_files(empty, data), [empty], "bug", at_s=AT_S))

    return make
