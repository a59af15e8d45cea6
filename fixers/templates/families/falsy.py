"""`or` that takes more than was meant: zeros for nothing, a bare constant for a comparison."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, operand
from nightshift.fixers.templates.source import Edit


def edits(site: Site) -> Iterator[Edit]:
    """`v if x is None else x` for `x or v`, `d.get(k, v)` for `d.get(k) or v`, `x == 1 or x == 2` for `x == 1 or 2`."""
    node = site.node
    if not isinstance(node, ast.BoolOp) or len(node.values) != 2 or not site.source.exact(node):
        return
    first, second = node.values
    one, other = site.text(first), site.text(second)
    if isinstance(first, ast.Compare) and _bare(second) and len(first.ops) == 1:
        symbol, word = ("==", "or") if isinstance(first.ops[0], ast.Eq) else ("!=", "and")
        if isinstance(first.ops[0], (ast.Eq, ast.NotEq)):
            yield from site.replace(f"{one} {word} {site.text(first.left)} {symbol} {other}", "falsy", 1.0)
        return
    if not isinstance(node.op, ast.Or) or site.place in ("test", "ifs"):
        return
    if isinstance(first, (ast.Name, ast.Attribute, ast.Subscript)):
        yield from site.replace(f"{operand(other, 3)} if {one} is None else {one}", "falsy", 0.6)
    elif isinstance(first, ast.Call) and getattr(first.func, "attr", "") == "get" and len(first.args) == 1:
        yield from site.replace(f"{site.text(first.func)}({site.text(first.args[0])}, {other})", "falsy", 0.6)


def _bare(node: ast.expr) -> bool:
    """A number or text, which as a condition is always the same."""
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)) and type(node.value) is not bool
