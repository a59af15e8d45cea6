"""Parentheses that are missing, superfluous or around the wrong part of an expression of several operators."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, in_annotation, operand
from nightshift.fixers.templates.source import Edit

_MOST_PARTS = 6
_SYMBOLS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//"}


def edits(site: Site) -> Iterator[Edit]:
    """One run of neighbours in parentheses: `a - b / b * c` as `(a - b) / b * c`; `and` beside `or` the other way."""
    node = site.node
    if in_annotation(site.source, node) or not site.source.exact(node):
        return
    if isinstance(node, ast.BinOp) and not isinstance(site.parent, ast.BinOp):
        yield from _arithmetic(site, node)
        yield from _carried(site, node)
    elif isinstance(node, ast.Call):
        yield from _released(site, node)
    elif isinstance(node, ast.BoolOp) and not isinstance(site.parent, ast.BoolOp):
        yield from _logic(site, node)


def _carried(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    """`f(a, b) + c` as `f(a + c, b)`: the step that belongs before the call."""
    if isinstance(node.left, ast.Call) and type(node.op) in _SYMBOLS:
        call, symbol, right = node.left, _SYMBOLS[type(node.op)], operand(site.text(node.right), 12)
        for at, argument in enumerate(call.args[:3]):
            if not isinstance(argument, (ast.Starred, ast.GeneratorExp)):
                start, end = site.source.span(call)
                one, other = site.source.span(argument)
                inner = f"{operand(site.text(argument), 11)} {symbol} {right}"
                text = site.source.text[start:one] + inner + site.source.text[other:end]
                yield from site.replace(text, "regroup", 0.4 / (1 + 0.2 * at))


def _released(site: Site, node: ast.Call) -> Iterator[Edit]:
    """`f(a + c)` as `f(a) + c`: the step that belongs after the call."""
    for argument in node.args[:2]:
        if isinstance(argument, ast.BinOp) and type(argument.op) in _SYMBOLS:
            start, end = site.source.span(node)
            one, other = site.source.span(argument)
            left, right = site.text(argument.left), site.text(argument.right)
            call = site.source.text[start:one] + left + site.source.text[other:end]
            text = f"{call} {_SYMBOLS[type(argument.op)]} {operand(right, 12)}"
            yield from site.replace(text, "regroup", 0.4)


def _bracketed(site: Site, node: ast.AST) -> tuple[int, int] | None:
    """The range of a node with the parentheses right around it, None without them."""
    start, end = site.source.span(node)
    text = site.source.text
    if start > 0 and end < len(text) and text[start - 1] == "(" and text[end] == ")":
        return start - 1, end + 1
    return None


def _flat(site: Site, node: ast.AST, kind: type[ast.BinOp] | type[ast.BoolOp]) -> list[tuple[int, int]]:
    """Ranges of the operands in the order of the text; what stands in parentheses is one operand."""
    parts = [node.left, node.right] if isinstance(node, ast.BinOp) else list(getattr(node, "values", []))
    found: list[tuple[int, int]] = []
    for part in parts:
        whole = _bracketed(site, part)
        if isinstance(part, kind) and whole is None:
            found += _flat(site, part, kind)
        else:
            found.append(whole or site.source.span(part))
    return found


def _runs(site: Site, ranges: list[tuple[int, int]]) -> Iterator[str]:
    """The expression with parentheses around each run of two or more operands, but not around all."""
    text, start, end = site.source.text, ranges[0][0], ranges[-1][1]
    for first in range(len(ranges)):
        for last in range(first + 1, len(ranges)):
            if last - first < len(ranges) - 1:
                a, b = ranges[first][0], ranges[last][1]
                yield f"{text[start:a]}({text[a:b]}){text[b:end]}"


def _arithmetic(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    ranges = _flat(site, node, ast.BinOp)
    if 3 <= len(ranges) <= _MOST_PARTS:
        for text in _runs(site, ranges):
            if _differs(text, site.text()):
                yield from site.replace(text, "regroup", 0.5)
    for at, part in enumerate(ranges):  # parentheses that are there taken away
        if site.source.text[part[0]] == "(" and len(ranges) > 1:
            whole = site.source.text[ranges[0][0] : part[0]]
            text = whole + site.source.text[part[0] + 1 : part[1] - 1] + site.source.text[part[1] : ranges[-1][1]]
            if _differs(text, site.text()):
                yield from site.replace(text, "regroup", 0.45 / (1 + 0.1 * at))


def _logic(site: Site, node: ast.BoolOp) -> Iterator[Edit]:
    ranges = _flat(site, node, ast.BoolOp)
    if 3 <= len(ranges) <= _MOST_PARTS:
        for text in _runs(site, ranges):
            if _differs(text, site.text()):
                yield from site.replace(text, "regroup", 0.55)
    for part in ranges:
        inner = site.source.text[part[0] + 1 : part[1] - 1]
        if site.source.text[part[0]] == "(" and (" and " in inner or " or " in inner):
            text = site.source.text[ranges[0][0] : part[0]] + inner + site.source.text[part[1] : ranges[-1][1]]
            if _differs(text, site.text()):
                yield from site.replace(text, "regroup", 0.5)


def _differs(text: str, old: str) -> bool:
    """Whether a text parses and means something else (as a tree) than the old one."""
    try:
        new_tree = ast.parse(text.strip(), mode="eval").body
        return ast.dump(new_tree) != ast.dump(ast.parse(f"({old})", mode="eval").body)
    except (SyntaxError, ValueError):
        return False
