"""Three operands joined in the wrong order: divided before multiplied, scaled before shifted."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, in_annotation, level, operand
from nightshift.fixers.templates.source import Edit

_SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_EXACT = ({ast.Add, ast.Sub}, {ast.Mult, ast.Div}, {ast.Add}, {ast.Sub}, {ast.Mult}, {ast.Div})


def edits(site: Site) -> Iterator[Edit]:
    """`a op2 c op1 b` for `a op1 b op2 c`: `a * c // b` for `a // b * c`, `(a - c) / b` for `a / b - c`."""
    node = site.node
    if not isinstance(node, ast.BinOp) or in_annotation(site.source, node) or not isinstance(node.left, ast.BinOp):
        return
    inner = node.left
    first, second = _SYMBOLS.get(type(inner.op)), _SYMBOLS.get(type(node.op))
    if first is None or second is None or {type(inner.op), type(node.op)} in _EXACT or _texty(inner, node.right):
        return
    a, b, c = site.text(inner.left), site.text(inner.right), site.text(node.right)
    outer = level(node)
    joined = f"{operand(a, outer)} {second} {operand(c, outer + 1)}"
    text = f"{operand(joined, level(inner))} {first} {operand(b, level(inner) + 1)}"
    yield from site.replace(text, "regroup", _weight(inner, node))


def _weight(inner: ast.BinOp, node: ast.BinOp) -> float:
    """What is rounded down first loses most; of the others, an offset that belongs within the scale is likeliest."""
    if isinstance(inner.op, ast.FloorDiv) and isinstance(node.op, ast.Mult):
        return 0.85
    return 0.6 if isinstance(node.op, (ast.Add, ast.Sub)) else 0.5


def _texty(*nodes: ast.AST) -> bool:
    """Whether texts take part: `%` formats them, `*` repeats them."""
    inner = (n for node in nodes for n in ast.walk(node))
    return any(isinstance(n, ast.JoinedStr) or isinstance(getattr(n, "value", None), (str, bytes)) for n in inner)
