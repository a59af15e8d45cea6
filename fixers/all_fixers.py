"""The fixers there are: name to dotted path, loaded when asked for. A fixer exists because it stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from nightshift.daemon.ports import Fixer

FIXERS: Mapping[str, str] = {
    "revert": "nightshift.fixers.revert:RevertFixer",
    "templates": "nightshift.fixers.templates.fixer:TemplateFixer",
    "model": "nightshift.fixers.model.fixer:ModelFixer",
}


def create(names: Sequence[str], settings: Mapping[str, Mapping[str, Any]] | None = None) -> list[Fixer]:
    """The named fixers in that order; `settings` maps a name to the fields of its `Settings`.

    Raises KeyError for an unknown name and pydantic.ValidationError for settings that don't fit.
    """
    return [_create(name, (settings or {}).get(name, {})) for name in names]


def _create(name: str, fields: Mapping[str, Any]) -> Fixer:
    if name not in FIXERS:
        raise KeyError(f"unknown fixer {name!r}; there are {', '.join(FIXERS)}")
    path, _, attribute = FIXERS[name].partition(":")
    module = import_module(path)
    fixer: Fixer = getattr(module, attribute)(module.Settings(**fields))
    return fixer
