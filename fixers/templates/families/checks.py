"""Forgotten checks right after a value changed, and forgotten filters: left the way this function leaves elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, own_nodes
from nightshift.fixers.templates.source import Edit

_LONGEST = 110


def edits(site: Site) -> Iterator[Edit]:
    """`if depth < 0: raise …` after `depth -= 1`, with the raises and returns the function has."""
    node = site.node
    function = site.source.function(node)
    if function is None or not isinstance(node, (ast.Assign, ast.AugAssign)):
        return
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, (ast.Name, ast.Attribute)):
        return
    name = site.text(target)
    for rank, condition in enumerate(_conditions(node, name)):
        for place, leave in enumerate(_leaves(site, function)):
            weight = 0.32 / ((1 + 0.15 * rank) * (1 + 0.1 * place))
            yield from lines.after(site, node, f"if {condition}:\n\t{leave}", "insert-guard", weight)


def _conditions(node: ast.Assign | ast.AugAssign, name: str) -> list[str]:
    if isinstance(node, ast.AugAssign):
        if isinstance(node.op, (ast.Sub, ast.FloorDiv)):
            return [f"{name} < 0", f"{name} == 0", f"{name} <= 0"]
        return [f"{name} > 1", f"{name} == 0"]
    return [f"not {name}", f"{name} is None", f"{name} < 0", f"{name} == -1", f"{name} == 0"]


def _leaves(site: Site, function: ast.AST) -> list[str]:
    """The ways the function is left elsewhere: raises first, then returns of something simple, then those of loops."""
    key = ("leaves", function)
    if key not in site.cache:
        own = list(own_nodes(function))
        raises = [site.text(n) for n in own if isinstance(n, ast.Raise)]
        simple = (ast.Constant, ast.Name, ast.List, ast.UnaryOp)
        returns = [site.text(n) for n in own if isinstance(n, ast.Return) and isinstance(n.value, simple)]
        found = [t for t in dict.fromkeys([*raises, *returns]) if "\n" not in t and len(t) <= _LONGEST]
        site.cache[key] = found[:4]
    leaves: list[str] = site.cache[key]  # type: ignore[assignment]
    return [*leaves, "continue", "break"] if site.source.loop(site.node) else leaves


def without_nothing(site: Site) -> Iterator[Edit]:
    """`xs = [x for x in xs if x is not None]` at the top, for the parameters a function goes over (None crashed it)."""
    function = site.source.function(site.node)
    body = [s for s in function.body if not lines.is_docstring(s)] if function else []
    if function is None or not body or not isinstance(site.node, ast.stmt):
        return
    top = Site(site.source, body[0], site.clues, site.expected, site.cache)
    for argument in function.args.args:
        name = argument.arg
        if name in _gone_over(function):
            one = name[:-1] if name.endswith("s") and len(name) > 1 else "item"
            code = f"{name} = [{one} for {one} in {name} if {one} is not None]"
            yield from lines.before(top, body[0], code, "guard", 0.9)


def _gone_over(function: ast.AST) -> set[str]:
    """Names a function iterates, zips, slices or sums."""
    found: set[str] = set()
    for node in own_nodes(function):
        if isinstance(node, (ast.For, ast.comprehension)):
            found.update(n.id for n in ast.walk(node.iter) if isinstance(n, ast.Name))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("sum", "min", "max", "sorted", "zip"):
            found.update(n.id for a in node.args for n in ast.walk(a) if isinstance(n, ast.Name))
    return found
