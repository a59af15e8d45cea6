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
        yield from _from_constants(site, node)
    elif (
        isinstance(node.ops[0], _UP) and isinstance(node.left, ast.Call) and getattr(node.left.func, "id", "") == "int"
    ):
        for least, weight in ((_least_of_width(node.left), 0.8), ("0", 0.35), ("1", 0.35)):
            if least:
                yield from site.replace(f"{least} <= {site.text()}", "bound", weight)
    elif isinstance(node.ops[0], _DOWN) and isinstance(node.left, plain):
        for length in _lengths(site):
            symbol = ">=" if isinstance(node.ops[0], ast.GtE) else ">"
            turned = "<=" if symbol == ">=" else "<"
            yield from site.replace(f"{operand(right, 7)} {turned} {operand(left, 7)} < {length}", "bound", 0.4)


def _from_constants(site: Site, node: ast.Compare) -> Iterator[Edit]:
    """Numbers that the function names and that lie below the upper bound."""
    high = node.comparators[0]
    if not isinstance(high, ast.Constant) or type(high.value) is not int:
        return
    numbers = [n.value for n in own_nodes(around(site)) if isinstance(n, ast.Constant) and type(n.value) is int]
    fits = [n for n in dict.fromkeys(numbers) if 1 < n < high.value]
    for rank, number in enumerate(fits[:3]):
        yield from site.replace(f"{number} <= {site.text()}", "bound", 0.35 / (1 + 0.2 * rank))


def _least_of_width(call: ast.Call) -> str:
    """The least number of as many digits as `int(s[i:i + 2])` reads, '' where that is not seen."""
    inner = call.args[0] if len(call.args) == 1 else None
    if not isinstance(inner, ast.Subscript) or not isinstance(inner.slice, ast.Slice) or inner.slice.step:
        return ""
    low, high = inner.slice.lower, inner.slice.upper
    width = (_plus(high, low) if low else _number(high)) if high else -_number(low)
    return str(10 ** (width - 1)) if 1 < width < 10 else ""


def _plus(high: ast.expr, low: ast.expr) -> int:
    """`high - low`, where one is the other plus or minus a number, or both are numbers; else 0."""
    if _number(high) and isinstance(low, ast.Constant):
        return _number(high) - _number(low)
    (one, a), (other, b) = _shifted(high), _shifted(low)
    return a - b if one == other else 0


def _shifted(node: ast.expr) -> tuple[str, int]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and _number(node.right):
        sign = 1 if isinstance(node.op, ast.Add) else -1
        return ast.dump(node.left), sign * _number(node.right)
    return ast.dump(node), 0


def _number(node: ast.expr | None) -> int:
    """An integer as written, 0 for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else 0


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
