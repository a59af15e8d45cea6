"""Gathers what there is to know of a field of patches: inputs, what versions answer, what is written down as right."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute

from nightshift.daemon.kit.checks import PytestCall, parse_pytest
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import Sandbox
from nightshift.sandboxes.commands import is_test_file
from nightshift.sandboxes.critic.documents import Document, documents, names
from nightshift.sandboxes.critic.drawing import drawn
from nightshift.sandboxes.critic.functions import (
    Function,
    Version,
    callers,
    changed,
    functions_of,
    parsed,
    version_of,
)
from nightshift.sandboxes.critic.inputs import PRODUCTION, Input, call_input
from nightshift.sandboxes.critic.session import Answers, Question, Recording, Session
from nightshift.sandboxes.importing import places
from nightshift.sandboxes.lab import Lab, spec_of
from nightshift.sandboxes.project import files_for
from nightshift.sandboxes.recorded import Call, call_of

DRAWN_INPUTS, RECORDED_INPUTS = 140, 60


@dataclass(frozen=True, kw_only=True)
class Field:
    """Patches and what they change. `changed` are functions of base, `near` their callers, `tree` its paths."""

    case: Case
    versions: tuple[Version, ...]
    changed: tuple[Function, ...] = ()
    near: tuple[Function, ...] = ()
    documents: tuple[Document, ...] = ()
    tree: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The evidence. `again` are base's answers a second time; `answers` stand in the order of `field.versions`."""

    field: Field
    inputs: tuple[Input, ...] = ()
    documents: tuple[Document, ...] = ()
    base: Answers = attribute(default_factory=Answers)
    again: Answers = attribute(default_factory=Answers)
    answers: tuple[Answers, ...] = ()
    modules: Mapping[str, str] = attribute(default_factory=dict)
    paths: tuple[str, ...] = ()


def field_of(case: Case, patches: Sequence[Patch]) -> Field:
    """What the patches change, without running anything. Raises GitError."""
    repo = BareRepo(case.repo)
    versions = tuple(version_of(repo, case.base, patch) for patch in patches)
    tree = frozenset(entry.path for entry in repo.entries(case.base))
    touched = sorted({p for v in versions for p in v.overlay if p.endswith(".py") and p in tree and not _is_test(p)})
    found: list[Function] = []
    near: list[Function] = []
    said: list[Document] = []
    for path in touched:
        before = parsed(repo.read(case.base, path))
        if before is None:
            continue
        mine = {
            f.name: f for v in versions if path in v.overlay for f in changed(path, before, parsed(v.overlay[path]))
        }
        around = callers(functions_of(path, before), list(mine.values()))
        said += documents(path, before, mine.keys(), names(around))
        found += mine.values()
        near += around
    return Field(case=case, versions=versions, changed=tuple(found), near=tuple(near), documents=tuple(said), tree=tree)


def ground_of(field_: Field) -> Field:
    """What a comparison is made on, whatever the patches say that change these functions."""
    return replace(field_, versions=())


def examine(field_: Field, lab: Lab, timeout_s: float, known: Examination | None = None) -> Examination:
    """Record, draw, and have every version answer; `known` is the examination of the field's ground, if there is one.
    Raises EnvironmentBroke, NoAnswer."""
    if known is None:
        return _examine(field_, lab, timeout_s, watched=True)
    with lab.hold(spec_of(field_.case)) as box:
        session = _session(field_, lab, box, timeout_s)
        overlays = [version.overlay for version in field_.versions]
        _, _, *answers = session.answers(overlays, _question(known), (known.base, known.again))
    return replace(known, field=field_, answers=tuple(answers))


def examine_written(field_: Field, lab: Lab, timeout_s: float) -> Examination:
    """Only what is written down: production's inputs and docstring examples. Raises EnvironmentBroke, NoAnswer."""
    return _examine(field_, lab, timeout_s, watched=False)


def _examine(field_: Field, lab: Lab, timeout_s: float, *, watched: bool) -> Examination:
    made = field_.case.reproduction
    call = parse_pytest(made.command) if made else None
    recording = Recording()
    modules = _modules(field_, recording)
    if not watched and not (production_inputs(field_.case, modules) or field_.documents):
        return Examination(field=field_, answers=tuple(Answers() for _ in field_.versions))
    with lab.hold(spec_of(field_.case)) as box:
        session = _session(field_, lab, box, timeout_s)
        if call and watched:
            recording = _recording(field_, session, call)
            modules = _modules(field_, recording)
        asked = Examination(
            field=field_, inputs=(*production_inputs(field_.case, modules), *_inputs(field_, recording)),
            documents=tuple(each for each in field_.documents if each.path in modules), modules=modules,
            paths=tuple(recording.paths if recording.calls else _roots(field_)),
        )  # fmt: skip
        base, again, *rest = session.answers([v.overlay for v in field_.versions], _question(asked))
    return replace(asked, base=base, again=again, answers=tuple(rest))


def _question(asked: Examination) -> Question:
    documents = [(asked.modules[each.path], each.text) for each in asked.documents]
    return Question(inputs=asked.inputs, documents=documents, paths=asked.paths)


def _session(field_: Field, lab: Lab, box: Sandbox, timeout_s: float) -> Session:
    made = field_.case.reproduction
    call = parse_pytest(made.command) if made else None
    return Session(
        box=box, tree=_tar(field_.case, lab), interpreter=call.interpreter if call else ("python",),
        env=dict(call.env) if call else {}, timeout_s=timeout_s,
    )  # fmt: skip


def _tar(case: Case, lab: Lab) -> bytes:
    made = case.reproduction
    return lab.trees.tar(case.repo, case.base, {**files_for(case, case.base), **(made.files if made else {})})


def _recording(field_: Field, session: Session, call: PytestCall) -> Recording:
    made = field_.case.reproduction
    lines = {(f.path, f.line) for f in field_.changed}
    tests = {path for path in {*field_.tree, *(made.files if made else ())} if _is_test(path)}
    return session.record(call, lines, tests)


def _is_test(path: str) -> bool:
    return is_test_file(path) or path.endswith("conftest.py") or bool({"tests", "test"} & set(path.split("/")[:-1]))


def _modules(field_: Field, recording: Recording) -> dict[str, str]:
    """Import names of the files that matter: as the tests imported them, else as they are likeliest imported."""
    repo = BareRepo(field_.case.repo)
    frames = {frame.path for frame in field_.case.diagnosis.frames} & field_.tree
    found: dict[str, str] = {}
    for path in {f.path for f in field_.changed} | frames:
        if ways := places(path, repo, field_.case.base, field_.tree):
            found[path] = ways[0].module
    found.update({str(row["path"]): str(row["module"]) for row in recording.calls if row.get("module")})
    return found


def _roots(field_: Field) -> tuple[str, ...]:
    repo = BareRepo(field_.case.repo)
    roots = [w.root or "." for f in field_.changed for w in places(f.path, repo, field_.case.base, field_.tree)[:1]]
    return tuple(dict.fromkeys([*roots, "."]))


def production_inputs(case: Case, modules: Mapping[str, str]) -> list[Input]:
    """The calls that production recorded, innermost frame first."""
    repo, found = BareRepo(case.repo), []
    for frame in reversed(case.diagnosis.frames):
        module = parsed(repo.read(case.base, frame.path))
        if module is None or frame.path not in modules:
            continue
        call = call_of(frame, module)
        if isinstance(call, Call):
            *imports, _, _ = [*call.lines(modules[frame.path]), ""] if call.kind == "plain" else ["", "", ""]
            if call.kind == "plain":
                target = f"{call.instance}.{call.function}" if call.instance else call.function
                found.append(Input(source=PRODUCTION, text=f"{target}({call.arguments})",
                                   imports="\n".join(imports)))  # fmt: skip
    return found


def _inputs(field_: Field, recording: Recording) -> list[Input]:
    """Recorded calls and inputs drawn after them, of what tests call themselves first."""
    by = _recorded(field_, recording)
    if not by:
        return []
    seed = zlib.crc32(f"{field_.case.base}\0{field_.case.id}".encode())
    recorded = [each for some in by.values() for each in some][:RECORDED_INPUTS]
    share = DRAWN_INPUTS // len(by)
    return recorded + [
        made for (path, line), some in by.items() for made in drawn(some, share, random.Random(f"{seed} {path} {line}"))
    ]


def _recorded(field_: Field, recording: Recording) -> dict[tuple[str, int], list[Input]]:
    """Calls by function: of the changed ones and of those through which tests reach them. A private function that is
    reached through others is not called with inputs it never gets."""
    places_ = _callable(field_, {str(row["path"]) for row in recording.calls})
    by: dict[tuple[str, int], list[Input]] = {}
    for row in recording.calls:
        place = (str(row["path"]), int(row["line"]))
        if place in places_ and (row.get("changed") or place in recording.reached):
            made = call_input(row, places_[place].name)
            if made is not None:
                by.setdefault(place, []).append(made)
    public = {p: some for p, some in by.items() if not places_[p].private or p in recording.reached}
    return public or by


def _callable(field_: Field, paths: set[str]) -> dict[tuple[str, int], Function]:
    repo = BareRepo(field_.case.repo)
    found: dict[tuple[str, int], Function] = {}
    for path in paths & field_.tree:
        module = parsed(repo.read(field_.case.base, path))
        for function in functions_of(path, module) if module else []:
            if not function.nested:
                found[path, function.line] = function
    return found
