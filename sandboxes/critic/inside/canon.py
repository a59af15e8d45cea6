"""What a call answered, as one bounded text that is equal where answers are equal.

No method of a class of the tree is called for it: a hostile or broken ``__repr__`` or ``__eq__`` says nothing here.
Whole floats and ints are the same number, as ``==`` has it; other floats are told to twelve digits, so that the order
of a sum makes no difference. Sets and dictionaries are sorted.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nightshift.sandboxes.critic.inside.values import attributes, name_of

ITEMS, SHOWN = 200, 400


class Purse:
    """How many parts of a value are still looked at."""

    def __init__(self, parts: int) -> None:
        self.left = parts

    def pay(self) -> bool:
        self.left -= 1
        return self.left >= 0


def told(value: Any) -> str:
    """The bounded text: whole when it is short, else its beginning and a digest."""
    text = canon(value, Purse(20000), 40, ())
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}…{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def canon(value: Any, purse: Purse, depth: int, above: tuple[int, ...]) -> str:
    """The text of a value."""
    if not purse.pay() or depth < 0:
        return "<deep>"
    kind = type(value)
    if value is None or kind is bool:
        return repr(value)
    if kind is int:
        return (
            repr(value)
            if abs(value) < 1 << 4000
            else f"<int of {value.bit_length()} bits, {hashlib.sha256(hex(value).encode()).hexdigest()[:16]}>"
        )
    if kind is float:
        return _number(value)
    if kind in (str, bytes, bytearray):
        return _text(value)
    if id(value) in above:
        return f"<again {above[::-1].index(id(value))}>"

    def inner(item: Any) -> str:
        return canon(item, purse, depth - 1, (*above, id(value)))

    if isinstance(value, (list, tuple)):
        return _opened(
            kind,
            "[" if isinstance(value, list) else "(",
            ", ".join(map(inner, islice(kind_iter(value), purse.left + 1))),
        )
    if isinstance(value, (set, frozenset)):
        items = islice(set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value), purse.left + 1)
        return _opened(kind, "{", ", ".join(sorted(map(inner, items))))
    if isinstance(value, dict):
        pairs = sorted(f"{inner(k)}: {inner(v)}" for k, v in islice(dict.items(value), purse.left + 1))
        return _opened(kind, "{:", ", ".join(pairs))
    return _other(value, kind, inner)


def kind_iter(value: Any) -> Any:
    """Iterates a list or tuple without asking a subclass."""
    return list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)


def _number(value: float) -> str:
    if value == value and abs(value) < 1e15 and value == int(value):
        return repr(int(value))
    return format(value, ".12g")


def _text(value: Any) -> str:
    if len(value) <= 4000:
        return repr(value)
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)
    return f"{value[:100]!r}…{len(value)} {hashlib.sha256(data).hexdigest()[:16]}"


_CLOSE = {"[": "]", "(": ")", "{": "}", "{:": "}"}
_KNOWN = (list, tuple, set, frozenset, dict)


def _opened(kind: type, sign: str, inside: str) -> str:
    named = "" if kind in _KNOWN else kind.__name__
    return f"{named}{sign[0]}{inside}{_CLOSE[sign]}" if inside or sign != "{" else f"{named}set()"


def _other(value: Any, kind: type, inner: Any) -> str:
    if isinstance(value, BaseException):
        return f"<{kind.__name__}>"
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"<{name_of(value)}>"
    if kind.__module__ in ("decimal", "fractions", "datetime", "uuid", "pathlib", "re", "ipaddress", "collections"):
        return f"{kind.__name__}({_plain_parts(value, kind, inner)})"
    if isinstance(value, (int, float, str, bytes)):
        return f"{kind.__name__}({inner(_base_of(value))})"
    return f"{kind.__name__}({', '.join(f'{attr}={inner(part)}' for attr, part in attributes(value))})"


def _plain_parts(value: Any, kind: type, inner: Any) -> str:
    if kind.__name__ == "deque":
        return ", ".join(inner(item) for item in islice(value, ITEMS))
    return str(value)[:4000]


def _base_of(value: Any) -> Any:
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    return str.__str__(value) if isinstance(value, str) else bytes.hex(value)
