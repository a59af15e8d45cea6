"""Trees of a few files, in a bare repository as the daemon has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case

Committed = Callable[[Mapping[str, str]], Case]


@pytest.fixture
def committed(tmp_path: Path) -> Committed:
    """A case with the image `project` whose base holds these files, nothing else."""
    repo = BareRepo.ensure(tmp_path / "repo.git")

    def _commit(files: Mapping[str, str]) -> Case:
        empty = repo.out("mktree").decode().strip()
        root = repo.commit(empty, [], "empty", at_s=1)
        tree = repo.with_files(root, {path: text.encode() for path, text in files.items()})
        return Case(id="c", repo=repo.path, base=repo.commit(tree, [root], "files", at_s=2), image="project")

    return _commit
