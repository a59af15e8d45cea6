"""Done once where it takes several times: an `if` whose body changes what its condition reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit, Function

_TAKES = ("pop", "popleft", "popitem", "remove", "discard", "heappop", "next")
_GROWS = ("append", "appendleft", "insert", "extend")
_ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_INNER = (*Function, ast.Lambda, ast.ClassDef)


def edits(site: Site) -> Iterator[Edit]:
    """`while` for `if`, and `if` for a `while` in a loop that goes on by itself."""
    node = site.node
    if isinstance(node, ast.If):
        if node.orelse or not site.text().startswith("if") or not site.source.alone(node):
            return
        weight = _changed(site, node)
        if weight and not isinstance(node.body[-1], _ENDS):
            start = site.source.span(node)[0]
            fade = 0.8 if site.source.loop(node) is not None else 1.0
            yield site.edit(start, start + 2, "while", "repeat", weight * fade, "repeat while the condition holds")
    elif isinstance(node, ast.While) and not node.orelse and site.source.loop(node) is not None:
        breaks = any(isinstance(n, (ast.Break, ast.Continue)) for s in node.body for n in ast.walk(s))
        if not breaks and _changed(site, node):
            start = site.source.span(node)[0]
            yield site.edit(start, start + 5, "if", "repeat", 0.4, "check once instead of repeating")


def _changed(site: Site, node: ast.If | ast.While) -> float:
    """How likely the condition is meant to be checked again: 0 where nothing it reads goes on from its own value."""
    read = {site.text(n) for n in ast.walk(node.test) if isinstance(n, (ast.Name, ast.Attribute, ast.Call))}
    best = 0.0
    stack: list[ast.AST] = list(node.body)
    while stack:
        inner = stack.pop()
        best = max(best, _step(site, inner, read))
        stack += [n for n in ast.iter_child_nodes(inner) if not isinstance(n, _INNER)]
    return best


def _step(site: Site, node: ast.AST, read: set[str]) -> float:
    if isinstance(node, ast.AugAssign):
        return 0.85 if site.text(node.target) in read else 0.0
    if isinstance(node, ast.Assign):
        old = {site.text(n) for n in ast.walk(node.value) if isinstance(n, (ast.Name, ast.Attribute))}
        parts = [t for target in node.targets for t in getattr(target, "elts", [target])]
        return 0.75 if any(site.text(t) in read & old for t in parts) else 0.0
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        subject = node.func.value if isinstance(node.func, ast.Attribute) else None
        taken = [n for n in (subject, *node.args[:1]) if n is not None]
        if name in _GROWS:
            return 0.8 if any(f"len({site.text(n)})" in read for n in taken) else 0.0
        return 0.8 if name in _TAKES and any(site.text(n) in read for n in taken) else 0.0
    return 0.0
