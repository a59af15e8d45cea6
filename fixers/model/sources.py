"""Which files a model gets to see: what lies around the crash, read from the bare repository, within a budget."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo, Entry
from nightshift.daemon.model import Case

from .cleaning import clean

_MENTION = re.compile(r"(?:File \")?([\w./-]{1,200}\.\w{1,8})(?:\", line |:)(\d{1,7})")
_IMPORT = re.compile(r"^\s*(?:from|import)\s+([\w.]{1,200})", re.MULTILINE)
_AROUND = 40
_MAX_BLOB = 512 * 1024
_MAX_FILES = 12


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line of a file worth showing; line 0 means the file as such."""

    path: str
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """Verbatim lines of a file (redacted); `first` is the number of the first line shown."""

    path: str
    first: int
    last: int
    whole: bool
    text: str

    @property
    def title(self) -> str:
        """How the excerpt is announced."""
        return self.path if self.whole else f"{self.path} (lines {self.first}-{self.last})"


def files_of(repo: BareRepo, commit: str) -> dict[str, Entry]:
    """The regular files of a tree by path."""
    return {e.path: e for e in repo.entries(commit) if e.mode in (0o100644, 0o100755)}


def places(case: Case, tree: Iterable[str], read: dict[str, str] | None = None) -> list[Place]:
    """Where to look, most telling first: crash frames, suspects, failing tests, files that evidence or tests name.

    `read` holds the text of files whose imports count as hints (the failing tests), by path.
    """
    known = set(tree)
    found = [p for p in _hints(case, read or {}, known) if p.path in known]
    return list(dict.fromkeys(found))


def _hints(case: Case, read: dict[str, str], known: set[str]) -> Iterator[Place]:
    for frame in reversed(case.diagnosis.frames):
        yield Place(path=frame.path, line=frame.line)
    for suspect in sorted(case.diagnosis.suspects, key=lambda s: -s.weight):
        yield Place(path=suspect.path, line=suspect.line)
    evidence = case.reproduction.evidence if case.reproduction else ""
    for text in (case.diagnosis.sample, evidence):
        for path, line in reversed(_MENTION.findall(text[-65536:])):
            yield Place(path=_rooted(path, known), line=int(line))
    for path in failing_paths(case):
        yield Place(path=path)
    for text in read.values():
        for module in _IMPORT.findall(text):
            yield from (Place(path=p) for p in _files_of_module(module))


def failing_paths(case: Case) -> tuple[str, ...]:
    """The files of the tests that must become green."""
    failing = case.reproduction.failing if case.reproduction else ()
    return tuple(dict.fromkeys(test.partition("::")[0] for test in failing))


def _rooted(path: str, known: set[str]) -> str:
    """An absolute or prefixed path as the tree has it: its longest tail that is a file there."""
    parts = [p for p in path.split("/") if p not in ("", ".")]
    tails = ("/".join(parts[at:]) for at in range(len(parts)))
    return next((tail for tail in tails if tail in known), path)


def _files_of_module(module: str) -> Iterator[str]:
    stem = module.replace(".", "/")
    for root in ("", "src/"):
        yield f"{root}{stem}.py"
        yield f"{root}{stem}/__init__.py"


def excerpts(repo: BareRepo, tree: dict[str, Entry], wanted: list[Place], budget_chars: int) -> list[Excerpt]:
    """The wanted places as excerpts, best first, together at most `budget_chars` long."""
    shown: list[Excerpt] = []
    left = budget_chars
    for path in list(dict.fromkeys(p.path for p in wanted))[:_MAX_FILES]:
        text = text_of(repo, tree[path])
        if text is None or left < 200:
            continue
        lines = [p.line for p in wanted if p.path == path and p.line]
        for excerpt in _around(path, text, lines, left):
            shown.append(excerpt)
            left -= len(excerpt.text) + 100
    return shown


def text_of(repo: BareRepo, entry: Entry) -> str | None:
    """A blob as text; None when it is too large or not UTF-8."""
    if int(repo.out("cat-file", "-s", entry.blob)) > _MAX_BLOB:
        return None
    data = repo.blobs([entry.blob])[entry.blob]
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _around(path: str, text: str, lines: list[int], budget: int) -> Iterator[Excerpt]:
    rows = text.splitlines()
    if len(text) <= min(budget, max(6000, budget // 2)):
        yield _cut(path, rows, 1, len(rows))
        return
    for first, last in _windows(lines or [1], len(rows)):
        excerpt = _cut(path, rows, first, last)
        if len(excerpt.text) <= budget:
            budget -= len(excerpt.text)
            yield excerpt


def _windows(lines: list[int], count: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for line in sorted(n for n in lines if n <= count):
        first, last = max(1, line - _AROUND), min(count, line + _AROUND)
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return spans


def _cut(path: str, rows: list[str], first: int, last: int) -> Excerpt:
    body = "\n".join(rows[first - 1 : last])
    whole = first == 1 and last == len(rows)
    return Excerpt(path=path, first=first, last=last, whole=whole, text=clean(body, len(body) + 100))
