"""The wrong operator between the right operands, or the right operator with its operands swapped."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, operand
from nightshift.fixers.templates.source import Edit

_COMPARE: dict[type[ast.cmpop], tuple[str, tuple[tuple[str, float], ...]]] = {
    ast.Lt: ("<", (("<=", 1.0), (">", 0.7), (">=", 0.5), ("!=", 0.4), ("==", 0.3))),
    ast.LtE: ("<=", (("<", 1.0), (">=", 0.7), (">", 0.5), ("==", 0.3), ("!=", 0.3))),
    ast.Gt: (">", ((">=", 1.0), ("<", 0.7), ("<=", 0.5), ("!=", 0.4), ("==", 0.3))),
    ast.GtE: (">=", ((">", 1.0), ("<=", 0.7), ("<", 0.5), ("==", 0.3), ("!=", 0.3))),
    ast.Eq: ("==", (("!=", 0.8), (">=", 0.5), ("<=", 0.5), (">", 0.35), ("<", 0.35), ("in", 0.4), ("is", 0.15))),
    ast.NotEq: ("!=", (("==", 0.8), ("<", 0.45), (">", 0.45), (">=", 0.3), ("<=", 0.3), ("not in", 0.3))),
    ast.Is: ("is", (("is not", 0.8), ("==", 0.7))),
    ast.IsNot: ("is not", (("is", 0.8), ("!=", 0.7))),
    ast.In: ("in", (("not in", 0.9), ("==", 0.4))),
    ast.NotIn: ("not in", (("in", 0.9), ("!=", 0.3))),
}
_BINARY: dict[type[ast.operator], tuple[str, tuple[tuple[str, float], ...]]] = {
    ast.Add: ("+", (("-", 0.8), ("*", 0.45), ("|", 0.2), ("//", 0.12), ("%", 0.12))),
    ast.Sub: ("-", (("+", 0.8), ("%", 0.25), ("*", 0.25), ("//", 0.2), ("/", 0.15))),
    ast.Mult: ("*", (("/", 0.5), ("+", 0.5), ("**", 0.45), ("//", 0.4), ("-", 0.2), ("%", 0.15))),
    ast.Div: ("/", (("//", 0.8), ("*", 0.5), ("%", 0.35), ("-", 0.2))),
    ast.FloorDiv: ("//", (("/", 0.8), ("%", 0.6), ("*", 0.4), ("-", 0.2))),
    ast.Mod: ("%", (("//", 0.6), ("/", 0.35), ("*", 0.25), ("-", 0.25))),
    ast.Pow: ("**", (("*", 0.6), ("+", 0.2), ("^", 0.1))),
    ast.LShift: ("<<", ((">>", 0.8), ("*", 0.2))),
    ast.RShift: (">>", (("<<", 0.8), ("//", 0.2))),
    ast.BitOr: ("|", (("&", 0.8), ("^", 0.6), ("+", 0.2))),
    ast.BitAnd: ("&", (("|", 0.8), ("^", 0.6), ("%", 0.1))),
    ast.BitXor: ("^", (("|", 0.6), ("&", 0.6), ("**", 0.6))),
}
_SPACED = re.compile(r"[a-z]")


def edits(site: Site) -> Iterator[Edit]:
    """Comparison, arithmetic, bit and boolean operators; unary ones dropped; operands swapped."""
    node = site.node
    if isinstance(node, ast.Compare):
        yield from _comparisons(site, node)
    elif isinstance(node, ast.BinOp):
        yield from _binary(site, node)
    elif isinstance(node, ast.BoolOp):
        yield from _boolean(site, node)
    elif isinstance(node, ast.AugAssign):
        yield from _augmented(site, node)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        name = "comparison" if isinstance(node.op, ast.Not) else "operator"
        yield from site.replace(site.text(node.operand), name, 0.6)


def _between(site: Site, left: ast.AST, right: ast.AST, symbol: str) -> tuple[int, int] | None:
    """Where the operator stands between two nodes: comments and parentheses may stand there too."""
    start, end = site.source.span(left)[1], site.source.span(right)[0]
    text = site.source.text[start:end]
    words = symbol.split()
    pattern = r"\s+".join(re.escape(w) for w in words)
    if "#" not in text:
        found = re.search(pattern, text)
        return (start + found.start(), start + found.end()) if found else None
    return _tokenised(text, start, words[0]) if len(words) == 1 else None


def _tokenised(text: str, start: int, symbol: str) -> tuple[int, int] | None:
    lines = text.splitlines(keepends=True)
    try:
        for token in tokenize.generate_tokens(io.StringIO("(" + text).readline):
            if token.string == symbol:
                row, column = token.start
                at = start + sum(map(len, lines[: row - 1])) + column - (1 if row == 1 else 0)
                return at, at + len(symbol)
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return None
    return None


def _swap_operator(
    site: Site, left: ast.AST, right: ast.AST, old: str, new: str, template: str, weight: float
) -> Iterator[Edit]:
    if not (site.source.exact(left) and site.source.exact(right)):
        return
    at = _between(site, left, right, old)
    if at is None:
        return
    start, end = at
    text = site.source.text
    if _SPACED.match(new):
        new = (" " if not text[start - 1].isspace() else "") + new + (" " if not text[end].isspace() else "")
    yield site.edit(start, end, new, template, weight, f"use `{new.strip()}` instead of `{old}` in `{_short(site)}`")


def _short(site: Site) -> str:
    text = " ".join(site.text().split())
    return text if len(text) < 60 else text[:59] + "…"


def _comparisons(site: Site, node: ast.Compare) -> Iterator[Edit]:
    operands = [node.left, *node.comparators]
    for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
        symbol, options = _COMPARE[type(operator)]
        constant = isinstance(right, ast.Constant)
        for new, weight in options:
            if new in ("in", "not in") and isinstance(right, ast.Constant) and not isinstance(right.value, str):
                continue
            if new == "is" and not (constant and right.value is None):  # type: ignore[attr-defined]
                continue
            yield from _swap_operator(site, left, right, symbol, new, "comparison", weight)
    if len(node.ops) == 1:
        one, other = site.text(node.left), site.text(node.comparators[0])
        symbol = _COMPARE[type(node.ops[0])][0]
        if symbol in ("in", "not in"):
            yield from site.replace(f"{operand(other, 7)} {symbol} {operand(one, 7)}", "operand-swap", 0.3)


def _binary(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    if isinstance(node.op, ast.MatMult):
        return
    symbol, options = _BINARY[type(node.op)]
    texty = _is_text(node.left) or _is_text(node.right)
    if not texty:
        one = isinstance(node.right, ast.Constant) and node.right.value == 1
        for new, weight in options:
            if not (one and new in ("*", "/", "//", "**", "%")):
                yield from _swap_operator(site, node.left, node.right, symbol, new, "operator", weight)
    left, right = site.text(node.left), site.text(node.right)
    commutes = isinstance(node.op, (ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor))
    if not commutes:
        turned = isinstance(node.left, ast.Constant) and not isinstance(node.right, ast.Constant)
        weight = (
            0.75
            if turned and isinstance(node.op, ast.Sub)
            else 0.5
            if isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow))
            else 0.45
        )
        yield from site.replace(f"{operand(right, 13)} {symbol} {operand(left, 13)}", "operand-swap", weight)
    yield from _regroup(site, node, symbol)


def _regroup(site: Site, node: ast.BinOp, symbol: str) -> Iterator[Edit]:
    """`a + b / c` as `(a + b) / c`, `a - (b + c)` as `a - b + c`, and the like."""
    left, right = node.left, node.right
    if isinstance(right, ast.BinOp) and type(right.op) in _BINARY:
        inner = _BINARY[type(right.op)][0]
        a, b, c = site.text(left), site.text(right.left), site.text(right.right)
        yield from site.replace(f"({a} {symbol} {b}) {inner} {operand(c, 13)}", "regroup", 0.6)
    if isinstance(left, ast.BinOp) and type(left.op) in _BINARY:
        inner = _BINARY[type(left.op)][0]
        a, b, c = site.text(left.left), site.text(left.right), site.text(right)
        yield from site.replace(f"{operand(a, 12)} {inner} ({b} {symbol} {c})", "regroup", 0.57)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _alike(site: Site, node: ast.BoolOp) -> Iterator[Edit]:
    """`a <= b and c <= d` as `a < b and c < d`: what is symmetric stays so."""
    pairs = [v for v in node.values if isinstance(v, ast.Compare) and len(v.ops) == 1]
    if len(pairs) != len(node.values) or len({type(p.ops[0]) for p in pairs}) != 1 or not site.source.exact(node):
        return
    options = _COMPARE[type(pairs[0].ops[0])][1]
    word = " and " if isinstance(node.op, ast.And) else " or "
    for new, weight in options[:3]:
        parts = [f"{operand(site.text(p.left), 7)} {new} {operand(site.text(p.comparators[0]), 7)}" for p in pairs]
        yield from site.replace(word.join(parts), "comparison", 1.02 * weight)


def _boolean(site: Site, node: ast.BoolOp) -> Iterator[Edit]:
    yield from _alike(site, node)
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    if len(node.values) == 2:
        yield from _swap_operator(site, node.values[0], node.values[1], old, new, "boolean", 0.8)
        if site.source.exact(node):
            first, second = (operand(site.text(v), 5) for v in node.values)
            yield from site.replace(f"{second} {old} {first}", "operand-swap", 0.25)
            yield from site.replace(f"not ({site.text()})", "boolean", 0.3)
        return
    yield from site.replace(f" {new} ".join(operand(site.text(v), 5) for v in node.values), "boolean", 0.6)
    for left, right in zip(node.values, node.values[1:], strict=False):
        yield from _swap_operator(site, left, right, old, new, "boolean", 0.4)


def _augmented(site: Site, node: ast.AugAssign) -> Iterator[Edit]:
    if type(node.op) not in _BINARY:
        return
    symbol, options = _BINARY[type(node.op)]
    for new, weight in options:
        yield from _swap_operator(site, node.target, node.value, symbol + "=", new + "=", "operator", weight)
    yield from _swap_operator(site, node.target, node.value, symbol + "=", "=", "operator", 0.6)
