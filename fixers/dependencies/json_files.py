"""The dependency files that are JSON: `package.json`, npm's lock, `Pipfile.lock`. Members are cut out as they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from nightshift.fixers.dependencies.containers import Container, normal, numbered

_SPACE = re.compile(r"[ \t\r\n]*")
_MAPS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_DECODER = json.JSONDecoder()

Span = tuple[int, int, int]
"""Where a member's key begins, where its value begins, where its value ends."""


def package_json(text: str) -> Sequence[Container]:
    """The four maps of dependencies."""
    return _containers(text, [(name,) for name in _MAPS], str)


def package_lock(text: str) -> Sequence[Container]:
    """npm's lock: `packages` (by path below node_modules) and, in older ones, `dependencies`."""
    old = _containers(text, [("dependencies",)], str)
    return sorted([*_containers(text, [("packages",)], _installed), *old], key=lambda container: container.start)


def package_lock_root(text: str) -> Sequence[Container]:
    """What npm's lock repeats of `package.json`."""
    return _containers(text, [("packages", "", name) for name in _MAPS], str)


def pipfile_lock(text: str) -> Sequence[Container]:
    """Pipenv's two sections."""
    return _containers(text, [("default",), ("develop",)], normal)


def _installed(path: str) -> str:
    """The package at a path of the lock; '' for the project itself and its workspaces."""
    return path.rpartition("node_modules/")[2] if "node_modules/" in path else ""


def members(text: str, at: int) -> dict[str, Span]:
    """The members of the object that begins at `at`; raises ValueError when there is none."""
    found: dict[str, Span] = {}
    at = _skipped(text, at)
    if text[at : at + 1] != "{":
        raise ValueError("no object")
    at = _skipped(text, at + 1)
    while text[at : at + 1] != "}":
        key, after = json.decoder.scanstring(text, at + 1)  # type: ignore[attr-defined]
        value = _skipped(text, _skipped(text, after) + 1)
        _, end = _DECODER.raw_decode(text, value)
        found[key] = (at, value, end)
        at = _skipped(text, end)
        at = _skipped(text, at + 1) if text[at : at + 1] == "," else at
        if at >= len(text):
            raise ValueError("the object has no end")
    return found


def _skipped(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _containers(text: str, paths: Sequence[tuple[str, ...]], package: object) -> list[Container]:
    found = list(_found(text, paths, package))
    return sorted(found, key=lambda container: container.start)


def _found(text: str, paths: Sequence[tuple[str, ...]], package: object) -> Iterator[Container]:
    for path in paths:
        try:
            at = 0
            for key in path:
                at = members(text, at)[key][1]
            inside = members(text, at)
        except (KeyError, ValueError, IndexError, RecursionError):
            continue
        if inside:
            yield _container(text, "/".join(path), inside, package)


def _container(text: str, name: str, inside: dict[str, Span], package: object) -> Container:
    spans = list(inside.values())
    glue = text[spans[0][2] : spans[1][0]] if len(spans) > 1 else "," + _before(text, spans[0][0])
    rows = [(key, str(package(key)), text[span[0] : span[2]]) for key, span in inside.items()]  # type: ignore[operator]
    return Container(name=name, start=spans[0][0], end=spans[-1][2], entries=numbered(rows), glue=glue)


def _before(text: str, at: int) -> str:
    """The white space before a key."""
    return text[len(text[:at].rstrip(" \t\r\n")) : at]
