"""Inputs to try: a call of a function of the tree with arguments as plain JSON, and how people read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PRODUCTION, TEST, DRAWN = "production", "test", "drawn"
_SHOWN = 160


@dataclass(frozen=True, kw_only=True)
class Input:
    """One call. `arguments` are (name, JSON as `inside.values` writes it) in the order of the signature, `shape` what
    the code object says of them: positional ones, keyword-only ones, ``*``, ``**``.

    `source` is production | test | drawn. `text` replaces all of it: an expression, with the imports it needs.
    """

    module: str = ""
    name: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    shape: tuple[int, int, bool, bool] = (0, 0, False, False)
    source: str = DRAWN
    tests: tuple[str, ...] = ()
    imports: str = ""
    text: str = ""

    def row(self) -> dict[str, Any]:
        """What the program inside is told."""
        if self.text:
            return {"source": self.text, "imports": self.imports}
        return {"module": self.module, "name": self.name, "args": list(self.arguments), "shape": list(self.shape)}

    def key(self) -> str:
        """Equal for equal calls."""
        return json.dumps(self.row(), sort_keys=True)

    def shown(self) -> str:
        """For people, bounded."""
        if self.text:
            return _cut(self.text)
        bare = self.name.rpartition(".")[2]
        values = [shown(value) for name, value in self.arguments if name not in ("self", "cls")]
        if self.arguments and self.arguments[0][0] == "self":
            bare = f"{shown(self.arguments[0][1])}.{bare}"
        return _cut(f"{bare}({', '.join(values)})")


def shown(value: Any) -> str:
    """A value as Python would write it, nearly."""
    if not isinstance(value, list):
        return repr(value)
    tag, body = value
    if tag == "int":
        return str(int(body, 16))
    if tag == "float":
        return str(body)
    if tag == "dict":
        return "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in body) + "}"
    if tag in ("list", "tuple", "set", "frozenset"):
        inside = ", ".join(map(shown, body)) + ("," if tag == "tuple" and len(body) == 1 else "")
        if tag in ("set", "frozenset"):
            return f"{tag}({{{inside}}})" if body and tag == "frozenset" else f"{{{inside}}}" if body else f"{tag}()"
        return f"[{inside}]" if tag == "list" else f"({inside})"
    return _special(tag, body)


def _special(tag: str, body: Any) -> str:
    if tag in ("bytes", "bytearray"):
        return repr(str(body).encode("latin-1"))
    if tag == "named":
        return str(body[1])
    if tag == "member":
        return f"{body[0][1]}.{body[1]}"
    if tag == "ntuple":
        return f"{body[0][1]}({', '.join(map(shown, body[1]))})"
    if tag == "made":
        return f"{str(body[0]).rpartition('.')[2]}({', '.join(map(shown, body[1]))})"
    if tag == "object":
        return f"{body[0][1]}({', '.join(f'{name}={shown(part)}' for name, part in body[1])})"
    return f"{tag}({body})"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def call_input(row: Mapping[str, Any], name: str) -> Input | None:
    """A recorded call as an input; None when the row makes no sense (it comes from inside)."""
    args, shape = row.get("args"), row.get("shape")
    if not isinstance(args, dict) or not isinstance(shape, list) or len(shape) != 4:
        return None
    order = row.get("order")
    names = order if isinstance(order, list) and set(order) == set(args) else list(args)
    if len(names) != int(shape[0]) + int(shape[1]) + bool(shape[2]) + bool(shape[3]):
        return None
    test = str(row.get("test", ""))[:500]
    return Input(
        module=str(row.get("module", "")), name=name,
        arguments=tuple((str(n), args[n]) for n in names),
        shape=(int(shape[0]), int(shape[1]), bool(shape[2]), bool(shape[3])), source=TEST,
        tests=(test,) if test else (),
    )  # fmt: skip
