"""Numbers rounded the wrong way or not at all, and signs: ceilings, whole parts, halves, distances."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, around, in_annotation, operand, own_nodes
from nightshift.fixers.templates.source import Edit

TEMPLATE = "rounding"
_UP = re.compile(r"\b(up|ceil\w*|at least|enough|pages?|needs?|needed|batch\w*|chunks?|boxes|started|begun)\b", re.I)
_NEAREST = re.compile(r"(?<![a-z])(round(?!s? (?:up|down|of)\b)(?!ed (?:up|down)\b)\w*|nearest|closest)", re.I)
_CENTS = re.compile(r"\b(cents?|pence|two (?:decimals|places|digits)|hundredths?)\b", re.I)


def edits(site: Site) -> Iterator[Edit]:
    """`-(-a // b)` for `a // b` and `a / b`, `round(a / b)`, `round(x)` for `int(x)`, `abs(a - b)`."""
    node = site.node
    if in_annotation(site.source, node):
        return
    if isinstance(node, ast.Call):
        yield from _whole_part(site, node)
    if not isinstance(node, ast.BinOp):
        return
    if isinstance(node.op, (ast.FloorDiv, ast.Div)) and not isinstance(node.left, ast.JoinedStr):
        yield from _quotient(site, node)
    elif isinstance(node.op, ast.Sub):
        yield from site.replace(f"abs({site.text()})", TEMPLATE, 0.4)
    elif isinstance(node.op, ast.Mult):
        yield from site.replace(f"round({site.text()}, 2)", TEMPLATE, 0.7 if _says(site)[2] else 0.25)
    whole = isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)) and isinstance(site.parent, (ast.Assign, ast.Return))
    if whole and _says(site)[1]:
        yield from site.replace(f"round({site.text()})", TEMPLATE, 0.6)


def _whole_part(site: Site, node: ast.Call) -> Iterator[Edit]:
    plain = len(node.args) == 1 and not isinstance(node.args[0], (ast.Starred, ast.GeneratorExp))
    if plain and site.text(node.func) == "int" and _says(site)[1]:
        yield from site.replace(f"round({site.text(node.args[0])})", TEMPLATE, 0.85)


def _quotient(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    up, nearest, cents = _says(site)
    a, b = site.text(node.left), operand(site.text(node.right), 13)
    ceiling = 0.8 if up else 0.25 if nearest else 0.6
    yield from site.replace(f"-(-{operand(a, 13)} // {b})", TEMPLATE, ceiling)
    rounded = 0.4 if up else 0.9 if nearest else 0.35
    if isinstance(node.op, ast.FloorDiv):
        yield from site.replace(f"int({a} / {b})", TEMPLATE, 0.3)
        yield from site.replace(f"round({a} / {b})", TEMPLATE, rounded)
        yield from site.replace(f"({a} + {b} // 2) // {b}", TEMPLATE, 0.5 if nearest else 0.15)
    else:
        if not (isinstance(site.parent, ast.Call) and getattr(site.parent.func, "id", "") == "round"):
            yield from site.replace(f"round({site.text()})", TEMPLATE, rounded)
        yield from site.replace(f"round({site.text()}, 2)", TEMPLATE, 0.7 if cents else 0.3)
        yield from site.replace(f"round({site.text()}, 1)", TEMPLATE, 0.2)


def _says(site: Site) -> tuple[bool, bool, bool]:
    """Whether the function's name, docstring or calls speak of rounding up, to the nearest, to two decimals."""
    scope = around(site)
    key = ("rounds", site.source.path, scope)
    if key not in site.cache:
        text = f"{getattr(scope, 'name', '').replace('_', ' ')} {_docstring(scope)}"
        called = any(isinstance(n, ast.Call) and getattr(n.func, "id", "") == "round" for n in own_nodes(scope))
        up = bool(_UP.search(text))
        site.cache[key] = (up, not up and (called or bool(_NEAREST.search(text))), bool(_CENTS.search(text)))
    found: tuple[bool, bool, bool] = site.cache[key]  # type: ignore[assignment]
    return found


def _docstring(scope: ast.AST) -> str:
    """The sentences of a docstring, its examples left out."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
    text = (ast.get_docstring(scope) or "") if isinstance(scope, kinds) else ""
    return text.partition(">>>")[0]
