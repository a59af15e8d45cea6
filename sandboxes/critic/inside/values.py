"""Arguments as plain JSON and back: what is recorded in one process is drawn anew on the host and called in others.

JSON instead of pickle, because the host reads it and must never run what a tree wrote. Plain values stand for
themselves; everything else is ``[tag, payload]``. What can't be told exactly raises `Untellable` and is left out.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

NODES, DEPTH, TEXT = 3000, 30, 20000
_MADE = {
    "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "pathlib.PosixPath", "pathlib.PurePosixPath",
}  # fmt: skip
_REDUCED = {"datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone"}


class Untellable(Exception):
    """The value can't be written down exactly."""


def encode(value: Any) -> Any:
    """The value as JSON. Raises `Untellable`."""
    return _encode(value, [NODES], DEPTH, set())


def _encode(value: Any, left: list[int], depth: int, above: set[int]) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth < 0 or id(value) in above:
        raise Untellable("too big, too deep or endless")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return _short(value)
    if kind is int:
        return value if abs(value) < 1 << 53 else ["int", _short(hex(value))]
    if kind is float:
        return ["float", repr(value)]
    if kind is complex:
        return ["complex", [repr(value.real), repr(value.imag)]]
    if kind in (bytes, bytearray):
        return [kind.__name__, _short(value.decode("latin-1"))]
    if kind is range:
        return ["range", [value.start, value.stop, value.step]]

    def each(items: Any) -> list[Any]:
        return [_encode(item, left, depth - 1, above | {id(value)}) for item in items]

    if kind in (list, tuple):
        return [kind.__name__, each(value)]
    if kind in (set, frozenset):
        return [kind.__name__, sorted(each(value), key=repr)]
    if kind is dict:
        return ["dict", [each(pair) for pair in value.items()]]
    return _encode_special(value, kind, each)


def _short(text: str) -> str:
    if len(text) > TEXT:
        raise Untellable("a long text")
    return text


def _encode_special(value: Any, kind: type, each: Any) -> Any:
    name = name_of(kind)
    if name == "collections.deque":
        return ["made", [name, [["list", each(value)]]]]
    if name in ("collections.Counter", "collections.OrderedDict"):
        return ["made", [name, [["dict", [each(pair) for pair in value.items()]]]]]
    if name == "collections.defaultdict":
        return ["default", [each([value.default_factory])[0], [each(pair) for pair in value.items()]]]
    if name in _MADE:
        return ["made", [name, [str(value)]]]
    if name in _REDUCED:
        return ["made", [name, each(value.__reduce__()[1])]]
    if isinstance(value, type) or kind.__name__ in ("function", "builtin_function_or_method"):
        return ["named", _reachable(value)]
    if sys.modules.get("enum") and isinstance(value, sys.modules["enum"].Enum):
        return ["member", [_reachable(kind), value.name]]
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return ["ntuple", [_reachable(kind), each(value)]]
    if not getattr(kind, "__flags__", 0) & (1 << 9) or isinstance(value, (BaseException, dict, list, str, int, float)):
        raise Untellable(name)
    return ["object", [_reachable(kind), [[attr, each([inner])[0]] for attr, inner in attributes(value)]]]


def attributes(value: Any) -> list[tuple[str, Any]]:
    """Instance attributes, those of slots included, without asking the class's own code."""
    found = dict(getattr(value, "__dict__", None) or {})
    for owner in type(value).__mro__:
        slots = owner.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot.startswith("__") and not slot.endswith("__"):
                slot = "_" + owner.__name__.lstrip("_") + slot
            try:
                found.setdefault(slot, object.__getattribute__(value, slot))
            except AttributeError:
                continue
    found.pop("__dict__", None)
    found.pop("__weakref__", None)
    return sorted(found.items())


def name_of(thing: Any) -> str:
    """``module.qualified.name``."""
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"


def _reachable(thing: Any) -> list[str]:
    where = [str(getattr(thing, "__module__", "") or ""), str(getattr(thing, "__qualname__", ""))]
    try:
        found = named(where)
    except Exception:  # noqa: BLE001 - whatever looking a foreign name up raises, it can't be reached by name
        found = None
    if found is not thing:
        raise Untellable(name_of(thing))
    return where


def named(where: list[str]) -> Any:
    """What a module calls by a dotted name."""
    found = importlib.import_module(where[0])
    for part in where[1].split("."):
        found = getattr(found, part)
    return found


def decode(data: Any) -> Any:
    """The value of some JSON. Raises whatever building it raises."""
    if not isinstance(data, list):
        return data
    tag, body = data
    if tag in _PLAIN:
        return _PLAIN[tag](body)
    if tag == "named":
        return named(body)
    if tag == "member":
        return named(body[0])[body[1]]
    if tag == "ntuple":
        return tuple.__new__(named(body[0]), [decode(item) for item in body[1]])
    if tag == "made":
        module, _, name = body[0].rpartition(".")
        return named([module, name])(*[decode(item) for item in body[1]])
    if tag == "default":
        made = named(["collections", "defaultdict"])(decode(body[0]))
        made.update((decode(k), decode(v)) for k, v in body[1])
        return made
    assert tag == "object"
    value = object.__new__(named(body[0]))
    for attr, inner in body[1]:
        object.__setattr__(value, attr, decode(inner))
    return value


_PLAIN: dict[str, Any] = {
    "int": lambda body: int(body, 16),
    "float": float,
    "complex": lambda body: complex(float(body[0]), float(body[1])),
    "bytes": lambda body: body.encode("latin-1"),
    "bytearray": lambda body: bytearray(body.encode("latin-1")),
    "range": lambda body: range(*body),
    "list": lambda body: [decode(item) for item in body],
    "tuple": lambda body: tuple([decode(item) for item in body]),
    "set": lambda body: {decode(item) for item in body},
    "frozenset": lambda body: frozenset([decode(item) for item in body]),
    "dict": lambda body: {decode(k): decode(v) for k, v in body},
}
