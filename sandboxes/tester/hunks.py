"""A patch as single hunks, finer than a diff's: runs of changed lines, each of which can be left out on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from nightshift.sandboxes.tester.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Hunk:
    """Lines `start:stop` of a file at base become `new`; `whole` for a file that is added or removed."""

    path: str
    start: int = 0
    stop: int = 0
    new: tuple[bytes, ...] = ()
    whole: bool = False


def hunks_of(trial: Trial) -> list[Hunk]:
    """The patch's hunks, in order of files and lines."""
    found: list[Hunk] = []
    for path, (before, after) in sorted(trial.sources.items()):
        if before is None or after is None:
            found.append(Hunk(path=path, whole=True))
            continue
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
        steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        found += [Hunk(path=path, start=i, stop=j, new=tuple(new[m:n])) for t, i, j, m, n in steps if t != "equal"]
    return found


def tree_with(trial: Trial, hunks: Sequence[Hunk]) -> str:
    """The tree of base with only these hunks applied. Raises GitError."""
    written: dict[str, bytes] = {}
    for path, (before, after) in trial.sources.items():
        mine = [hunk for hunk in hunks if hunk.path == path]
        if mine and mine[0].whole and after is not None:
            written[path] = after
        elif mine and before is not None:
            written[path] = _applied(before, mine)
    return trial.repo.with_files(trial.case.base, written)


def _applied(before: bytes, hunks: Sequence[Hunk]) -> bytes:
    lines = before.splitlines(keepends=True)
    for hunk in sorted(hunks, key=lambda h: h.start, reverse=True):
        lines[hunk.start : hunk.stop] = hunk.new
    return b"".join(lines)
