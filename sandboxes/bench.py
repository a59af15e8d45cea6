"""The workbench a fixer gets: sealed trees to experiment in, and the question "is it red there?"."""

from __future__ import annotations

from nightshift.daemon.model import Case
from nightshift.daemon.ports import Sandbox
from nightshift.sandboxes.harness import TestRun
from nightshift.sandboxes.lab import Lab
from nightshift.sandboxes.proof import is_red


class Bench:
    """Workbench of one case (port `Workbench`)."""

    def __init__(self, lab: Lab, case: Case) -> None:
        self.case, self._lab = case, lab
        self._known: dict[str, bool | None] = {}

    def open(self, commit: str = "") -> Sandbox:
        """A sandbox with the tree of `commit` and the reproduction's files; raises EnvironmentBroke."""
        made = self.case.reproduction
        return self._lab.open(self.case, commit or self.case.base, made.files if made else {})

    def red(self, commit: str) -> bool | None:
        """Whether the reproduction fails on that commit; None when its tests can't be run there."""
        if commit not in self._known:
            made = self.case.reproduction
            self._known[commit] = None if made is None or made.kind == "none" else is_red(made, self._run(commit))
        return self._known[commit]

    def _run(self, commit: str) -> TestRun:
        made = self.case.reproduction
        assert made is not None
        only = made.failing if made.failing and all("::" in test for test in made.failing) else None
        return self._lab.run(self.case, commit, made.files, made.command, only=only)
