"""The deploy folder, and Kubernetes manifests checked against the models of the official client, which are made from
the OpenAPI of Kubernetes. Its own deserialiser drops unknown fields in silence, so the walk here is ours."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes.client
import pytest
import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str}


def unfit(thing, kind, place=""):
    """What is wrong with a value that should be of an OpenAPI type; one line each."""
    if kind == "object":
        return
    if inner := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(thing, list):
            yield f"{place}: not a list"
            return
        for at, item in enumerate(thing):
            yield from unfit(item, inner[1], f"{place}[{at}]")
    elif inner := re.fullmatch(r"dict[\[(]str, (.+)[\])]", kind):
        if not isinstance(thing, dict):
            yield f"{place}: not a mapping"
            return
        for key, item in thing.items():
            yield from unfit(item, inner[1], f"{place}.{key}")
    elif kind in SCALARS:
        if not isinstance(thing, SCALARS[kind]) or (kind == "int" and isinstance(thing, bool)):
            yield f"{place}: {thing!r} is not a {kind}"
    else:
        yield from _unfit_model(thing, getattr(kubernetes.client, kind), place)


def _unfit_model(thing, model, place):
    if not isinstance(thing, dict):
        yield f"{place}: not a {model.__name__}"
        return
    names = {json_name: python_name for python_name, json_name in model.attribute_map.items()}
    for key, value in thing.items():
        if key not in names:
            yield f"{place}.{key}: unknown to {model.__name__}"
        else:
            yield from unfit(value, model.openapi_types[names[key]], f"{place}.{key}")
    try:
        model(**{names[key]: value for key, value in thing.items() if key in names})
    except ValueError as error:
        yield f"{place}: {error}"


def problems(manifest):
    """Everything the API server's types would object to in a manifest."""
    return list(unfit(manifest, f"V1{manifest['kind']}", manifest["kind"]))


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture
def deploy():
    return DEPLOY
