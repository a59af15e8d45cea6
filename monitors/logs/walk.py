"""Finding the files of many patterns without asking the disk for all of them at once.

`glob` over ten thousand folders takes a quarter of a second in which nobody reads; here the walk is a generator
that does one folder at a time, and it enters no folder that can't lead to a match.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from nightshift.monitors.logs.patterns import Glob, States

_DEEPEST = 64


class Walk:
    """The folders that matter for a set of patterns, and the files in them that are wanted."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._globs = [Glob(pattern) for pattern in patterns]
        self.roots = sorted({glob.root for glob in self._globs})

    def folders(self) -> Iterator[str]:
        """Every folder that matters, as long as it exists; the caller watches it, then asks for its `files`."""
        for root in self.roots:
            yield from self._below(root, self._start(root), 0)

    def below(self, folder: str) -> Iterator[str]:
        """The same from one folder on; nothing when it does not matter."""
        states = self._states(folder)
        if any(states):
            yield from self._below(folder, states, 0)

    def files(self, folder: str) -> list[str]:
        """The wanted files of one folder, whatever they are (regular or not), in the order of their names."""
        states = self._states(folder)
        return sorted(path for name, path, is_folder in _entries(folder) if not is_folder and self._takes(states, name))

    def _takes(self, states: list[States], name: str) -> bool:
        return any(glob.takes(state, name) for glob, state in zip(self._globs, states, strict=True))

    def _start(self, root: str) -> list[States]:
        return [glob.start() if glob.root == root else frozenset() for glob in self._globs]

    def _enter(self, states: list[States], name: str, *, link: bool) -> list[States]:
        return [glob.enter(state, name, link=link) for glob, state in zip(self._globs, states, strict=True)]

    def _states(self, folder: str) -> list[States]:
        found: list[States] = []
        for glob in self._globs:
            state: States = frozenset()
            if folder == glob.root:
                state = glob.start()
            elif folder.startswith(glob.root.rstrip("/") + "/"):
                state = glob.start()
                for name in folder[len(glob.root.rstrip("/")) + 1 :].split("/"):
                    state = glob.enter(state, name)
            found.append(state)
        return found

    def _below(self, folder: str, states: list[States], depth: int) -> Iterator[str]:
        yield folder
        if depth >= _DEEPEST:
            return
        for name, path, is_folder in _entries(folder):
            if is_folder and any(inner := self._enter(states, name, link=os.path.islink(path))):
                yield from self._below(path, inner, depth + 1)


def _entries(folder: str) -> list[tuple[str, str, bool]]:
    """Name, path, whether it is a folder; nothing for a folder that is gone or closed to us."""
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.path, _is_folder(entry)) for entry in entries]
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
