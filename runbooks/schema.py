"""The JSON schema of a runbook file, for editors: with the arguments of each action, which may hold look-ups."""

from __future__ import annotations

from typing import Any

from .all_actions import ACTIONS, action_named
from .book import UNDO, Runbook

_HOLE = {"type": "string", "pattern": r"\$\{\{.+\}\}"}


def json_schema() -> dict[str, Any]:
    """Draft 2020-12; each action's arguments stand under `$defs` by the action's name."""
    schema = Runbook.model_json_schema(by_alias=True)
    step = schema["$defs"]["Step"]
    step["properties"]["action"]["enum"] = [*sorted(ACTIONS), UNDO]
    for name in sorted(ACTIONS):
        schema["$defs"][name] = _arguments(name, schema["$defs"])
    undo = {"type": "object", "properties": {"step": {"type": "string"}}, "required": ["step"],
            "additionalProperties": False}  # fmt: skip
    schema["$defs"][UNDO] = undo
    step["allOf"] = [_if(name) for name in (*sorted(ACTIONS), UNDO)]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Nightshift runbook"}


def _arguments(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    action = action_named(name)
    made = action.accepts.model_json_schema(by_alias=True)
    definitions |= made.pop("$defs", {})
    literal = {n for n, f in action.accepts.model_fields.items()
               if isinstance(f.json_schema_extra, dict) and f.json_schema_extra.get("literal")}  # fmt: skip
    for key, value in made.get("properties", {}).items():
        plain = set(value) <= {"type", "title", "description", "default"} and value.get("type") == "string"
        if key not in literal and not plain:
            described = {k: value.pop(k) for k in ("description", "default") if k in value}
            made["properties"][key] = {"anyOf": [value, _HOLE], **described}
    return made


def _if(name: str) -> dict[str, Any]:
    given = {"properties": {"action": {"const": name}}, "required": ["action"]}
    required = ["with"] if name == UNDO or action_named(name).accepts.model_json_schema().get("required") else []
    then: dict[str, Any] = {"properties": {"with": {"$ref": f"#/$defs/{name}"}}}
    return {"if": given, "then": then | ({"required": required} if required else {})}
