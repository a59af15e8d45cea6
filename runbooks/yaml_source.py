"""YAML that remembers its lines and can't be a bomb: size, aliases and values are capped, duplicate keys refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import BookError

MAX_BYTES = 64 * 1024
MAX_ALIASES = 20
MAX_VALUES = 5000
MAX_DEPTH = 30

Place = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise yaml.composer.ComposerError(None, None, f"more than {MAX_ALIASES} aliases", self.get_mark())
        return super().compose_node(parent, index)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Plain values and the line each of them stands in."""

    name: str
    data: Any
    lines: dict[Place, int]

    def at(self, place: Place) -> str:
        """`file:line` of a place, or of the nearest one above it."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.name}:{self.lines.get(place, 1)}"


@dataclass(kw_only=True)
class _Walk:
    name: str
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def visit(self, node: yaml.Node, place: Place) -> None:
        line = node.start_mark.line + 1
        if len(self.lines) >= MAX_VALUES or len(place) > MAX_DEPTH:
            raise BookError([f"{self.name}:{line}: too many values or levels"])
        self.lines.setdefault(place, line)
        if isinstance(node, yaml.SequenceNode):
            for at, item in enumerate(node.value):
                self.visit(item, (*place, at))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                self._key(key, seen)
                self.lines.setdefault((*place, str(key.value)), key.start_mark.line + 1)
                self.visit(value, (*place, str(key.value)))

    def _key(self, key: yaml.Node, seen: set[str]) -> None:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise BookError([f"{self.name}:{line}: a key must be a plain word"])
        if key.value in seen:
            self.problems.append(f"{self.name}:{line}: the key '{key.value}' stands here twice")
        seen.add(key.value)


def read(path: Path) -> Source:
    """Read a YAML file (safe loader). Raises BookError with `file:line: message` lines."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BookError([f"{path}:1: can't be read: {error.strerror}"]) from None
    if len(data) > MAX_BYTES:
        raise BookError([f"{path}:1: larger than {MAX_BYTES // 1024} KiB"])
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Source:
    """Like `read`, from bytes; `name` is the file's name in messages."""
    try:
        loader = _Loader(data)
        node = loader.get_single_node()
        if node is None:
            raise BookError([f"{name}:1: the file is empty"])
        walk = _Walk(name=name)
        walk.visit(node, ())
        if walk.problems:
            raise BookError(walk.problems)
        return Source(name=name, data=loader.construct_document(node), lines=walk.lines)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BookError([f"{name}:{line}: not YAML: {error.problem or error.context}"]) from None
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        raise BookError([f"{name}:1: not YAML: {str(error).splitlines()[0]}"]) from None
    except RecursionError:
        raise BookError([f"{name}:1: nested too deeply"]) from None
