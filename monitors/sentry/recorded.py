"""A frame's local variables as Python text.

SDKs for Python send `repr` strings, numbers and text alike, nested in lists and objects; others send JSON. What was cut
on the way is marked with `...`, so that nobody takes it for the whole value. The event's `_meta` says what was, but not
all: Python's SDK makes JSON of variables before it keeps a `_meta`, and cuts every list and object to ten entries, so
one with ten is taken for cut. Lists, tuples and sets all arrive as lists.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MAX_LOCALS, MAX_CHARS, _DEPTH = 50, 2000, 6
MAX_KEY, _BREADTH, _SHOWN = 200, 10, 200
CUT = "..."


def locals_of(frame: Mapping[str, Any], meta: object, *, python: bool) -> tuple[tuple[str, str], ...]:
    """Name and Python text of each variable."""
    found = frame.get("vars")
    if not isinstance(found, dict):
        return ()
    marks = _below(meta, "vars")
    named = list(found.items())[:MAX_LOCALS]
    return tuple((name[:100], _capped(text(value, _below(marks, name), python=python))) for name, value in named)


def _capped(value: str) -> str:
    return value if len(value) <= MAX_CHARS else value[: MAX_CHARS - len(CUT)] + CUT


def text(value: object, meta: object = None, *, python: bool, depth: int = 0) -> str:
    """One value. `meta` is what the SDK said of it."""
    if (meta and _cut(meta)) or depth > _DEPTH:
        return CUT
    if isinstance(value, str):
        return value if python else repr(value)
    if isinstance(value, list):
        inner = [text(v, _below(meta, str(n)), python=python, depth=depth + 1) for n, v in enumerate(value[:_SHOWN])]
        return f"[{', '.join(inner + _rest(len(value), python=python))}]"
    if isinstance(value, dict):
        inner = [
            f"{key(k) if len(k) <= MAX_KEY else CUT}: {text(v, _below(meta, k), python=python, depth=depth + 1)}"
            for k, v in list(value.items())[:_SHOWN]
        ]
        return "{" + ", ".join(inner + _rest(len(value), python=python)) + "}"
    return repr(value)


def _rest(count: int, *, python: bool) -> list[str]:
    """What stands for entries that are missing, or may be."""
    return [CUT] if count > _SHOWN or (python and count == _BREADTH) else []


@lru_cache(maxsize=4096)
def key(name: str) -> str:
    """An object's key. SDKs send `str(key)`: what reads as a number, a tuple or an object may not have been text."""
    if name.isidentifier() and name not in ("None", "True", "False"):
        return repr(name)
    if name.startswith("<"):
        return CUT
    try:
        ast.literal_eval(name)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return repr(name)
    return CUT


def _below(meta: object, name: str) -> object:
    return meta.get(name) if isinstance(meta, dict) else None


def _cut(meta: object) -> bool:
    """Whether the SDK shortened or removed this very value."""
    return isinstance(meta, dict) and bool(meta.get(""))
