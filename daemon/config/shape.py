"""What may stand where. Walks the types of the settings classes next to the raw values, so that one place knows the
valid names for a message, which values are secrets and which are paths, for plugins' settings too."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from nightshift.daemon.config.errors import Place

Options = tuple[Any, ...]
"""The types one value may have, unions taken apart."""


def options(annotation: Any) -> Options:
    """The types an annotation allows, without None."""
    if hasattr(annotation, "__value__"):  # type X = …
        return options(annotation.__value__)
    origin = get_origin(annotation)
    if origin is Annotated:
        return options(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(o for arg in get_args(annotation) for o in options(arg))
    return () if annotation in (None, type(None)) else (annotation,)


def below(here: Options, key: str | int) -> Options:
    """The types allowed under a key or index."""
    return tuple(o for option in here for o in _below(option, key))


def _below(option: Any, key: str | int) -> Options:
    origin, args = get_origin(option), get_args(option)
    if is_model(option):
        field = option.model_fields.get(key) or next((f for f in option.model_fields.values() if f.alias == key), None)
        return options(field.annotation) if field else ()
    if isinstance(origin, type) and args:
        if issubclass(origin, Mapping):
            return options(args[1])
        if issubclass(origin, Sequence | set | frozenset):
            return options(args[0])
    return ()


def names(here: Options) -> set[str]:
    """The keys that are valid at a place."""
    return {f.alias or name for option in here if is_model(option) for name, f in option.model_fields.items()}


def literals(here: Options) -> set[str]:
    """The words that are valid at a place, when it takes one of a few."""
    words = {str(value) for option in here if _is_literal(option) for value in get_args(option)}
    enums = [option for option in here if isinstance(option, type) and issubclass(option, Enum)]
    return words | {str(member.value) for enum in enums for member in enum}


def rewrite(value: Any, here: Options, change: Callable[[Any, Options, Place], Any], place: Place = ()) -> Any:
    """A copy of raw values in which `change` had its way with every scalar."""
    if isinstance(value, Mapping):
        return {k: rewrite(v, below(here, k), change, (*place, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [rewrite(v, below(here, i), change, (*place, i)) for i, v in enumerate(value)]
    return change(value, here, place)


def is_secret(here: Options) -> bool:
    """Whether a secret stands here."""
    return SecretStr in here


def is_path(here: Options) -> bool:
    """Whether a path stands here."""
    return Path in here


def is_section(here: Options) -> bool:
    """Whether a section of keys stands here."""
    return any(map(is_model, here))


def is_model(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)


def _is_literal(option: Any) -> bool:
    origin: Any = get_origin(option)
    return origin is Literal
