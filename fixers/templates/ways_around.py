"""Ways around a crash: leave before it, or run the statement only if it can work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, operand, own_nodes
from nightshift.fixers.templates.source import Edit

_EXAMPLES = re.compile(r">>> .*?(?:\n[ \t]*\n|$)", re.DOTALL)
FALLBACKS = ("default", "fallback", "otherwise", "missing")
"""Words in a parameter's name that say what it is for."""


def leaves(site: Site, node: ast.AST) -> list[tuple[str, float]]:
    """Ways to leave: continue in loops, else the values this function or functions in general return."""
    if site.source.loop(node):
        return [("continue", 0.8), ("break", 0.35), ("return None", 0.3)]
    function = site.source.function(node)
    if function is None:
        return []
    found: dict[str, float] = {}
    for inner in own_nodes(function):
        if isinstance(inner, ast.Return) and isinstance(inner.value, (ast.Constant, ast.List, ast.Dict, ast.Tuple)):
            found.setdefault(f"return {site.text(inner.value)}", 0.6)
    for argument in [*function.args.args, *function.args.kwonlyargs]:
        if any(word in argument.arg for word in FALLBACKS):
            found[f"return {argument.arg}"] = 0.9
    for value in site.expected:
        if worth_returning(value, function, site):
            found.setdefault(f"return {value}", 0.65)
    kind = ast.unparse(function.returns) if function.returns else ""
    typed = {
        "int": "0",
        "float": "0.0",
        "str": "''",
        "bool": "False",
        "list": "[]",
        "dict": "{}",
        "tuple": "()",
        "set": "set()",
    }
    for prefix, value in typed.items():
        if kind.startswith(prefix):
            found[f"return {value}"] = 0.75
    if "None" in kind:
        found["return None"] = 0.75
    for value in ("None", "0", "[]", "''", "False", "{}", "0.0", "True", "1", "''", "()", "set()"):
        found.setdefault(f"return {value}", 0.5)
    return list(found.items())[:16]


def worth_returning(value: str, function: ast.AST, site: Site) -> bool:
    """Whether an answer that a test expects may be returned by a guard without reciting the test: a plain one, or a
    text that the function itself writes (not in its examples)."""
    try:
        plain = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return False
    if isinstance(plain, str) and plain:
        return plain in _EXAMPLES.sub("", site.source.segment(function))
    return not plain or plain is True or (isinstance(plain, (int, float)) and plain in (1, -1))


def guard(site: Site, condition: str, weight: float, template: str = "guard") -> Iterator[Edit]:
    statement = site.source.statement(site.node)
    if statement is None or site.source.function(statement) is None:
        return
    for leave, share in leaves(site, statement):
        yield from lines.before(site, statement, f"if {condition}:\n\t{leave}", template, weight * share)


def only_if(site: Site, condition: str, weight: float) -> Iterator[Edit]:
    """The whole statement under a condition."""
    statement = site.source.statement(site.node)
    if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr)) and site.source.function(statement):
        inner = lines.reindented(site, statement, "\t")
        if inner and site.source.alone(statement):
            yield from lines.swap_statement(site, statement, f"if {condition}:\n{inner}", "guard", weight)


def in_front(site: Site, condition: str, weight: float) -> Iterator[Edit]:
    """`condition and …` where the failing expression is part of a condition, of a filter too."""
    node: ast.AST = site.node
    parent = site.source.parents.get(node)
    while parent is not None and not isinstance(parent, ast.stmt):
        test = site.source.fields.get(node) in ("test", "ifs")
        if isinstance(node, ast.expr) and (test or isinstance(parent, ast.BoolOp)):
            text = f"{operand(condition, 5)} and {operand(site.text(node), 5)}"
            yield from site.replace(text, "guard", weight if test else 0.8 * weight, node=node)
        node, parent = parent, site.source.parents.get(parent)
    if (
        isinstance(parent, (ast.If, ast.While))
        and site.source.fields.get(node) == "test"
        and isinstance(node, ast.expr)
    ):
        text = f"{operand(condition, 5)} and {operand(site.text(node), 5)}"
        yield from site.replace(text, "guard", weight, node=node)
