"""What a path pattern means: which folder must be watched for it, and which paths it covers."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable

States = frozenset[int]
"""Where in a pattern a folder stands: the parts that may come next."""


def root_of(pattern: str) -> tuple[str, bool]:
    """The deepest folder of a pattern without wildcards, and whether folders below it matter too."""
    folder = os.path.dirname(pattern)
    recursive = False
    while glob.has_magic(folder):
        folder, recursive = os.path.dirname(folder), True
    return folder, recursive or os.path.basename(pattern) == "**"


def roots(patterns: Iterable[str]) -> dict[str, bool]:
    """Distinct folders to watch → recursive; folders inside a recursively watched one are left out."""
    wanted: dict[str, bool] = {}
    for folder, recursive in map(root_of, patterns):
        wanted[folder] = wanted.get(folder, False) or recursive
    deep = [folder for folder, recursive in wanted.items() if recursive]
    inside = {f for f in wanted for d in deep if f != d and f.startswith(d.rstrip("/") + "/")}
    return {folder: recursive for folder, recursive in wanted.items() if folder not in inside}


class Matcher:
    """Whether a path matches a pattern the way `glob` would list it (no wildcard matches a leading dot)."""

    def __init__(self, pattern: str) -> None:
        self._plain = None if glob.has_magic(pattern) else pattern
        *folders, last = pattern.split("/")
        parts = ["(?:(?!\\.)[^/]+/)*" if part == "**" else _translated(part) + "/" for part in folders]
        parts.append("(?:(?!\\.)[^/]+/)*(?!\\.)[^/]+" if last == "**" else _translated(last))
        self._pattern = re.compile("".join(parts) + r"\Z", re.DOTALL)

    def __call__(self, path: str) -> bool:
        return path == self._plain if self._plain is not None else self._pattern.match(path) is not None


class Glob:
    """A pattern taken one folder at a time, so that only folders that can lead to a match are entered.

    It is a small nondeterministic automaton over the parts of the pattern; ``**`` stays where it is.
    """

    def __init__(self, pattern: str) -> None:
        self.root = root_of(pattern)[0]
        parts = pattern[len(self.root) :].strip("/").split("/")
        parts += ["*"] if parts[-1] == "**" else []
        self._parts = [None if part == "**" else re.compile(_translated(part) + r"\Z", re.DOTALL) for part in parts]
        self._last = len(parts) - 1

    def start(self) -> States:
        """At the root."""
        return self._closure({0})

    def enter(self, states: States, name: str, *, link: bool = False) -> States:
        """Inside the folder `name`; empty when nothing below can match. ``**`` does not follow links."""
        found = set()
        for state in states:
            part = self._parts[state]
            if part is None:
                found |= {state} if name[:1] != "." and not link else set()
            elif state < self._last and part.match(name):
                found.add(state + 1)
        return self._closure(found)

    def takes(self, states: States, name: str) -> bool:
        """Whether a file of that name, here, is one of the pattern's."""
        part = self._parts[self._last]
        return self._last in states and part is not None and part.match(name) is not None

    def _closure(self, states: set[int]) -> States:
        for state in sorted(states):
            while self._parts[state] is None:
                state += 1
                states.add(state)
        return frozenset(states)


def _translated(part: str) -> str:
    """One part of a path as a regular expression that stays within the part."""
    hidden = r"(?!\.)" if part[:1] in ("*", "?", "[") else ""
    return hidden + fnmatch.translate(part).removeprefix("(?s:")[:-3].replace(".*", "[^/]*")
