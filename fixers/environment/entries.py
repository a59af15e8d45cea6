"""A key of one configuration file put into another of its kind: as text, in place, comments and order kept.

YAML, TOML, JSON and INI. The entry is copied as the other file spells it; nothing is written out by a library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from nightshift.fixers.dependencies.json_files import members

_HEAD = re.compile(r"^\[\s*([^\[\]\n]+?)\s*\][ \t]*(?:[#;].*)?$", re.MULTILINE)
_LINE = re.compile(r"^([\w.-]+|\"[^\"\n]+\")[ \t]*[=:]", re.MULTILINE)
_MOST_BYTES = 1 << 20

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a file: its entries' texts by key in order, where a new one goes, and how it is set in there."""

    entries: Mapping[str, str]
    ends: Mapping[str, int]
    start: int
    indent: str = ""
    glue: str = ""


Tables = Mapping[Path, Table]


def tables_of(path: str, text: str) -> Tables:
    """Every table by its path, the outermost as (); {} for a file of another kind or one that can't be read."""
    read = _READERS.get(PurePosixPath(path).suffix.lower())
    if read is None or len(text) > _MOST_BYTES:
        return {}
    try:
        return read(text)
    except (ValueError, KeyError, IndexError, RecursionError):
        return {}


def is_settings(path: str) -> bool:
    """Whether a file is of a kind that is read here."""
    return PurePosixPath(path).suffix.lower() in _READERS


def inserted(text: str, into: Table, key: str, entry: str, indent: str, after: Mapping[str, str]) -> str:
    """The text with an entry of another file (`indent` there, `after` its table's entries) put into a table: behind
    the entry it follows there, else at the end."""
    before = list(after)[: list(after).index(key)] if key in after else []
    neighbour = next((name for name in reversed(before) if name in into.ends), next(reversed(list(into.ends)), ""))
    lines = entry.split("\n")
    moved = [into.indent + line.removeprefix(indent) if n or not into.glue else line for n, line in enumerate(lines)]
    entry = "\n".join(line.rstrip() if not line.strip() else line for line in moved)
    at = into.ends.get(neighbour, into.start)
    if into.glue:
        return text[:at] + into.glue + entry + text[at:] if neighbour else text
    head = "" if at == 0 or text[at - 1] == "\n" else "\n"
    return text[:at] + head + entry.rstrip("\n") + "\n" + text[at:]


def _json(text: str) -> Tables:
    found: dict[Path, Table] = {}

    def walk(path: Path, at: int) -> None:
        inside = members(text, at)
        spans = list(inside.values())
        if not spans:
            return
        lead = text[len(text[: spans[0][0]].rstrip()) : spans[0][0]]
        found[path] = Table(entries={k: text[s[0] : s[2]] for k, s in inside.items()},
                            ends={k: s[2] for k, s in inside.items()}, start=spans[0][0], glue="," + lead,
                            indent=lead.rpartition("\n")[2])  # fmt: skip
        for key, span in inside.items():
            if text[span[1]] == "{":
                walk((*path, key), span[1])

    walk((), 0)
    return found


def _sectioned(text: str) -> Tables:
    """TOML and INI: sections of `key = value` lines; a value goes on until the next key or a blank line."""
    heads = list(_HEAD.finditer(text))
    bounds = [(None, 0), *((m, m.end() + 1) for m in heads)]
    found: dict[Path, Table] = {}
    for at, (head, start) in enumerate(bounds):
        stop = heads[at].start() if at < len(heads) else len(text)
        path = tuple(part.strip().strip('"') for part in head[1].split(".")) if head else ()
        marks = list(_LINE.finditer(text, start, stop))
        edges = [*(m.start() for m in marks), stop]
        rows = {m[1].strip('"'): (a, _end(text, a, b)) for m, a, b in zip(marks, edges, edges[1:], strict=False)}
        found[path] = Table(entries={k: text[a:b] for k, (a, b) in rows.items()},
                            ends={k: b for k, (_, b) in rows.items()}, start=min(start, len(text)))  # fmt: skip
    return found


def _end(text: str, start: int, stop: int) -> int:
    """Where an entry ends that the next one, or the section's end, follows: without the comments of that one."""
    lines = text[start:stop].splitlines(keepends=True)
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith(("#", ";"))):
        lines.pop()
    return start + sum(map(len, lines))


def _yaml(text: str) -> Tables:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    found: dict[Path, Table] = {}
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def walk(path: Path, node: object) -> None:
        if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
            return
        rows = [(str(key.value), starts[key.start_mark.line]) for key, _ in node.value]
        last = node.value[-1][1].end_mark
        stop = starts[last.line] if last.column == 0 else starts[min(last.line + 1, len(starts) - 1)]
        edges = [*(at for _, at in rows), max(stop, rows[-1][1])]
        spans = {key: (a, _end(text, a, b)) for (key, a), b in zip(rows, edges[1:], strict=True)}
        indent = " " * node.value[0][0].start_mark.column
        found[path] = Table(entries={k: text[a:b] for k, (a, b) in spans.items()},
                            ends={k: b for k, (_, b) in spans.items()}, start=rows[0][1], indent=indent)  # fmt: skip
        for key, value in node.value:
            walk((*path, str(key.value)), value)

    walk((), root)
    return found


_READERS: Mapping[str, Callable[[str], Tables]] = {
    ".json": _json, ".yaml": _yaml, ".yml": _yaml, ".toml": _sectioned, ".ini": _sectioned, ".cfg": _sectioned,
    ".conf": _sectioned,
}  # fmt: skip
