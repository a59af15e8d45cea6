"""The fixers there are: name to dotted path, loaded when asked for. A fixer exists because it stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from nightshift.daemon.ports import Fixer

if TYPE_CHECKING:
    from pydantic import BaseModel

FIXERS: Mapping[str, str] = {
    "revert": "nightshift.fixers.revert:RevertFixer",
    "dependencies": "nightshift.fixers.dependencies.fixer:DependencyFixer",
    "templates": "nightshift.fixers.templates.fixer:TemplateFixer",
    "javascript": "nightshift.fixers.javascript.fixer:JavaScriptFixer",
    "donors": "nightshift.fixers.donors.fixer:DonorFixer",
    "environment": "nightshift.fixers.environment.fixer:EnvironmentFixer",
    "model": "nightshift.fixers.model.fixer:ModelFixer",
}


def create(names: Sequence[str], settings: Mapping[str, BaseModel] | None = None) -> list[Fixer]:
    """The named fixers in that order; `settings` maps a name to its `Settings`, defaults otherwise.

    Raises KeyError for an unknown name.
    """
    return [_create(name, (settings or {}).get(name)) for name in names]


def _create(name: str, settings: BaseModel | None) -> Fixer:
    if name not in FIXERS:
        raise KeyError(f"unknown fixer {name!r}; there are {', '.join(FIXERS)}")
    path, _, attribute = FIXERS[name].partition(":")
    module = import_module(path)
    fixer: Fixer = getattr(module, attribute)(settings or module.Settings())
    return fixer
