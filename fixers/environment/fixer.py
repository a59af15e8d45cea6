"""The environment fixer: a variable, a configuration key, a path or a permission is missing, and the repository itself
says what it should be. People merge what it finds, whatever the configuration says; where nothing in the repository can
be changed, it only says what to do.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.git import BareRepo, Entry, GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import PROPOSAL, Budget, Note, Workbench
from nightshift.fixers.environment import complaints as told
from nightshift.fixers.environment.complaints import Complaint, complaints, within
from nightshift.fixers.environment.defaults import Default, defaults, is_secret
from nightshift.fixers.environment.entries import Tables, inserted, is_settings, tables_of
from nightshift.fixers.environment.paths import near_misses, rewritten
from nightshift.fixers.environment.variables import subscripts, with_default
from nightshift.fixers.merging import with_entries
from nightshift.fixers.probes import Probes, Spent
from nightshift.fixers.undo import changed_paths, is_test

KIND = "configuration"
_TEXT_BYTES, _MOST_FILES = 256 << 10, 3000
_SHEBANG = b"#!"
_MOST_TABLES = 20


class Settings(BaseModel):
    """How much the environment fixer tries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_probes: int = Field(default=12, ge=0)
    """Runs of the reproduction with something put right."""
    probes_at_once: int = Field(default=2, ge=1, le=32)
    """How many of them run side by side."""


@dataclass(frozen=True, kw_only=True)
class _Idea:
    """A tree with something put right, and what that is."""

    tree: str
    why: str
    weight: float = 0.5


class EnvironmentFixer:
    """Port `Fixer`: patches of the kind ``configuration``, each of which turned the reproduction green."""

    name = "environment"

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings, self.clock = settings or Settings(), clock or SystemClock()

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        """Proved proposals, best first; advice for people goes to `note`."""
        found = complaints(case)
        if case.reproduction is None or not found:
            return
        settings, repo = self.settings, BareRepo(case.repo)
        probes = Probes(bench=bench, clock=self.clock, deadline=budget.deadline, left=settings.max_probes,
                        slots=settings.probes_at_once, known={case.base: True}, forgiving=True)  # fmt: skip
        given = 0
        try:
            place = _Place(repo, case.base)
            for complaint in found:
                for line in place.advice(complaint):
                    note(PROPOSAL + redact(line))
                for idea in _proved(list(place.ideas(complaint)), probes):
                    if given >= budget.patches:
                        return
                    given += 1
                    yield self._patch(repo, case, complaint, idea)
        except GitError as error:
            note(f"environment: given up: {error}")
        finally:
            budget.tried(probes.made)

    def _patch(self, repo: BareRepo, case: Case, complaint: Complaint, idea: _Idea) -> Patch:
        diff = repo.diff(case.base, idea.tree)
        rationale = f"{complaint.name} is missing ({complaint.kind}): {idea.why}. A person has to agree."
        return Patch(id=stable_id("patch", case.id, self.name, diff), base=case.base, diff=diff,
                     files=changed_paths(repo, case.base, idea.tree), fixer=self.name, rationale=redact(rationale),
                     kind=KIND, score=idea.weight)  # fmt: skip


def _proved(ideas: list[_Idea], probes: Probes) -> Iterator[_Idea]:
    """Those that turn the reproduction green, the weightiest first."""
    ranked = sorted({idea.tree: idea for idea in reversed(ideas)}.values(), key=lambda idea: -idea.weight)
    for at in range(0, len(ranked), probes.slots):
        some = ranked[at : at + probes.slots]
        try:
            answers = probes.ask([idea.tree for idea in some])
        except Spent:
            return
        yield from (idea for idea, red in zip(some, answers, strict=True) if red is False)


class _Place:
    """A tree's texts, and what can be put right in it."""

    def __init__(self, repo: BareRepo, base: str) -> None:
        self._repo, self._base = repo, base
        self._entries = {e.path: e for e in repo.entries(base)}
        self._texts = _texts(repo, list(self._entries.values())[:_MOST_FILES])

    def ideas(self, complaint: Complaint) -> Iterator[_Idea]:
        """What may put it right, unproved."""
        if complaint.kind == told.KEY:
            yield from self._variables(complaint.name)
            yield from self._keys(complaint.name)
        elif complaint.kind == told.PATH:
            yield from self._paths(complaint.name)
        else:
            yield from self._permissions(complaint.name)

    def advice(self, complaint: Complaint) -> Iterator[str]:
        """What people can do outside of the repository; said whether or not a patch is found."""
        name = complaint.name
        if complaint.kind != told.KEY or not self._reads(name):
            return
        known = [f"{d.value!r} in {d.where}" for d in defaults(name, self._texts)[:3]]
        said = f"the repository knows {'; '.join(known)}" if known else "the repository says no value for it"
        if is_secret(name):
            said = "it looks like a secret, so no value is proposed"
        yield f"set the environment variable {name} where the service is deployed; {said}"

    def _reads(self, name: str) -> list[str]:
        return [path for path, text in self._texts.items()
                if name in text and (f"env.{name}" in text or subscripts(text, name))]  # fmt: skip

    def _variables(self, name: str) -> Iterator[_Idea]:
        """The code reads a variable that the deployment lacks: give it the default the repository knows."""
        readers = [path for path in self._reads(name) if path.endswith(".py") and not is_test(path)]
        if is_secret(name) or not readers:
            return
        for default in defaults(name, self._texts)[:3]:
            texts = {path: with_default(self._texts[path], name, default.value) for path in readers}
            why = f"the variable defaults to {default.value!r}, as {default.where} says"
            yield _Idea(tree=self._written(texts), why=why, weight=default.weight)

    def _keys(self, key: str) -> Iterator[_Idea]:
        """A file of the same kind has the key where this one has not."""
        settings = [path for path in self._texts if is_settings(path) and not is_test(path)]
        having = [path for path in settings if key in self._texts[path]]
        read = functools.cache(lambda path: tables_of(path, self._texts[path]))
        for other in having[:_MOST_TABLES]:
            for path in [path for path in settings if path != other and _siblings(path, other)][:_MOST_TABLES]:
                yield from self._entry(path, read(path), other, read(other), key)
        yield from self._from_code({path: read(path) for path in settings[:_MOST_TABLES]}, key)

    def _entry(self, path: str, mine: Tables, other: str, theirs: Tables, key: str) -> Iterator[_Idea]:
        for where, table in theirs.items():
            if key in table.entries and where in mine and key not in mine[where].entries:
                text = inserted(self._texts[path], mine[where], key, table.entries[key], table.indent, table.entries)
                if text != self._texts[path] and tables_of(path, text):
                    why = f"{path} gets the key as {other} has it; check that the value fits there"
                    yield _Idea(tree=self._written({path: text}), why=why, weight=0.6)

    def _from_code(self, tables: Mapping[str, Tables], key: str) -> Iterator[_Idea]:
        """The code reads the key elsewhere with a default of its own."""
        for default in [d for d in defaults(key, self._texts) if d.weight >= 1.0][:2]:
            for path, found in tables.items():
                spelled = _spelled(path, key, default)
                if not spelled or () not in found or key in found[()].entries:
                    continue
                text = inserted(self._texts[path], found[()], key, spelled, found[()].indent, {})
                if text != self._texts[path]:
                    why = f"{path} gets the default that {default.where} falls back to"
                    yield _Idea(tree=self._written({path: text}), why=why, weight=0.4)

    def _paths(self, name: str) -> Iterator[_Idea]:
        tree = frozenset(self._entries)
        wanted = within(name, tree)
        code = {path: text for path, text in self._texts.items() if not is_test(path)}
        for rank, meant in enumerate(near_misses(wanted, tree)):
            for path, text in rewritten(wanted, meant, code):
                why = f"{path} means {meant}, which is there"
                yield _Idea(tree=self._written({path: text}), why=why, weight=0.7 * 0.8**rank)

    def _permissions(self, name: str) -> Iterator[_Idea]:
        entry = self._entries.get(within(name, frozenset(self._entries)))
        if entry and entry.mode == 0o100644 and (self._repo.read(self._base, entry.path) or b"").startswith(_SHEBANG):
            tree = with_entries(self._repo, self._base, {entry.path: ("100755", entry.blob)})
            yield _Idea(tree=tree, why=f"{entry.path} is a script and is not executable", weight=0.8)

    def _written(self, texts: Mapping[str, str]) -> str:
        return self._repo.with_files(self._base, {path: text.encode() for path, text in texts.items()})


def _spelled(path: str, key: str, default: Default) -> str:
    """A top-level entry as a file of this kind spells it; '' where that is not known."""
    number = default.value.lstrip("-").replace(".", "", 1).isdigit()
    text = default.value if number else '"' + default.value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    colon, equals = f"{key}: {text}", f"{key} = {text}"
    forms = {".json": f'"{key}": {text}', ".yaml": colon, ".yml": colon, ".toml": equals}
    return forms.get(posixpath.splitext(path)[1].lower(), "")


def _siblings(one: str, other: str) -> bool:
    """Whether two files may be the same configuration for two environments."""
    if posixpath.splitext(one)[1] != posixpath.splitext(other)[1]:
        return False
    same_folder = posixpath.dirname(one) == posixpath.dirname(other)
    return same_folder or posixpath.basename(one) == posixpath.basename(other)


def _texts(repo: BareRepo, entries: list[Entry]) -> dict[str, str]:
    """Text files by path; what is big, binary or a link is left out."""
    listed = repo.out("cat-file", "--batch-check=%(objectname) %(objectsize)",
                      stdin="".join(f"{e.blob}\n" for e in entries).encode())  # fmt: skip
    sizes = dict(row.split() for row in listed.decode().splitlines() if row.count(" ") == 1)
    small = [e for e in entries if e.mode in (0o100644, 0o100755) and int(sizes.get(e.blob, "0") or 0) <= _TEXT_BYTES]
    blobs = repo.blobs(sorted({e.blob for e in small}))
    found = {}
    for entry in small:
        data = blobs[entry.blob]
        if b"\0" not in data:
            try:
                found[entry.path] = data.decode()
            except UnicodeDecodeError:
                continue
    return found
