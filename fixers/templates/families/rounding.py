"""Numbers rounded the wrong way or not at all, and signs: ceilings, whole parts, halves, distances."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, in_annotation, operand
from nightshift.fixers.templates.source import Edit


def edits(site: Site) -> Iterator[Edit]:
    """`-(-a // b)` for `a // b` and `a / b`, `round(a / b)`, `abs(a - b)`, `int(a / b)` towards zero."""
    node = site.node
    if not isinstance(node, ast.BinOp) or in_annotation(site.source, node):
        return
    a, b = site.text(node.left), site.text(node.right)
    if isinstance(node.op, (ast.FloorDiv, ast.Div)) and not isinstance(node.left, ast.JoinedStr):
        yield from site.replace(f"-(-{operand(a, 13)} // {operand(b, 13)})", "rounding", 0.75)
        symbol = "//" if isinstance(node.op, ast.FloorDiv) else "/"
        if symbol == "//":
            yield from site.replace(f"int({a} / {operand(b, 13)})", "rounding", 0.3)
            yield from site.replace(f"round({a} / {operand(b, 13)})", "rounding", 0.35)
            yield from site.replace(f"({a} + {operand(b, 12)} // 2) // {operand(b, 13)}", "rounding", 0.15)
        else:
            yield from site.replace(f"round({site.text()}, 2)", "rounding", 0.3)
            yield from site.replace(f"round({site.text()}, 1)", "rounding", 0.2)
    elif isinstance(node.op, ast.Sub):
        yield from site.replace(f"abs({site.text()})", "rounding", 0.4)
    elif isinstance(node.op, ast.Mult):
        yield from site.replace(f"round({site.text()}, 2)", "rounding", 0.25)
