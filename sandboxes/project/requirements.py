"""Requirement files as pip reads them, statically: includes are followed inside the tree, options are not obeyed.

A repository's own `--index-url` and URL requirements would lead to hosts nobody allowed, so they are dropped and told.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, field

from nightshift.sandboxes.project.plan import name_of
from nightshift.sandboxes.project.tree import Tree

_RUN = re.compile(r"requirements\.txt$|requirements/(base|main|requirements|prod|common)\.txt$")
_TEST = re.compile(
    r"(requirements[-_.]?(dev|test|tests|testing|development)|(dev|test|tests|testing)[-_.]requirements"
    r"|requirements/(dev|test|tests|testing|development)|tests?/requirements)\.txt$"
)
_HASH = re.compile(r"\s*--hash[= ]\s*sha256:([0-9a-f]{64})")
_OPTION = re.compile(r"\s+--?[a-z][\w-]*([= ]\S+)?")
_URL = re.compile(r"^(?:[a-z+]+://|git@)|\s@\s|^\.{0,2}/|\.(?:whl|zip|tar\.gz)(?:$|[#\s])", re.IGNORECASE)
_SELF = re.compile(r"^(?:-e|--editable)?[\s=]*\.(?:\[([\w,\s-]+)\])?\s*$")


@dataclass(kw_only=True)
class Lines:
    """What requirement files say. `extras` are those of the project itself (``-e .[test]``)."""

    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    hashes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    extras: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def run_files(tree: Tree) -> list[str]:
    """The files that say what the program needs."""
    return sorted(path for path in tree.names if _RUN.fullmatch(path))


def test_files(tree: Tree) -> list[str]:
    """The files that say what its tests need."""
    return sorted(path for path in tree.names if _TEST.fullmatch(path))


test_files.__test__ = False  # type: ignore[attr-defined]


def read(tree: Tree, paths: list[str]) -> Lines:
    """Everything the files say, includes followed."""
    said, seen = Lines(), set[str]()
    for path in paths:
        _file(tree, path, said, seen, constraints=False)
    return said


def _file(tree: Tree, path: str, said: Lines, seen: set[str], *, constraints: bool) -> None:
    if path in seen or path.startswith("../") or len(seen) > 50:
        return
    seen.add(path)
    for line in logical(tree.text(path)):
        _line(tree, path, line, said, seen, constraints=constraints)


def _line(tree: Tree, path: str, line: str, said: Lines, seen: set[str], *, constraints: bool) -> None:
    if found := re.match(r"(-r|--requirement|-c|--constraint)[\s=]*([^\s=]\S*)$", line):
        other = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[2]))
        _file(tree, other, said, seen, constraints=constraints or found[1] in ("-c", "--constraint"))
    elif found := _SELF.match(line):
        said.extras += [extra.strip() for extra in (found[1] or "").split(",") if extra.strip()]
    elif elsewhere(_OPTION.sub("", line)):
        said.dropped.append(f"{path}: {line[:120]}")
    elif name := name_of(line):
        said.hashes[name].update(_HASH.findall(line))
        bare = _OPTION.sub("", line).strip()
        (said.constraints if constraints else said.lines).append(bare)


def elsewhere(line: str) -> bool:
    """Whether a declared line is none that an index answers: an address, an option, or several lines in one."""
    return len(line.splitlines()) > 1 or line.startswith("-") or bool(_URL.search(line.partition(";")[0]))


def logical(text: str) -> list[str]:
    """Lines as pip sees them: comments gone, continued lines joined."""
    joined = re.sub(r"\\\r?\n", " ", text)
    # Blanks are made one: long runs of them would take the patterns above quadratic time.
    stripped = (re.sub(r"(^|\s)#.*$", "", " ".join(line.split())).strip() for line in joined.splitlines())
    return [line for line in stripped if line]
