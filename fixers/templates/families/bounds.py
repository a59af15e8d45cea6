"""Values that leave their range: a lower or upper bound forgotten, a count that should go round, a step too many."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, around, in_annotation, local_names, operand, own_nodes
from nightshift.fixers.templates.source import Edit

_UP, _DOWN = (ast.Lt, ast.LtE), (ast.Gt, ast.GtE)


def edits(site: Site) -> Iterator[Edit]:
    """`0 <= x < n` for `x < n`, `(x + d) % n` for `x + d`, `x = y` for `x += 1`."""
    node = site.node
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _chained(site, node)
    elif (
        isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and not in_annotation(site.source, node)
    ):
        yield from _round(site)
    elif isinstance(node, ast.AugAssign):
        yield from _augmented(site, node)


def _chained(site: Site, node: ast.Compare) -> Iterator[Edit]:
    """Both bounds; only for values that are counted or used as an index."""
    left, right = site.text(node.left), site.text(node.comparators[0])
    plain = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)
    if isinstance(node.ops[0], _UP) and isinstance(node.left, plain):
        yield from site.replace(f"0 <= {site.text()}", "bound", 0.5)
        yield from site.replace(f"0 < {site.text()}", "bound", 0.35)
        yield from site.replace(f"1 <= {site.text()}", "bound", 0.3)
    elif isinstance(node.ops[0], _DOWN) and isinstance(node.left, plain):
        for length in _lengths(site):
            symbol = ">=" if isinstance(node.ops[0], ast.GtE) else ">"
            turned = "<=" if symbol == ">=" else "<"
            yield from site.replace(f"{operand(right, 7)} {turned} {operand(left, 7)} < {length}", "bound", 0.4)


def _lengths(site: Site) -> list[str]:
    """`len(x)` for what the function takes the length or an element of."""
    found: dict[str, None] = {}
    for node in own_nodes(around(site)):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            found.setdefault(f"len({node.value.id})")
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "len":
            found.setdefault(site.text(node))
    return list(found)[:3]


def _circles(site: Site) -> list[str]:
    """Numbers of the function and lengths: what a value may go round in."""
    numbers = [n.value for n in own_nodes(around(site)) if isinstance(n, ast.Constant) and type(n.value) is int]
    return [*(str(n) for n in dict.fromkeys(numbers) if n > 1), *_lengths(site)][:5]


def _round(site: Site) -> Iterator[Edit]:
    if not isinstance(site.parent, (ast.BinOp, ast.JoinedStr)):
        for rank, circle in enumerate(_circles(site)):
            yield from site.replace(f"({site.text()}) % {operand(circle, 13)}", "bound", 0.3 / (1 + 0.15 * rank))


def _augmented(site: Site, node: ast.AugAssign) -> Iterator[Edit]:
    target, value = site.text(node.target), site.text(node.value)
    if isinstance(node.op, (ast.Add, ast.Sub)):
        symbol = "+" if isinstance(node.op, ast.Add) else "-"
        for rank, circle in enumerate(_circles(site)):
            code = f"{target} = ({target} {symbol} {operand(value, 12)}) % {operand(circle, 13)}"
            yield from lines.swap_statement(site, node, code, "bound", 0.35 / (1 + 0.15 * rank))
    names = [n for n in local_names(site) if n not in ("self", "cls", target, value)]
    for rank, name in enumerate(names[:8]):
        code = f"{target} = {name}"
        yield from lines.swap_statement(site, node, code, "insert-assignment", 0.35 / (1 + 0.1 * rank))
