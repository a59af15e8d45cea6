"""The configuration described: JSON schema and a Markdown reference, made from the settings classes and the docstrings
under their fields, so that neither can fall behind."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from nightshift.daemon.config import shape
from nightshift.daemon.config.settings import Config

SECRET = "A secret: `env:NAME` (an environment variable) or `file:PATH`, never the secret itself."  # noqa: S105 - about secrets


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the configuration file."""
    schema = Config.model_json_schema(mode="validation")
    described = {model.__name__: model for model in _models(Config)}
    for name, definition in schema.get("$defs", {}).items():
        _describe(definition, described.get(name.split("__")[-1]), name)
    _describe(schema, Config, "Config")
    _mark_secrets(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "nightshift.yaml"}


def _describe(definition: dict[str, Any], model: type[BaseModel] | None, name: str) -> None:
    by_module = {m.__module__.replace(".", "__") + "__" + m.__name__: m for m in _models(Config)}
    model = by_module.get(name, model)
    if model is None:
        return
    for field, text in docs(model).items():
        if field in definition.get("properties", {}):
            definition["properties"][field].setdefault("description", text)


def _mark_secrets(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("format") == "password":
            schema.update(pattern="^(env|file):.+")
            del schema["format"]
            schema.pop("writeOnly", None)
        for value in schema.values():
            _mark_secrets(value)
    elif isinstance(schema, list):
        for value in schema:
            _mark_secrets(value)


def markdown() -> str:
    """The reference table of docs/configuration.md, one section per settings class."""
    parts = [_INTRO]
    for place, model in _sections((Config,), ""):
        parts.append(f"\n## `{place}`\n" if place else "\n## Top level\n")
        parts.append(" ".join((inspect.getdoc(model) or "").split()) + "\n")
        parts.append("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
        parts += [_row(model, name) for name in model.model_fields]
    return "".join(parts)


_INTRO = """# Configuration

Made by `nightshift schema --markdown`; `nightshift schema` prints the same as a JSON schema for editors.

One YAML file: `-c FILE`, else `./nightshift.yaml`, else `/etc/nightshift/nightshift.yaml`. Relative paths start at the
file's folder. Every key can be set from the environment: `NIGHTSHIFT_HTTP__PORT=8701` is `http.port`; lists are JSON.
Secrets are written as `env:NAME` or `file:PATH`, never in clear. Every mistake is told with file, line and the nearest
valid name, all of them at once, and ends the command with exit code 2. `nightshift check` then looks at the world.
"""


def _row(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    here = shape.options(field.annotation)
    text = field.description or docs(model).get(name, "")
    if any(shape.is_model(o) for o in _leaves(here)):
        text = text or " ".join((inspect.getdoc(_leaves(here)[0]) or "").split())
    if shape.is_secret(here):
        text = f"{text} {SECRET}"
    cells = (f"`{name}`", _kind(here), _default(field), " ".join(text.split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value is PydanticUndefined or value is None:
        return ""
    return f"`{json.dumps(value, default=str, ensure_ascii=False)}`"


def _kind(here: shape.Options) -> str:
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path",
             "SecretStr": "secret"}  # fmt: skip
    found: list[str] = []
    for option in here:
        below = shape.below((option,), 0) or shape.below((option,), "")
        if literal := shape.literals((option,)):
            found.append(" or ".join(f"`{v}`" for v in sorted(literal)))
        elif shape.is_model(option):
            found.append("section")
        elif below:
            found.append(
                ("mapping to " if "apping" in str(option) or "dict" in str(option) else "list of ") + _kind(below)
            )
        else:
            found.append(words.get(getattr(option, "__name__", ""), "value"))
    return " or ".join(dict.fromkeys(found))


def _sections(here: shape.Options, place: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for model in [o for o in here if shape.is_model(o)]:
        yield place, model
        for name, field in model.model_fields.items():
            below = shape.options(field.annotation)
            inner = f"{place}.{name}" if place else name
            yield from _sections(below, inner)
            for option in below:
                many = f"{inner}.NAME" if "dict" in str(option) else f"{inner}[]"
                yield from _sections(shape.below((option,), 0) if not shape.is_model(option) else (), many)


def _leaves(here: shape.Options) -> list[Any]:
    return [leaf for o in here for leaf in ((o,) if shape.is_model(o) else shape.below((o,), 0))]


def _models(top: type[BaseModel]) -> list[type[BaseModel]]:
    return [model for _, model in _sections((top,), "")]


def docs(model: type[BaseModel]) -> dict[str, str]:
    """Field → the docstring under it, inherited ones included. Read from the source: plugins need not ask pydantic
    to keep them."""
    found: dict[str, str] = {}
    for cls in reversed([c for c in model.__mro__ if shape.is_model(c) and not c.__module__.startswith("pydantic")]):
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in pairwise(statements):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    found[name] = inspect.cleandoc(words)
    return found
