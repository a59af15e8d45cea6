"""`${{ params.x }}` and nothing more: plain look-ups, so that a runbook can't compute and a value can't inject.

A value is put in once and never looked at again, so text that came from outside may contain `${{` without effect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_HOLE = re.compile(r"\$\{\{(.{0,200}?)\}\}", re.DOTALL)
_NAME = re.compile(r"\s*([A-Za-z_][\w-]*(?:\.[\w-]+){1,7})\s*")

Values = Mapping[str, Any]
"""Values by dotted name, such as ``params.container`` or ``steps.restart.output``. A longer name walks into a value:
``steps.ask.rows.0.pid``."""


class TemplateError(Exception):
    """A hole that is no plain look-up, or looks up what isn't there; the message says which."""


def holes(value: Any) -> list[str]:
    """The dotted names a value (any nesting of lists and mappings) looks up. Raises TemplateError on bad syntax."""
    if isinstance(value, str):
        return [_name(hole) for hole in split(value)[1::2]]
    if isinstance(value, Mapping):
        return [name for item in value.values() for name in holes(item)]
    if isinstance(value, (list, tuple)):
        return [name for item in value for name in holes(item)]
    return []


def fill(value: Any, values: Values) -> Any:
    """The value with its holes filled. A text that is one hole takes on the value's type, any other is text.

    Raises TemplateError for a name that is not in `values`.
    """
    if isinstance(value, str):
        return _fill_text(value, lambda name: _lookup(name, values))
    if isinstance(value, Mapping):
        return {key: fill(item, values) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(item, values) for item in value]
    return value


def truth(value: Any) -> bool:
    """Whether a filled value counts as yes: empty, 0, false, no, off and none don't."""
    return bool(value) if isinstance(value, (Mapping, list, tuple)) else str(value).strip().lower() not in _NO


_NO = ("", "0", "0.0", "false", "no", "off", "none")


def split(text: str) -> list[str]:
    """Text, hole, text, hole, … text. Raises TemplateError for a hole without an end."""
    pieces = _HOLE.split(text)
    if any("${{" in piece for piece in pieces[::2]):
        raise TemplateError("a '${{' without its '}}'")
    return pieces


def _fill_text(text: str, lookup: Callable[[str], Any]) -> Any:
    pieces = split(text)
    if len(pieces) == 3 and not pieces[0] and not pieces[2]:
        return lookup(_name(pieces[1]))
    filled = [piece if at % 2 == 0 else spoken(lookup(_name(piece))) for at, piece in enumerate(pieces)]
    return "".join(filled)


def _name(hole: str) -> str:
    match = _NAME.fullmatch(hole)
    if not match:
        raise TemplateError(f"'${{{{{hole}}}}}' is not a plain look-up such as ${{{{ params.name }}}}")
    return match[1]


def _lookup(name: str, values: Values) -> Any:
    """The longest known beginning of the name, then what is left of it inside that value."""
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        known = ".".join(parts[:length])
        if known in values:
            return _walk(values[known], parts[length:], name)
    raise TemplateError(f"there is no '{name}'")


def _walk(value: Any, parts: list[str], name: str) -> Any:
    for part in parts:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, (list, tuple)) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise TemplateError(f"there is no '{name}': nothing is called '{part}' there")
    return value


def spoken(value: Any) -> str:
    """A value inside a text."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
