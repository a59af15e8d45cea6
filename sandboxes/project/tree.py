"""The files of a commit, read from the daemon's own repository and never executed."""

from __future__ import annotations

import configparser
import tomllib
from functools import cached_property
from typing import Any

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.ports import EnvironmentBroke

_LIMIT_BYTES = 8 << 20


class Tree:
    """One tree of a bare repository. What is too big, not UTF-8 or not well-formed counts as absent."""

    def __init__(self, repo: str, treeish: str) -> None:
        self._repo, self._treeish = BareRepo(repo), treeish
        self._texts: dict[str, str] = {}

    @cached_property
    def names(self) -> frozenset[str]:
        """Every path. Raises EnvironmentBroke when the tree can't be read."""
        try:
            return frozenset(entry.path for entry in self._repo.entries(self._treeish))
        except (GitError, OSError) as error:
            raise EnvironmentBroke(f"the tree of {self._treeish[:12]} can't be read: {error}") from error

    def text(self, path: str) -> str:
        """A file's text, '' when there is none."""
        if path not in self.names:
            return ""
        if path not in self._texts:
            data = self._repo.read(self._treeish, path) or b""
            self._texts[path] = data.decode("utf-8", "replace") if len(data) < _LIMIT_BYTES else ""
        return self._texts[path]

    def toml(self, path: str) -> dict[str, Any]:
        """A TOML file's content, {} when it is absent or malformed."""
        try:
            return tomllib.loads(self.text(path))
        except (ValueError, RecursionError):
            return {}

    def ini(self, path: str) -> dict[str, dict[str, str]]:
        """An INI file's sections, {} when it is absent or malformed."""
        parser = configparser.RawConfigParser(strict=False, delimiters=("=", ":"), comment_prefixes=("#", ";"))
        try:
            parser.read_string(self.text(path))
        except configparser.Error:
            return {}
        return {name: dict(parser.items(name)) for name in parser.sections()}


def at(data: Any, *keys: str) -> Any:
    """What stands below the keys of nested tables, None where a step is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def table(data: Any, *keys: str) -> dict[str, Any]:
    """The table below the keys, {} where there is none."""
    found = at(data, *keys)
    return found if isinstance(found, dict) else {}


def words(data: Any, *keys: str) -> list[str]:
    """The strings of the list below the keys."""
    found = at(data, *keys)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
