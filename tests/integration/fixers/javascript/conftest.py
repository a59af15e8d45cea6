"""Repositories in JavaScript that are healed in real sandboxes, by the node of this machine."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import Budget, Sandboxes, Workbench
from nightshift.fixers.javascript.fixer import JavaScriptFixer, Settings
from nightshift.sandboxes.all_sandboxes import Settings as SandboxSettings
from nightshift.sandboxes.all_sandboxes import engine
from nightshift.sandboxes.reproduce import SandboxReproducer


def bound(program: str) -> bool:
    """Whether a program of this machine is there in a sandbox of the image `host` too."""
    return os.path.realpath(shutil.which(program) or "/nowhere").startswith("/usr/")


@pytest.fixture(scope="package", params=[pytest.param("docker", marks=pytest.mark.engine),
                                         pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)])  # fmt: skip
def sandboxes(request: pytest.FixtureRequest) -> Iterator[Sandboxes]:
    pytest.importorskip("tree_sitter", reason="tree-sitter is not installed")
    if not bound("node"):
        pytest.skip("node is not installed below /usr")
    made = engine(SandboxSettings(engine=request.param))
    yield made
    made.close()


@dataclasses.dataclass
class Patient:
    """A repository with one commit, red under its check, and what the fixer makes of it."""

    sandboxes: Sandboxes
    repo: BareRepo
    base: str
    notes: list[str] = dataclasses.field(default_factory=list)

    def case(self, check: str) -> tuple[Case, Workbench]:
        reproducer = SandboxReproducer(self.sandboxes)
        case = Case(id="c", repo=self.repo.path, base=self.base, check=check)
        case = dataclasses.replace(case, reproduction=reproducer.reproduce(case, self.notes.append))
        return case, reproducer.bench(case)

    def heal(self, check: str = "node --test", budget_s: float = 90.0, settings: Settings | None = None) -> str:
        """All changed files of the first patch after it; '' without one."""
        case, bench = self.case(check)
        budget = Budget(deadline=time.monotonic() + budget_s, patches=3)
        patches = list(JavaScriptFixer(settings).draft(case, bench, budget, self.notes.append))
        return self.text(patches[0]) if patches else ""

    def text(self, patch: Patch) -> str:
        tree = self.repo.apply(self.base, patch.diff)
        return "".join((self.repo.read(tree, path) or b"").decode() for path in patch.files)


@pytest.fixture
def patient(sandboxes: Sandboxes, tmp_path: Path) -> Callable[[Mapping[str, str]], Patient]:
    def make(files: Mapping[str, str]) -> Patient:
        work = tmp_path / "work"
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
        for words in ("init -q -b main .", "add -A", "-c user.name=t -c user.email=t@t commit -qm base"):
            assert run(["git", *words.split()], timeout_s=60, cwd=str(work), env=env).ok
        repo = BareRepo.ensure(tmp_path / "own.git")
        repo.fetch(str(work), ["+HEAD:refs/heads/base"])
        return Patient(sandboxes, repo, repo.resolve("refs/heads/base"))

    return make
