"""The dependency fixer: when a lock's change broke it, the guilty packages go back, and only they.

The code stays as it is on base; only the dependency files are varied, so what is found is the fix itself. Versions
come from the repository's own history, byte for byte with their hashes; no index is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import PROPOSAL, Budget, EnvironmentBroke, Note, Workbench
from nightshift.fixers.culprit import find_culprits
from nightshift.fixers.ddmin import smallest
from nightshift.fixers.dependencies.evidence import meant, mentioned
from nightshift.fixers.dependencies.files import packages_changed, readers_of, unbumped
from nightshift.fixers.probes import Probes, Spent

KIND = "dependency"
_PROJECT = "project"
_MOST_BYTES = 8 << 20


class Settings(BaseModel):
    """How far the dependency fixer looks back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_changes: int = Field(default=20, ge=0)
    """Commits that change dependency files, newest first, that may be undone when the incident speaks of a package."""
    max_unhinted: int = Field(default=3, ge=0)
    """The same when it speaks of none; only with the image `project`, where such a change can be tried."""
    max_probes: int = Field(default=40, ge=0)
    """Runs of the reproduction with other versions; in a project image, each may install packages first."""
    probes_at_once: int = Field(default=2, ge=1, le=32)
    """How many of them run side by side."""


@dataclass(frozen=True, kw_only=True)
class _Bump:
    """What one commit changed: the dependency files before it, and the packages that differ from base."""

    commit: str
    summary: str
    then: Mapping[str, str]
    packages: tuple[str, ...]


class DependencyFixer:
    """Port `Fixer`: patches of the kind ``dependency``, `parents` being the commit that bumped."""

    name = "dependencies"

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings, self.clock = settings or Settings(), clock or SystemClock()

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        """At most one: the smallest un-bump that turns the reproduction green."""
        if case.reproduction is None or case.reproduction.kind == "none" or budget.patches < 1:
            return
        repo, mentions = BareRepo(case.repo), mentioned(case)
        most = self.settings.max_changes if mentions else self.settings.max_unhinted * (case.image == _PROJECT)
        probes = Probes(bench=bench, clock=self.clock, deadline=budget.deadline, left=self.settings.max_probes,
                        slots=self.settings.probes_at_once, known={case.base: True}, forgiving=True)  # fmt: skip
        try:
            now = _texts(repo, case.base)
            bumps = list(_bumps(repo, case.base, now, most))
            if not bumps:
                return
            note(f"dependencies: {len(bumps)} changes of what is installed; spoken of: {', '.join(mentions) or '-'}")
            patch = self._patch(repo, case, now, bumps, mentions, probes)
        except (GitError, Spent) as error:
            note(f"dependencies: given up: {error or 'the budget for runs is spent'}")
            return
        budget.tried(probes.made)
        if patch:
            yield patch
        else:
            _advise(case, bumps, mentions, note)

    def _patch(
        self, repo: BareRepo, case: Case, now: Mapping[str, str], bumps: Sequence[_Bump], mentions: Sequence[str],
        probes: Probes,
    ) -> Patch | None:  # fmt: skip
        probes.known[repo.tree_of(case.base)] = True
        line = [case.base, *(_tree(repo, case.base, now, bump, bump.packages) for bump in bumps)]
        found = find_culprits(line, probes.ask, probes.slots)
        if not found:
            if probes.made and not probes.answered:
                raise EnvironmentBroke("no set of older packages could be tried: the environment broke each time")
            return None
        bump = bumps[line.index(found[-1])]
        needed = self._needed(repo, case, now, bump, mentions, probes)
        files = unbumped(now, bump.then, needed)
        tree = _tree(repo, case.base, now, bump, needed)
        diff = repo.diff(case.base, tree)
        rationale = (
            f"Take {', '.join(needed)} back to what was installed before {bump.commit[:10]} “{bump.summary}”: with the"
            f" code as it is now, the reproduction is green then. {len(bump.packages)} package(s) had changed since."
        )
        return Patch(id=stable_id("patch", case.id, self.name, diff), base=case.base, diff=diff, files=tuple(files),
                     fixer=self.name, rationale=rationale, kind=KIND, parents=(bump.commit,), score=0.9)  # fmt: skip

    def _needed(
        self, repo: BareRepo, case: Case, now: Mapping[str, str], bump: _Bump, mentions: Sequence[str], probes: Probes
    ) -> list[str]:  # fmt: skip
        """The smallest set of packages that has to go back; those spoken of are tried on their own first."""

        def first_green(subsets: Sequence[Sequence[str]]) -> int | None:
            return probes.first_green([_tree(repo, case.base, now, bump, some) for some in subsets])

        likely = meant(mentions, bump.packages)
        rest = [package for package in bump.packages if package not in likely]
        try:
            if likely and rest and first_green([likely]) is not None:
                return smallest(likely, first_green)
        except Spent:
            return list(bump.packages)
        return smallest([*likely, *rest], first_green)


def _texts(repo: BareRepo, treeish: str) -> dict[str, str]:
    """The dependency files of a tree, path to text; what is not UTF-8 or too big is left out."""
    entries = [e for e in repo.entries(treeish) if readers_of(e.path) and e.mode in (0o100644, 0o100755)]
    blobs = repo.blobs(sorted({e.blob for e in entries}))
    found: dict[str, str] = {}
    for entry in entries:
        try:
            text = blobs[entry.blob].decode()
        except UnicodeDecodeError:
            continue
        if len(text) < _MOST_BYTES:
            found[entry.path] = text
    return found


def _bumps(repo: BareRepo, base: str, now: Mapping[str, str], most: int) -> Iterator[_Bump]:
    """Changes of the dependency files along base's own line, newest first."""
    if not now or most < 1:
        return
    paths = [f":(literal){path}" for path in now]
    told = repo.out("log", "--first-parent", "-m", f"--max-count={most}", "--format=%H%x00%P%x00%s", base, "--", *paths)
    for row in told.decode("utf-8", "replace").splitlines():
        commit, parents, summary = [*row.split("\0"), "", ""][:3]
        if not parents:
            continue
        then = _texts(repo, parents.split()[0])
        packages = packages_changed(now, then)
        if packages:
            clean = redact("".join(c for c in summary if c.isprintable())[:100])
            yield _Bump(commit=commit, summary=clean, then=then, packages=tuple(packages))


def _tree(repo: BareRepo, base: str, now: Mapping[str, str], bump: _Bump, packages: Sequence[str]) -> str:
    files = unbumped(now, bump.then, packages)
    return repo.with_files(base, {path: text.encode() for path, text in files.items()})


def _advise(case: Case, bumps: Sequence[_Bump], mentions: Sequence[str], note: Note) -> None:
    """Where it can't be tried (the image holds its packages whatever the lock says), people are told what changed."""
    for bump in bumps:
        if case.image != _PROJECT and (named := meant(mentions, bump.packages)):
            text = (
                f"{', '.join(named)} changed with {bump.commit[:10]} “{bump.summary}”, and the incident speaks of it; "
                f"going back can't be tried in the image {case.image}"
            )
            note(f"{PROPOSAL}{text}")
            return
