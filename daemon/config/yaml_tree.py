"""YAML with line numbers. Plain YAML loaders forget where a value stood, accept duplicate keys and expand aliases
without end; a configuration error must name its line, and a configuration must not be a bomb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from nightshift.daemon.config.errors import ConfigError, Place, spell

MAX_BYTES = 256 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 30
_PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_NO_TAGS = "tags (!…) are not allowed"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Plain values and the 1-based line of each of them."""

    data: Mapping[str, Any]
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one above it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def parse(text: str, name: str) -> Tree:
    """Read YAML text; `name` is the file's name in messages. Raises ConfigError."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ConfigError([f"{name}:1: larger than {MAX_BYTES // 1024} KiB; a configuration is not"])
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        reader = _Reader(name=name, loader=loader)
        data = {} if node is None else reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_marked(error, name)]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{name}:1: not YAML: {str(error).splitlines()[0]}"]) from None
    except RecursionError:
        raise ConfigError([f"{name}:1: nested too deeply"]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError([f"{name}:1: the file must be a mapping of keys to values, not a {_kind(data)}"])
    if reader.problems:
        raise ConfigError(reader.problems)
    return Tree(data=data, lines=reader.lines)


@dataclass(kw_only=True)
class _Reader:
    name: str
    loader: yaml.SafeLoader
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    count: int = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.count += 1
        if self.count > MAX_VALUES or len(place) > MAX_DEPTH:
            raise ConfigError([f"{self.name}:{_line(node)}: {spell(place)}: too many values or levels (aliases?)"])
        self.lines.setdefault(place, _line(node))
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN:
            self._wrong(node, place, _NO_TAGS)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, at)) for at, item in enumerate(node.value)]
        return self.loader.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        self._duplicates(node, place)
        self.loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.loader.construct_object(key_node)
            if not isinstance(key, str):
                self._wrong(key_node, place, f"the key {key!r} is not text; put it in quotes")
                continue
            self.lines[(*place, key)] = _line(key_node)
            found[key] = self.value(value_node, (*place, key))
        return found

    def _duplicates(self, node: yaml.MappingNode, place: Place) -> None:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                self._wrong(key_node, (*place, key), f"the key is there twice, first on line {seen[key]}")
            seen.setdefault(key, _line(key_node))

    def _wrong(self, node: yaml.Node, place: Place, text: str) -> None:
        self.problems.append(f"{self.name}:{_line(node)}: {spell(place) or 'top level'}: {text}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _marked(error: yaml.MarkedYAMLError, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    text = (error.problem or error.context or "not YAML").replace("\n", " ")
    if "could not determine a constructor" in text:
        text = _NO_TAGS
    return f"{name}:{line}: not valid YAML: {text}"


def _kind(value: object) -> str:
    return {"list": "list", "str": "text", "int": "number", "float": "number"}.get(
        type(value).__name__, type(value).__name__
    )
