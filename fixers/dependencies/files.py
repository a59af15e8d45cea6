"""Which files say what is installed, and what of an old version of them goes with packages that go back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from nightshift.fixers.dependencies import json_files, python_files
from nightshift.fixers.dependencies.containers import Reader, changed, taken_back

_READERS: Mapping[str, tuple[Reader, ...]] = {
    "pyproject.toml": (python_files.pyproject,),
    "poetry.lock": (python_files.lock,),
    "uv.lock": (python_files.lock,),
    "Pipfile": (python_files.pipfile,),
    "Pipfile.lock": (json_files.pipfile_lock,),
    "package.json": (json_files.package_json,),
    "package-lock.json": (json_files.package_lock, json_files.package_lock_root),
    "npm-shrinkwrap.json": (json_files.package_lock, json_files.package_lock_root),
}
_REQUIREMENTS = re.compile(r"(?:.*/)?(?:(?:[\w.-]*requirements|constraints)[\w.-]*\.txt|requirements/[\w.-]+\.txt)")
_ELSEWHERE = ("node_modules", "vendor", "site-packages", "third_party")
_SEALS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "poetry.lock": ("pyproject.toml", re.compile(r'^content-hash = "[0-9a-f]*"$', re.MULTILINE)),
    "Pipfile.lock": ("Pipfile", re.compile(r'(?<="hash": \{)\s*"sha256": "[0-9a-f]*"')),
}
"""Locks that carry a digest of what they were made from."""


def readers_of(path: str) -> tuple[Reader, ...]:
    """How a file is read; () when it says nothing of dependencies."""
    if set(PurePosixPath(path).parts[:-1]) & set(_ELSEWHERE):
        return ()
    if _REQUIREMENTS.fullmatch(path):
        return (python_files.requirements,)
    return _READERS.get(PurePosixPath(path).name, ())


def packages_changed(now: Mapping[str, str], then: Mapping[str, str]) -> list[str]:
    """Packages that some file has in another version, sorted; both map paths to texts."""
    found = (changed(text, then[path], readers_of(path)) for path, text in now.items() if path in then)
    return sorted(set().union(*found))


def unbumped(now: Mapping[str, str], then: Mapping[str, str], packages: Sequence[str]) -> dict[str, str]:
    """The files that change when these packages go back to what they were, with their new texts."""
    made = {path: taken_back(text, then[path], readers_of(path), frozenset(packages))
            for path, text in now.items() if path in then}  # fmt: skip
    for path, text in made.items():
        made[path] = _sealed(path, text, made, then)
    return {path: text for path, text in made.items() if text != now[path]}


def _sealed(path: str, text: str, made: Mapping[str, str], then: Mapping[str, str]) -> str:
    """A lock's digest is the old one again where what it was made from is."""
    manifest, seal = _SEALS.get(PurePosixPath(path).name, ("", None))
    source = str(PurePosixPath(path).with_name(manifest)) if manifest else ""
    old = seal.search(then[path]) if seal else None
    if seal is None or old is None or source not in made or made[source] != then[source]:
        return text
    return seal.sub(lambda _: old[0], text, count=1)
