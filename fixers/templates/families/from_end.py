"""Negative bounds that may be zero: `x[:-n]` is empty and `x[-n:]` is everything where `n` is 0."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, in_annotation, operand
from nightshift.fixers.templates.source import Edit

TEMPLATE = "from-end"


def edits(site: Site) -> Iterator[Edit]:
    """`x[a:len(x) - n]` for `x[a:-n]`, `x[max(len(x) - n, 0):]` for `x[-n:]`."""
    node = site.node
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice) or node.slice.step is not None:
        return
    if in_annotation(site.source, node) or not isinstance(node.value, (ast.Name, ast.Attribute)):
        return
    base = site.text(node.value)
    low, high = _counted(node.slice.lower), _counted(node.slice.upper)
    begin = site.text(node.slice.lower) if node.slice.lower else ""
    if high is not None:
        place = f"len({base}) - {operand(site.text(high), 12)}"
        yield from site.replace(f"{base}[{begin}:{place}]", TEMPLATE, 0.9)
        yield from site.replace(f"{base}[{begin}:max({place}, 0)]", TEMPLATE, 0.4)
    elif low is not None and node.slice.upper is None:
        place = f"len({base}) - {operand(site.text(low), 12)}"
        yield from site.replace(f"{base}[max({place}, 0):]", TEMPLATE, 0.75)
        yield from site.replace(f"{base}[{place}:]", TEMPLATE, 0.65)


def _counted(bound: ast.expr | None) -> ast.expr | None:
    """The `n` of a bound `-n` that is not written as a number."""
    if (
        isinstance(bound, ast.UnaryOp)
        and isinstance(bound.op, ast.USub)
        and not isinstance(bound.operand, ast.Constant)
    ):
        return bound.operand
    return None
