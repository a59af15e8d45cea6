"""From evidence to an accepted patch: the same functions serve the daemon's missions and `nightshift heal`."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.gather import diagnose
from nightshift.daemon.model import Case, Patch, Reproduction, Service, Signal
from nightshift.daemon.ports import Budget, Fixer, Note, Workbench


def open_case(name: str, service: Service, repo: str, base: str, signal: Signal | None) -> Case:
    """The case of one mission at one base commit."""
    tree = [e.path for e in BareRepo(repo).entries(base)]
    case = Case(id=name, repo=repo, base=base, check=service.check, image=service.image, python=service.python)
    read = partial(BareRepo(repo).read, base)
    return replace(case, diagnosis=diagnose(signal, tree, read)) if signal else case


def draft(fixer: Fixer, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
    """A fixer's patches, best first, at most `budget.patches`, duplicates dropped. Closing it ends the fixer's work."""
    seen: set[str] = set()
    drafts = fixer.draft(case, bench, budget, note)
    try:
        for patch in itertools.islice(drafts, budget.patches):
            if patch.diff and patch.diff not in seen:
                seen.add(patch.diff)
                yield patch
    finally:
        if isinstance(drafts, Generator):
            drafts.close()


def is_red(reproduction: Reproduction) -> bool:
    """Whether something could be made to fail."""
    return reproduction.kind != "none"
