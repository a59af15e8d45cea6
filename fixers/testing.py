"""A fixer that plays a script, and the contract every fixer keeps, the scripted one included."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import Budget, Fixer, Note, Workbench


class ScriptedFixer:
    """Yields patches that write the given texts, one patch per mapping of path to text, best first."""

    def __init__(self, script: Sequence[Mapping[str, str]], name: str = "scripted") -> None:
        self.name, self.script = name, script
        self.drafted = 0

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        """See the port; `drafted` counts what was asked for."""
        if case.reproduction is None or case.reproduction.kind == "none":
            return
        repo = BareRepo(case.repo)
        for rank, texts in enumerate(self.script[: budget.patches]):
            if time.monotonic() > budget.deadline:
                return
            self.drafted += 1
            note(f"{self.name}: patch {rank + 1} of {len(self.script)}")
            tree = repo.with_files(case.base, {path: text.encode() for path, text in texts.items()})
            diff = repo.diff(case.base, tree)
            yield Patch(id=stable_id("patch", case.base, diff), base=case.base, diff=diff, files=tuple(texts),
                        fixer=self.name, rationale="scripted", kind="scripted", score=1.0 / (rank + 1))  # fmt: skip


def keeps_contract(fixer: Fixer, case: Case, bench: Workbench, *, budget_s: float = 30.0) -> list[Patch]:
    """Drafts up to three patches and asserts what every fixer owes; returns them. Raises AssertionError."""
    notes: list[str] = []
    budget = Budget(deadline=time.monotonic() + budget_s, patches=3)
    drafts = fixer.draft(case, bench, budget, notes.append)
    patches = list(itertools.islice(drafts, 4))
    drafts.close()  # type: ignore[attr-defined]
    assert len(patches) <= budget.patches, "more patches than the budget allows"
    assert len({p.id for p in patches}) == len(patches), "the same patch twice"
    assert all("\n" not in line for line in notes), "a note is one line"
    repo = BareRepo(case.repo)
    for patch in patches:
        assert (patch.base, patch.fixer) == (case.base, fixer.name)
        assert patch.rationale, "a patch says why"
        assert repo.diff(case.base, repo.apply(case.base, patch.diff)) == patch.diff, "git takes the diff at base"
        assert all(f"a/{path} b/{path}" in patch.diff for path in patch.files), "files are those of the diff"
    return patches
