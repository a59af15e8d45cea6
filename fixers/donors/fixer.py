"""The donor fixer: what fixed this repository before, tried at the places that break now.

Patterns come from the history (`mining`), places and proof from the search of the template fixer.
"""

from __future__ import annotations

import ast
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import Budget, Note, Workbench
from nightshift.fixers.donors.mining import mined
from nightshift.fixers.donors.patterns import Pattern, filled, match, statements
from nightshift.fixers.templates import fixer as templates
from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, in_annotation, is_load
from nightshift.fixers.templates.source import Edit

TEMPLATE = "donor-pattern"
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Raise, ast.Delete)
_MINING = 0.3
"""The share of the time that reading the history may take."""


class Settings(BaseModel):
    """How far the donor fixer looks back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_commits: int = Field(default=400, ge=1)
    """Newest commits whose changes are read."""
    max_patterns: int = Field(default=300, ge=1)
    """Patterns tried, those seen most often first."""
    cores: int = Field(default=2, ge=1, le=64)
    """Candidates tried at the same time."""


class DonorFixer:
    """Port `Fixer`."""

    name = "donors"

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        """Patches made by patterns of the history that turn the reproduction green, best first."""
        ends = time.monotonic() + _MINING * max(0.0, budget.deadline - time.monotonic())
        try:
            patterns = mined(BareRepo(case.repo), case.base, self._settings.max_commits, case.precedents,
                             lambda: time.monotonic() > ends)  # fmt: skip
        except GitError as error:
            note(f"donors: the history can't be read: {error}")
            return
        note(f"donors: {len(patterns)} edit patterns in the history")
        if not patterns:
            return
        search = templates.TemplateFixer(
            templates.Settings(cores=self._settings.cores, partial=0),
            propose=proposer(patterns[: self._settings.max_patterns]),
        )
        for patch in search.draft(case, bench, budget, note):
            yield dataclasses.replace(patch, fixer=self.name)


def proposer(patterns: Sequence[Pattern]) -> Callable[[Site], Iterator[Edit]]:
    """What the patterns say at one place."""
    by_type: dict[type, list[Pattern]] = {}
    guards = [pattern for pattern in patterns if pattern.insert and isinstance(pattern.before, ast.expr)]
    for pattern in patterns:
        if pattern not in guards:
            by_type.setdefault(type(pattern.before), []).append(pattern)

    def propose(site: Site) -> Iterator[Edit]:
        for pattern in by_type.get(type(site.node), ()):
            found: dict[str, ast.expr] = {}
            if match(pattern.before, site.node, found):
                yield from _applied(site, pattern, {name: site.text(node) for name, node in found.items()})
        if guards and isinstance(site.node, _SIMPLE):
            yield from _guarded(site, guards)

    return propose


def _guarded(site: Site, guards: Sequence[Pattern]) -> Iterator[Edit]:
    """Statements put above one that uses an expression as another did that got them."""
    parts = [node for node in ast.walk(site.node) if isinstance(node, ast.expr)]
    for pattern in guards:
        for part in parts:
            found: dict[str, ast.expr] = {}
            if match(pattern.before, part, found):
                yield from _applied(site, pattern, {name: site.text(node) for name, node in found.items()})
                break


def _applied(site: Site, pattern: Pattern, texts: dict[str, str]) -> Iterator[Edit]:
    node, weight = site.node, pattern.weight(site.source.path)
    commit = min(pattern.commits)[:12]
    if pattern.insert and isinstance(node, ast.stmt):
        for statement in statements(pattern.after):
            code = filled(statement, texts).replace("    ", "\t")
            yield from lines.before(site, node, code, TEMPLATE, weight, f"add `{code.splitlines()[0]}` as in {commit}")
    elif isinstance(node, ast.stmt):
        code = filled(pattern.after, texts)
        yield from lines.swap_statement(site, node, code, TEMPLATE, weight, f"write `{code}` as in {commit}")
    elif isinstance(node, ast.expr) and is_load(node) and not in_annotation(site.source, node):
        code = filled(pattern.after, texts)
        yield from site.replace(code, TEMPLATE, weight, note=f"write `{code}` as in {commit}")
