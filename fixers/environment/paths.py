"""A path that leads nowhere, and the file it may mean: nearly the same name, or the same name in another folder."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterator, Mapping

_CLOSE, _MOST = 0.8, 3


def near_misses(wanted: str, tree: frozenset[str]) -> list[str]:
    """Tracked files and folders that a path may mean, the likeliest first."""
    if not wanted or wanted in tree:
        return []
    folders = {folder for path in tree for folder in _folders(path)}
    names = tree if posixpath.splitext(wanted)[1] else tree | folders
    base = posixpath.basename(wanted)
    same = sorted((p for p in names if posixpath.basename(p).casefold() == base.casefold()),
                  key=lambda p: -_alike(p, wanted))  # fmt: skip
    close = sorted((p for p in names if _alike(p, wanted) >= _CLOSE), key=lambda p: -_alike(p, wanted))
    return list(dict.fromkeys([*same, *close]))[:_MOST]


def rewritten(wanted: str, meant: str, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(path, new text) of files where a written-out part of the wrong path becomes that of the right one.

    A literal ``x`` of a wrong path ``a/x`` is replaced where the right one also begins with ``a/``.
    """
    parts = wanted.split("/")
    for start in range(len(parts)):
        head, tail = "/".join(parts[:start]), "/".join(parts[start:])
        if head and not meant.startswith(f"{head}/"):
            continue
        right = meant[len(head) + 1 :] if head else meant
        pattern = re.compile(rf"(?<=[\"'\s=/(:]){re.escape(tail)}(?=[\"'\s),;]|$)", re.MULTILINE)
        for path, text in files.items():
            if tail in text and (made := pattern.sub(lambda _: right, text)) != text:  # noqa: B023 - used at once
                yield path, made
    if posixpath.dirname(wanted) != posixpath.dirname(meant) and posixpath.basename(wanted) == posixpath.basename(
        meant
    ):
        yield from _folder_alone(posixpath.dirname(wanted), posixpath.dirname(meant), files)


def _folder_alone(wrong: str, right: str, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The folder is written out on its own, and the name joined to it."""
    pattern = re.compile(rf"(?<=[\"']){re.escape(wrong)}(?=/?[\"'])")
    for path, text in files.items():
        if wrong and wrong in text and (made := pattern.sub(lambda _: right, text)) != text:
            yield path, made


def _folders(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False).ratio()
