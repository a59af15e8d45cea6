"""What a path pattern means: which folder must be watched for it, and which paths it covers."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable


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


def _translated(part: str) -> str:
    """One part of a path as a regular expression that stays within the part."""
    hidden = r"(?!\.)" if part[:1] in ("*", "?", "[") else ""
    return hidden + fnmatch.translate(part).removeprefix("(?s:")[:-3].replace(".*", "[^/]*")
