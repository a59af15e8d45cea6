"""What arguments look like, from the ones that were recorded: kinds, ranges, alphabets, lengths, keys, what is None.

A shape keeps only what was seen, a little widened: an input of another kind would show how code breaks, not what it
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

SAMPLES = 40


@dataclass(frozen=True, kw_only=True)
class Shape:
    """All values seen in one place. Each kind has its facts; `others` are values that are only repeated as they are."""

    samples: tuple[Any, ...] = ()
    none: bool = False
    bools: bool = False
    ints: tuple[int, int] | None = None
    floats: tuple[float, float] | None = None
    texts: tuple[str, ...] = ()
    sequences: tuple[Sequences, ...] = ()
    dicts: Dicts | None = None
    objects: tuple[Objects, ...] = ()
    others: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """Lists, tuples or sets of one kind. `each` holds a shape per place where all have the same length and differ by
    place (a record), else `item` is the shape of all elements."""

    tag: str
    item: Shape
    each: tuple[Shape, ...] = ()
    shortest: int = 0
    longest: int = 0
    sorted: bool = False
    distinct: bool = False


@dataclass(frozen=True, kw_only=True)
class Dicts:
    """Dictionaries: `fields` where text keys repeat from one to the next (`always` are those never missing), else keys
    and values."""

    key: Shape
    value: Shape
    fields: tuple[tuple[str, Shape], ...] = ()
    always: frozenset[str] = field(default_factory=frozenset)
    longest: int = 0


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Instances of one class, by attributes; `tag` tells plain objects from named tuples."""

    tag: str
    where: tuple[str, str]
    attributes: tuple[tuple[str, Shape], ...]


def tag_of(value: Any) -> str:
    """The kind of a value written as JSON."""
    if isinstance(value, list):
        return str(value[0])
    if value is None:
        return "none"
    return type(value).__name__


def shape_of(values: Sequence[Any]) -> Shape:
    """The shape of values written as JSON (see `inside.values`)."""
    by: dict[str, list[Any]] = {}
    for value in values:
        by.setdefault(tag_of(value), []).append(value)
    ints = [*by.get("int", [])]
    whole = [v if isinstance(v, int) else int(v[1], 16) for v in ints]
    floats = [f for f in (float(v[1]) for v in by.get("float", [])) if f == f and abs(f) < 1e300]
    known = {"none", "bool", "int", "float", "str", "list", "tuple", "set", "frozenset", "dict", "object", "ntuple"}
    return Shape(
        samples=tuple(values[:SAMPLES]), none="none" in by, bools="bool" in by,
        ints=(min(whole), max(whole)) if whole else None, floats=(min(floats), max(floats)) if floats else None,
        texts=tuple(by.get("str", [])[:SAMPLES]),
        sequences=tuple(_sequences(tag, by[tag]) for tag in ("list", "tuple", "set", "frozenset") if tag in by),
        dicts=_dicts([v[1] for v in by["dict"]]) if "dict" in by else None,
        objects=tuple(_objects([*by.get("object", []), *by.get("ntuple", [])])),
        others=tuple(v for tag, some in by.items() if tag not in known for v in some)[:SAMPLES],
    )  # fmt: skip


def _sequences(tag: str, values: Sequence[Any]) -> Sequences:
    bodies = [value[1] for value in values]
    items = [item for body in bodies for item in body]
    lengths = [len(body) for body in bodies]
    record = tag == "tuple" and min(lengths) == max(lengths) > 0
    numbers = all(isinstance(item, (int, float, str)) for item in items)
    several = [body for body in bodies if len(body) > 1]
    return Sequences(
        tag=tag, item=shape_of(items), shortest=min(lengths), longest=max(lengths),
        each=tuple(shape_of([body[at] for body in bodies]) for at in range(lengths[0])) if record else (),
        sorted=bool(several) and numbers and all(_ascending(body) for body in several),
        distinct=len(several) > 1 and all(len({repr(item) for item in body}) == len(body) for body in several),
    )  # fmt: skip


def _ascending(body: Sequence[Any]) -> bool:
    try:
        return all(a <= b for a, b in pairwise(body))
    except TypeError:
        return False


def _dicts(bodies: Sequence[Any]) -> Dicts:
    keys = [pair[0] for body in bodies for pair in body]
    values = [pair[1] for body in bodies for pair in body]
    per: dict[str, list[Any]] = {}
    for body in bodies:
        for key, value in body:
            if isinstance(key, str):
                per.setdefault(key, []).append(value)
    repeated = len(bodies) > 1 and len(per) <= 20 and all(isinstance(k, str) for k in keys)
    fields = repeated and sum(len(some) for some in per.values()) >= 1.5 * len(per)
    return Dicts(
        key=shape_of(keys), value=shape_of(values), longest=max(map(len, bodies)),
        fields=tuple((name, shape_of(some)) for name, some in per.items()) if fields else (),
        always=frozenset(n for n, some in per.items() if len(some) == len(bodies)) if fields else frozenset(),
    )  # fmt: skip


def _objects(values: Sequence[Any]) -> list[Objects]:
    by: dict[tuple[str, str, str], list[Any]] = {}
    for tag, (where, body) in values:
        by.setdefault((tag, str(where[0]), str(where[1])), []).append(body)
    found = []
    for (tag, module, name), bodies in by.items():
        per: dict[str, list[Any]] = {}
        for body in bodies:
            for at, part in enumerate(body):
                label, value = (str(at), part) if tag == "ntuple" else (str(part[0]), part[1])
                per.setdefault(label, []).append(value)
        whole = {label: some for label, some in per.items() if len(some) == len(bodies)}
        found.append(Objects(tag=tag, where=(module, name),
                             attributes=tuple((label, shape_of(some)) for label, some in whole.items())))  # fmt: skip
    return found
