"""Bounds that are one too far or one too short: ranges, indexes, slices, comparisons, lengths."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, in_annotation, is_load, operand
from nightshift.fixers.templates.source import Edit

TEMPLATE = "off-by-one"
_INTEGER_CALLS = ("len", "int", "round", "index", "find", "count", "min", "max", "sum", "abs")


def edits(site: Site) -> Iterator[Edit]:
    """`e + 1`, `e - 1`; `len(x) - 1` without its `- 1`; the ways to write `range`."""
    node = site.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        yield from _ranges(site, node)
    if isinstance(node, ast.expr) and is_load(node) and _numeric(node) and not in_annotation(site.source, node):
        weight = _weight(site)
        if weight:
            text = operand(site.text())
            yield from site.replace(f"{text} + 1", TEMPLATE, weight)
            yield from site.replace(f"{text} - 1", TEMPLATE, weight)


def _numeric(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)) and not _shifted(node)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        return name in _INTEGER_CALLS
    return isinstance(node, (ast.Name, ast.Attribute))


def _shifted(node: ast.BinOp) -> bool:
    """Already `e ± 1`: the literal itself is varied elsewhere."""
    literal = isinstance(node.right, ast.Constant) or isinstance(node.left, ast.Constant)
    return literal and isinstance(node.op, (ast.Add, ast.Sub))


def _weight(site: Site) -> float:
    parent, place = site.parent, site.place
    if isinstance(parent, ast.Slice) or (isinstance(parent, ast.Subscript) and place == "slice"):
        return 0.9
    if isinstance(parent, ast.Call) and place == "args":
        name = getattr(parent.func, "id", "")
        return 0.9 if name == "range" else 0.1 if name in ("len", "isinstance", "str", "print", "list") else 0.33
    if isinstance(parent, ast.Compare):
        return 0.6 if isinstance(parent.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)) else 0.0
    if isinstance(parent, ast.BinOp):
        shifted = _shifted(parent) or (
            isinstance(parent.left, ast.Constant) and isinstance(parent.op, (ast.Add, ast.Sub))
        )
        return (
            0.0
            if shifted
            else 0.35
            if isinstance(parent.op, (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.Div))
            else 0.0
        )
    if isinstance(parent, (ast.Return, ast.Assign, ast.AugAssign)) and place == "value":
        return 0.55 if not isinstance(site.node, ast.Name) else 0.5
    if isinstance(parent, ast.Tuple) and isinstance(site.source.parents.get(parent), ast.Call):
        return 0.4  # `queue.append((next, steps + 1))`
    return 0.2 if isinstance(parent, (ast.Tuple, ast.List, ast.IfExp)) else 0.0


def _ranges(site: Site, node: ast.Call) -> Iterator[Edit]:
    arguments = [site.text(a) for a in node.args]
    if len(arguments) == 1:
        stop = arguments[0]
        yield from site.replace(f"range(1, {stop})", TEMPLATE, 0.7)
        yield from site.replace(f"range(1, {operand(stop)} + 1)", TEMPLATE, 0.6)
        yield from site.replace(f"range({operand(stop)} - 1, -1, -1)", TEMPLATE, 0.4)
        yield from site.replace(f"range(2, {stop})", TEMPLATE, 0.3)
    elif len(arguments) == 2:
        start, stop = arguments
        yield from site.replace(f"range({stop})", TEMPLATE, 0.5)
        yield from site.replace(f"range({stop}, {start}, -1)", TEMPLATE, 0.3)
        yield from site.replace(f"range({start}, {stop}, 2)", TEMPLATE, 0.2)
        yield from site.replace(f"range({operand(start)} - 1, {operand(stop)} - 1)", TEMPLATE, 0.3)
        yield from site.replace(f"range({operand(start)} + 1, {operand(stop)} + 1)", TEMPLATE, 0.3)
    elif len(arguments) == 3:
        start, stop, step = arguments
        yield from site.replace(f"range({start}, {stop})", TEMPLATE, 0.35)
        yield from site.replace(f"range({start}, {stop}, -{operand(step, 13)})", TEMPLATE, 0.4)
