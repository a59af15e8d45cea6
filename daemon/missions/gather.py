"""Evidence first: from an incident's frames, as production printed them, to places in the repository's tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from nightshift.daemon.missions.script_frames import Read, original, told
from nightshift.daemon.model import Diagnosis, Frame, Signal, Suspect

_FOREIGN = ("site-packages/", "dist-packages/", "<frozen ", "<string>", "lib/python3", "node_modules/")


def diagnose(signal: Signal, tree: Sequence[str], read: Read = lambda _: None) -> Diagnosis:
    """A diagnosis whose frames are relative to the repository; frames that point elsewhere are dropped.

    `read` gives a file of the tree: with it, frames of built JavaScript are led back to their sources.
    """
    frames = tuple(f for f in (_in_tree(frame, tree, read) for frame in told(signal)) if f)
    suspects = tuple(
        Suspect(path=f.path, line=f.line, function=f.function, weight=1 / (1 + depth), why="frame of the traceback")
        for depth, f in enumerate(reversed(frames))
    )
    return Diagnosis(
        title=signal.title,
        exception=signal.exception,
        message=signal.message,
        frames=frames,
        suspects=suspects,
        sample=signal.sample,
    )


def _in_tree(frame: Frame, tree: Sequence[str], read: Read) -> Frame | None:
    path = frame.path.replace("\\", "/")
    if path.startswith("node:") or any(mark in path for mark in _FOREIGN):
        return None
    match = locate(path, tree)
    found = replace(frame, path=match or path)
    return original(found, tree, read) or (found if match else None)


def locate(path: str, tree: Sequence[str]) -> str:
    """The file of the tree with the longest common tail with a path of production; '' when none or ambiguous."""
    if path in tree:
        return path
    parts = PurePosixPath(path).parts
    scored = sorted(((_common_tail(parts, PurePosixPath(f).parts), f) for f in tree), reverse=True)[:2]
    if not scored or not scored[0][0] or (len(scored) > 1 and scored[0][0] == scored[1][0]):
        return ""
    return scored[0][1]


def _common_tail(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    count = 0
    for x, y in zip(reversed(a), reversed(b), strict=False):
        if x != y:
            break
        count += 1
    # A tail shorter than the tree's path needs at least the whole repository path or two parts to be evidence.
    return count if count == len(b) or count >= 2 else 0
