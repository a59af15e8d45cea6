"""Pydantic's errors in the reader's words, without the values of secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nightshift.daemon.config import shape
from nightshift.daemon.config.errors import Place, Problem
from nightshift.daemon.kit.nearest import nearest
from nightshift.daemon.kit.redact import redact

_KINDS = {
    "string_type": "must be text", "int_type": "must be a whole number", "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number", "float_type": "must be a number", "float_parsing": "must be a number",
    "bool_type": "must be true or false", "bool_parsing": "must be true or false", "list_type": "must be a list",
    "tuple_type": "must be a list", "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values", "path_type": "must be a path",
    "model_attributes_type": "must be a mapping of keys to values",
}  # fmt: skip


def explain(error: ValidationError, top: shape.Options, raw: Mapping[str, Any]) -> list[Problem]:
    """One problem per place. Places are those of the file: the tags pydantic adds for unions are left out."""
    found: dict[Place, Problem] = {}
    short: set[Place] = set()
    for detail in error.errors(include_url=False, include_context=True):
        place, here, parent = _locate(detail, top, raw)
        problem = Problem(place=place, text=_text(detail, place, here, parent))
        if detail["type"] == "too_short":
            short.add(place)
        if place not in found or _rank(detail) > 0:
            found[place] = problem
    # A list is "too short" for pydantic when one of its items is wrong: that item's own line says it.
    return [p for p in found.values() if not (p.place in short and any(_inside(q, p.place) for q in found))]


def _inside(place: Place, outer: Place) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _rank(detail: ErrorDetails) -> int:
    # Of a union's complaints the one about a missing folder says most.
    return 1 if detail["type"].startswith("path_not") else 0


def _locate(detail: ErrorDetails, top: shape.Options, raw: Any) -> tuple[Place, shape.Options, shape.Options]:
    place: list[str | int] = []
    here, parent, value = top, top, raw
    for part, last in _parts(detail["loc"]):
        inside = (isinstance(value, Mapping) and part in value) or (
            isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        )
        if not inside and not (last and detail["type"] == "missing"):
            continue
        place.append(part)
        here, parent = shape.below(here, part), here
        value = value[part] if inside else None
    return tuple(place), here, parent


def _parts(loc: tuple[str | int, ...]) -> Iterator[tuple[str | int, bool]]:
    for at, part in enumerate(loc):
        yield part, at == len(loc) - 1


def _text(detail: ErrorDetails, place: Place, here: shape.Options, parent: shape.Options) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return f"unknown key{nearest(str(place[-1]), shape.names(parent))}"
    if kind == "missing":
        return "missing; it is needed here"
    if kind.startswith("path_not"):
        return _no_path(Path(str(given)), "folder" if "directory" in kind else "file")
    if kind.startswith("union_tag"):
        return _kind(detail)
    if kind in ("literal_error", "enum"):
        return f"'{_shown(given, here)}' is not known here{nearest(str(given), shape.literals(here))}"
    if kind in _KINDS:
        return f"{_KINDS[kind]}, not {_described(given, here)}"
    return _plain(detail["msg"])


def _kind(detail: ErrorDetails) -> str:
    """A section that can be one of several has to say which."""
    context = detail.get("ctx") or {}
    if "tag" not in context:
        return "needs 'kind', which says what the other keys mean"
    known = str(context.get("expected_tags", "")).replace("'", "").split(", ")
    return f"kind '{redact(str(context['tag']))[:80]}' is not known here{nearest(str(context['tag']), known)}"


def _plain(message: str) -> str:
    for prefix in ("Value error, ", "Assertion failed, ", "Input "):
        message = message.removeprefix(prefix)
    return redact(message.replace("\n", " "))


def _described(given: Any, here: shape.Options) -> str:
    if given is None:
        return "nothing"
    if isinstance(given, list | tuple):
        return "a list"
    if isinstance(given, Mapping):
        return "a mapping"
    return f"'{_shown(given, here)}'"


def _shown(given: Any, here: shape.Options) -> str:
    return "…" if shape.is_secret(here) else redact(str(given))[:80]


def _no_path(path: Path, kind: str) -> str:
    folder = path.parent
    if path.exists():
        return f"{path} is not a {kind}"
    if not folder.is_dir():
        return f"no such {kind}: {path}"
    hint = nearest(path.name, [p.name for p in folder.iterdir()])
    return f"no such {kind}: {path}{hint if 'mean' in hint else ''}"
