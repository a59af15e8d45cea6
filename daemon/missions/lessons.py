"""From a refutation to a lesson: the critic's test module becomes part of what is red, so that the next round's
creators search under it and the tester judges by it.

A lesson nobody can run teaches nothing: each of its tests is first tried on base, and left out when it can't be told
what it does there.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from nightshift.daemon.kit.checks import parse_pytest
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.missions.tournament import Entry, Lesson
from nightshift.daemon.model import Case, Criticism, Patch, Reproduction
from nightshift.daemon.ports import Note, Reproducer

MOST_LESSONS = 4
MOST_TESTS = 6
_PYTEST = "python -m pytest -q"
_CHARS = 400


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """What one round teaches the next."""

    lessons: tuple[Lesson, ...] = ()
    criticism: tuple[str, ...] = ()


def teach(case: Case, refutations: Iterable[tuple[Entry, Criticism]], reproducer: Reproducer, note: Note) -> Teaching:
    """The lessons of a round, tried on base, and its criticism in words. Raises EnvironmentBroke, GitError."""
    tree = [entry.path for entry in BareRepo(case.repo).entries(case.base)]
    known = set(case.reproduction.files.values()) if case.reproduction else set()
    lessons: list[Lesson] = []
    words = []
    for entry, said in refutations:
        words.append(_words(entry.proved, said))
        if said.lesson and said.lesson not in known and len(lessons) < MOST_LESSONS:
            known.add(said.lesson)
            note(f"trying on base what refuted {entry.proved.id}")
            lessons += _tried(case, said.lesson, tree, reproducer)
    return Teaching(lessons=tuple(lessons), criticism=tuple(dict.fromkeys(words)))


def taught(case: Case, lessons: Iterable[Lesson], criticism: Iterable[str], parents: Iterable[Patch] = ()) -> Case:
    """The case with lessons in its reproduction; `parents` are the patches that they refuted."""
    lessons = tuple(lessons)
    said = tuple(dict.fromkeys((*case.criticism, *criticism)))
    known = {p.diff: p for p in (*case.parents, *parents)}
    case = replace(case, criticism=said, parents=tuple(known.values()))
    red = case.reproduction
    if red is None or not lessons:
        return case
    tree = [entry.path for entry in BareRepo(case.repo).entries(case.base)]
    for lesson in lessons:
        red = _joined(red, lesson, tree)
    return replace(case, reproduction=red)


def _joined(red: Reproduction, lesson: Lesson, tree: Collection[str]) -> Reproduction:
    ids = parse_pytest(red.command) is not None
    statuses = {**dict.fromkeys(lesson.failing, "failed"), **dict.fromkeys(lesson.passing, "passed")}
    return replace(
        red, command=including(red.command, lesson.path, tree), files={**red.files, lesson.path: lesson.text},
        failing=(*red.failing, *lesson.failing) if ids else red.failing,
        baseline={**red.baseline, **statuses} if ids else red.baseline,
    )  # fmt: skip


def including(command: str, path: str, tree: Collection[str]) -> str:
    """The check with one test file more. A pytest run that names paths gets another one; one that names none finds it;
    after any other check a pytest run of its own follows."""
    call = parse_pytest(command)
    if call is None:
        return f"( {command}\n) && {_PYTEST} {shlex.quote(path)}"
    folders = {name[:at] for name in tree for at, char in enumerate(name) if char == "/"}
    named = [a for a in call.args if a.partition("::")[0].rstrip("/").removeprefix("./") in folders.union(tree)]
    return f"{command} {shlex.quote(path)}" if named else command


def tests_of(source: str) -> tuple[str, ...]:
    """The plain test functions of a module, by name; nothing when it is no Python."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    plain = (n for n in body if isinstance(n, ast.FunctionDef) and not n.decorator_list and not n.args.args)
    return tuple(n.name for n in plain if n.name.startswith("test"))[:MOST_TESTS]


def _tried(case: Case, source: str, tree: Collection[str], reproducer: Reproducer) -> list[Lesson]:
    path = _place(case, source, tree)
    failing: list[str] = []
    passing: list[str] = []
    for name in tests_of(source):
        test = f"{path}::{name}"
        red = reproducer.bench(_alone(case, path, source, test, tree)).red(case.base)
        if red is not None:
            (failing if red else passing).append(test)
    return [Lesson(path=path, text=source, failing=tuple(failing), passing=tuple(passing))] if failing + passing else []


def _alone(case: Case, path: str, source: str, test: str, tree: Collection[str]) -> Case:
    """The case in which nothing but one test of a lesson is red."""
    made = case.reproduction
    command = made.command if made and parse_pytest(made.command) else ""
    whole = including(command, path, tree) if command else f"{_PYTEST} {shlex.quote(path)}"
    files = {**(made.files if made else {}), path: source}
    return replace(case, reproduction=Reproduction(kind="check", command=whole, failing=(test,), files=files))


def _place(case: Case, source: str, tree: Collection[str]) -> str:
    """Beside the first failing test, where the repository's own settings let tests be found."""
    red = case.reproduction
    files = {*tree, *(red.files if red else ())}
    beside = next((t.partition("::")[0] for t in (red.failing if red else ()) if t.partition("::")[0] in files), "")
    folder = beside.rpartition("/")[0]
    name = f"test_nightshift_lesson_{stable_id('x', source).partition('-')[2]}.py"
    return f"{folder}/{name}" if folder else name


def _words(patch: Patch, said: Criticism) -> str:
    text = (
        f"{patch.fixer}'s change ({patch.kind or 'edit'}) of {', '.join(patch.files[:3])} was refuted: {said.refuted}"
    )
    return redact(" ".join(text.split()))[:_CHARS]
