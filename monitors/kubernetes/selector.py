"""Label and field selectors, understood here too: a server that ignores them must not widen what is watched."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nightshift.monitors.shapes import text, texts

Matches = Callable[[Mapping[str, Any]], bool]
"""Whether an object of the API is selected."""

_KEY = r"[A-Za-z0-9]([\w./-]*[A-Za-z0-9])?"
_SET = re.compile(rf"\s*(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)\s*\Z")
_EQUAL = re.compile(rf"\s*(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<values>[\w.-]*)\s*\Z")
_EXISTS = re.compile(rf"\s*(?P<not>!?)\s*(?P<key>{_KEY})\s*\Z")
_FIELD = re.compile(r"\s*(?P<key>[A-Za-z][\w.]*)\s*(?P<op>==|=|!=)\s*(?P<value>[^=!,]*?)\s*\Z")


def labels(selector: str) -> Matches:
    """A label selector (``a=b,c!=d,e in (f,g),h,!i``) as a test. Raises ValueError with the part that is wrong."""
    tests = [_label(part) for part in re.split(r",(?![^()]*\))", selector) if part.strip()]

    def matches(thing: Mapping[str, Any]) -> bool:
        meta = thing.get("metadata")
        found = texts(meta.get("labels")) if isinstance(meta, Mapping) else {}
        return all(test(found) for test in tests)

    return matches


def _label(part: str) -> Callable[[Mapping[str, str]], bool]:
    if (found := _SET.match(part) or _EQUAL.match(part)) is not None:
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["op"] in ("!=", "notin"):  # as in Kubernetes: what lacks the label is selected
            return lambda have: have.get(key) not in values
        return lambda have: key in have and have[key] in values
    if (exists := _EXISTS.match(part)) is not None:
        wanted, name = not exists["not"], exists["key"]
        return lambda have: (name in have) is wanted
    raise ValueError(f"not a label selector: {part.strip()!r}")


def fields(selector: str) -> Matches:
    """A field selector (``spec.nodeName=a,status.phase!=Running``) as a test. Raises ValueError likewise."""
    tests = [_field(part) for part in selector.split(",") if part.strip()]
    return lambda thing: all(test(thing) for test in tests)


def _field(part: str) -> Matches:
    found = _FIELD.match(part)
    if found is None:
        raise ValueError(f"not a field selector: {part.strip()!r}")
    path, value, same = found["key"].split("."), found["value"], found["op"] != "!="
    return lambda thing: (text(_at(thing, path)) == value) is same


def _at(thing: object, path: list[str]) -> object:
    for key in path:
        thing = thing.get(key) if isinstance(thing, Mapping) else None
    return thing
