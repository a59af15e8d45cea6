"""The actions described in Markdown, made from their argument classes, so that the manual can't fall behind."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .all_actions import ACTIONS, action_named

_MARKS = "<!-- actions -->", "<!-- end of actions -->"


def actions_markdown() -> str:
    """A section for each action: what it is, its arguments, what it gives, whether it can be undone."""
    return "\n".join(line for name in sorted(ACTIONS) for line in _action(name))


def with_actions(text: str) -> str:
    """A manual with what stands between its marks brought up to date."""
    head, _, rest = text.partition(_MARKS[0])
    _, _, tail = rest.partition(_MARKS[1])
    return f"{head}{_MARKS[0]}\n{actions_markdown()}\n{_MARKS[1]}{tail}"


def _action(name: str) -> Iterator[str]:
    action = action_named(name)
    module = inspect.getmodule(type(action))
    yield f"### `{name}`\n"
    yield f"{inspect.getdoc(module)}\n"
    schema = action.accepts.model_json_schema()
    required = schema.get("required", [])
    yield "| argument | type | default | meaning |\n| --- | --- | --- | --- |"
    for key, value in schema["properties"].items():
        default = "**required**" if key in required else f"`{json.dumps(value.get('default'))}`"
        yield f"| `{key}` | {_type(value, schema)} | {default} | {_line(value.get('description', ''))} |"
    gives = "".join(f", `{value}`" for value in action.gives)
    yield f"\nGives `output`{gives}. Undo: {'yes' if action.can_undo else 'no'}.\n"


def _type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return _type(schema["$defs"][value["$ref"].rpartition("/")[2]], schema)
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_type(one, schema) for one in value["anyOf"] if one.get("type") != "null"))
    if "enum" in value:
        return " or ".join(f"`{one}`" if one else "empty" for one in value["enum"])
    if "const" in value:
        return f"`{value['const']}`" if value["const"] else "empty"
    if value.get("type") == "array":
        items = value.get("items", {})
        return f"list of {_type(items, schema) if items else 'anything'}"
    words = {"string": "text", "integer": "whole number", "object": "mapping", "boolean": "yes or no"}
    kind = str(value.get("type", "anything"))
    return words.get(kind, kind)


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
