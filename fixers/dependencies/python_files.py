"""The dependency files of Python projects: requirements with hashes, pyproject, Poetry's and uv's locks, Pipfile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nightshift.fixers.dependencies.containers import Container, Entry, normal, numbered

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_TABLE = re.compile(r"^\[\[?\s*([^\]\n]+?)\s*\]\]?[ \t]*(?:#.*)?$", re.MULTILINE)
_PACKAGE_NAME = re.compile(r'^name\s*=\s*"([^"\n]+)"', re.MULTILINE)
_FILES_ENTRY = re.compile(r'^"?([\w.-]+)"?\s*=\s*\[', re.MULTILINE)
_PAIR = re.compile(r'^"?([\w.-]+)"?\s*=', re.MULTILINE)
_ARRAY = re.compile(r'^"?([\w.-]+)"?\s*=\s*\[', re.MULTILINE)
_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_POETRY = re.compile(r"tool\.poetry\.(?:dependencies|dev-dependencies|group\.[^.]+\.dependencies)")


def requirements(text: str) -> Sequence[Container]:
    """A requirements or constraints file: one entry for each requirement with its hashes and the comments below it."""
    entries = numbered(_logical(text.splitlines(keepends=True)))
    return [Container(name="requirements", start=0, end=len(text), entries=entries)]


def _logical(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    at = 0
    while at < len(lines):
        first = at
        while lines[at].rstrip("\r\n").endswith("\\") and at + 1 < len(lines):
            at += 1
        at += 1
        name = "" if lines[first].lstrip().startswith(("#", "-")) else _name(lines[first])
        while name and at < len(lines) and re.match(r"[ \t]+#", lines[at]):
            at += 1
        yield name or f"#{''.join(lines[first:at])}", name, "".join(lines[first:at])


def _name(text: str) -> str:
    found = _NAME.match(text)
    return normal(found[1]) if found else ""


def lock(text: str) -> Sequence[Container]:
    """`poetry.lock` or `uv.lock`: a `[[package]]` table with all below it is an entry; so is, in Poetry's older
    format, each package's list of files."""
    heads = list(_TABLE.finditer(text))
    starts = [m.start() for m in heads if m[0].startswith("[[") and m[1] == "package"]
    if not starts:
        return []
    inner = re.compile(r"package(?:\..*)?")
    end = next((m.start() for m in heads if m.start() > starts[-1] and not inner.fullmatch(m[1])), len(text))
    chunks = [text[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)]
    found = [Container(name="package", start=starts[0], end=end, entries=numbered(map(_package, chunks)))]
    files = next((m for m in heads if m[1] == "metadata.files"), None)
    if files:
        stop = next((m.start() for m in heads if m.start() > files.start()), len(text))
        found.append(_pairs(text, "metadata.files", files.end() + 1, stop, _FILES_ENTRY))
    return found


def _package(chunk: str) -> tuple[str, str, str]:
    found = _PACKAGE_NAME.search(chunk)
    name = normal(found[1]) if found else ""
    return name, "" if _is_project(chunk) else name, chunk


def _is_project(chunk: str) -> bool:
    """uv lists the project itself, too."""
    return re.search(r"^source = \{ (?:virtual|editable|workspace)", chunk, re.MULTILINE) is not None


def _pairs(text: str, name: str, start: int, stop: int, head: re.Pattern[str]) -> Container:
    """Entries that begin with `name =`; what stands before the first one is a comment."""
    marks = list(head.finditer(text, start, stop))
    first = marks[0].start() if marks else stop
    edges = [*(m.start() for m in marks), stop]
    rows = [(normal(m[1]), normal(m[1]), text[a:b]) for m, a, b in zip(marks, edges, edges[1:], strict=False)]
    if rows and (gap := re.search(r"\n\s*\n$", rows[-1][2])):
        stop -= len(rows[-1][2]) - gap.start() - 1
        rows[-1] = (*rows[-1][:2], rows[-1][2][: gap.start() + 1])
    return Container(name=name, start=first, end=stop, entries=numbered(rows))


def pyproject(text: str) -> Sequence[Container]:
    """`pyproject.toml`: the lists of PEP 621 and of dependency groups, the tables of Poetry; nothing else."""
    found: list[Container] = []
    for name, start, stop in _tables(text):
        if name in ("project", "project.optional-dependencies", "dependency-groups", "tool.uv"):
            found += _arrays(text, name, start, stop)
        elif _POETRY.fullmatch(name):
            found.append(_pairs(text, name, start, stop, _PAIR))
    return found


def pipfile(text: str) -> Sequence[Container]:
    """`Pipfile`: the two tables of packages."""
    return [_pairs(text, name, start, stop, _PAIR) for name, start, stop in _tables(text)
            if name in ("packages", "dev-packages")]  # fmt: skip


def _tables(text: str) -> Iterator[tuple[str, int, int]]:
    heads = list(_TABLE.finditer(text))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        yield head[1].replace('"', "").replace(" ", ""), head.end() + 1, following.start() if following else len(text)


def _arrays(text: str, table: str, start: int, stop: int) -> Iterator[Container]:
    for head in _ARRAY.finditer(text, start, stop):
        listed = table != "project" or head[1] == "dependencies"
        if table == "tool.uv":
            listed = head[1] == "dev-dependencies"
        end = _closing(text, head.end(), stop)
        if listed and end:
            yield _array(text, f"{table}.{head[1]}", head.end(), end)


def _closing(text: str, at: int, stop: int) -> int:
    """Where the array ends that begins before `at`; 0 when it does not."""
    depth = 1
    while at < stop:
        found = _STRING.match(text, at)
        if found:
            at = found.end()
            continue
        if text[at] == "#":
            at = text.find("\n", at) if "\n" in text[at:stop] else stop
        depth += {"[": 1, "]": -1}.get(text[at : at + 1], 0)
        if not depth:
            return at
        at += 1
    return 0


def _array(text: str, name: str, start: int, end: int) -> Container:
    body = text[start:end]
    if "\n" not in body:
        tokens = [m[0] for m in _STRING.finditer(body)]
        lead = len(body) - len(body.lstrip())
        tail = len(body) - len(body.rstrip())
        entries = numbered((_name(token[1:]), _name(token[1:]), token) for token in tokens)
        return Container(name=name, start=start + lead, end=end - tail, entries=entries, glue=", ")
    first = start + body.index("\n") + 1
    last = text.rfind("\n", first - 1, end) + 1
    rows = numbered(_row(line) for line in text[first:last].splitlines(keepends=True))
    return Container(name=name, start=first, end=last, entries=rows)


def _row(line: str) -> tuple[str, str, str]:
    found = _STRING.match(line.strip())
    name = _name(found[0][1:]) if found else ""
    return name or f"#{line}", name, line


__all__ = ["Entry", "lock", "pipfile", "pyproject", "requirements"]
