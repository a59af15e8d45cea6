"""A dependency file as containers of entries, one package each, so that single packages can go back to an old version.

Everything is cut out of two versions of the same file and put together again byte for byte; nothing is written by us,
nothing is resolved. What is no entry (comments, settings) stays as it is now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One package's text. `key` is unique in its container; `package` '' is none (a comment): it always stays."""

    key: str
    package: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Container:
    """Entries that stand between `start` and `end` of a text, joined by `glue`."""

    name: str
    start: int
    end: int
    entries: tuple[Entry, ...]
    glue: str = ""


Reader = Callable[[str], Sequence[Container]]
"""The containers of a file's text, apart from each other, in order; none when it is not understood."""


def changed(now: str, then: str, readers: Sequence[Reader]) -> set[str]:
    """Packages whose entries differ between two versions of a file."""
    return {package for read in readers for package in _differing(_by_package(read(now)), _by_package(read(then)))}


def taken_back(now: str, then: str, readers: Sequence[Reader], packages: Collection[str]) -> str:
    """The text of `now` with the entries of some packages as they are in `then`: other, gone, or there again."""
    for read in readers:
        old = {container.name: container for container in read(then)}
        for container in reversed(read(now)):
            if container.name in old:
                entries = _mixed(container.entries, old[container.name].entries, packages)
                if entries != list(container.entries):
                    body = container.glue.join(entry.text for entry in entries)
                    now = now[: container.start] + body + now[container.end :]
    return now


def numbered(entries: Iterable[tuple[str, str, str]]) -> tuple[Entry, ...]:
    """Entries of (key, package, text) whose keys may come again: the second is `key#2`."""
    seen: dict[str, int] = {}
    made = []
    for key, package, text in entries:
        seen[key] = seen.get(key, 0) + 1
        made.append(Entry(key=key if seen[key] == 1 else f"{key}#{seen[key]}", package=package, text=text))
    return tuple(made)


def normal(name: str) -> str:
    """A Python distribution's name as indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _by_package(containers: Iterable[Container]) -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    for container in containers:
        for entry in container.entries:
            if entry.package:
                text = entry.text.strip().rstrip(",")
                found.setdefault(entry.package, []).append((container.name, entry.key, text))
    return found


def _differing(one: dict[str, list[tuple[str, str, str]]], other: dict[str, list[tuple[str, str, str]]]) -> set[str]:
    return {package for package in {*one, *other} if one.get(package) != other.get(package)}


def _mixed(now: Sequence[Entry], then: Sequence[Entry], packages: Collection[str]) -> list[Entry]:
    old = {entry.key: entry for entry in then}
    mine = [old.get(entry.key) if entry.package and entry.package in packages else entry for entry in now]
    made = [entry for entry in mine if entry is not None]
    before = ""
    for entry in then:
        keys = [other.key for other in made]
        if entry.package in packages and entry.package and entry.key not in keys:
            made.insert(keys.index(before) + 1 if before in keys else _front(made), entry)
        before = entry.key if entry.key in {other.key for other in made} else before
    return made


def _front(entries: Sequence[Entry]) -> int:
    """Where an entry goes that none of the present ones came before: behind a head of comments."""
    return next((at for at, entry in enumerate(entries) if entry.package), len(entries))
