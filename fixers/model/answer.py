"""The shape of an answer, and the only door through which a model's text becomes data."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_FENCED = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
MAX_ANSWER_CHARS = 256 * 1024

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rationale", "edits"],
    "properties": {
        "rationale": {"type": "string"},
        "edits": {
            "type": "array",
            "minItems": 1,
            "maxItems": 10,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "search", "replace"],
                "properties": {
                    "path": {"type": "string"},
                    "search": {"type": "string"},
                    "replace": {"type": "string"},
                },
            },
        },
    },
}
"""What providers are asked to hold a model to; sizes are checked here, as grammars choke on large repetitions."""


class Unusable(Exception):
    """An answer no patch can be made of; the message is the reason, fit for people and for the next prompt."""


class Edit(BaseModel):
    """One replacement in one file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    path: str = Field(min_length=1, max_length=300)
    search: str = Field(min_length=1, max_length=20_000)
    replace: str = Field(max_length=20_000)


class Answer(BaseModel):
    """A model's proposal."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    rationale: str = Field(max_length=4000)
    edits: tuple[Edit, ...] = Field(min_length=1, max_length=10)


def parse(text: str) -> Answer:
    """The answer in a model's text: one JSON object, at most wrapped in one Markdown fence. Raises `Unusable`."""
    if len(text) > MAX_ANSWER_CHARS:
        raise Unusable(f"the answer is {len(text)} characters long, {MAX_ANSWER_CHARS} are allowed")
    fenced = _FENCED.match(text)
    try:
        data = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"the answer is not one JSON object: {_first_line(error)}") from None
    try:
        return Answer.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise Unusable(f"the answer does not fit the schema: {_problems(error)}") from None
    except (ValueError, RecursionError) as error:
        raise Unusable(f"the answer is not usable as JSON: {_first_line(error)}") from None


def _problems(error: ValidationError) -> str:
    rows = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, row['loc'])) or 'answer'}: {row['msg']}" for row in rows[:3])[:300]


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
