"""A name bound a second time while its first value is still needed: the inner one gets a name of its own."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, own_nodes
from nightshift.fixers.templates.source import Edit, Function

TEMPLATE = "rename"
_LOOPS = (ast.For, ast.AsyncFor)
_BLOCKS = (*_LOOPS, ast.With, ast.AsyncWith)
_NESTED = (*Function, ast.Lambda, ast.ClassDef, ast.Global, ast.Nonlocal, ast.ExceptHandler)


def edits(site: Site) -> Iterator[Edit]:
    """Rename what a `for` or `with` binds where the same name is read after the block with its earlier meaning."""
    node = site.node
    function = site.source.function(node)
    if function is None or not isinstance(node, _BLOCKS):
        return
    targets = [node.target] if isinstance(node, _LOOPS) else [i.optional_vars for i in node.items if i.optional_vars]
    names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    for name in dict.fromkeys(names):
        weight = _meant_before(function, node, name)
        if weight and _read_after(site, function, node, name):
            yield from _renamed(site, function, node, targets, name, weight)


def _meant_before(function: ast.FunctionDef | ast.AsyncFunctionDef, block: ast.stmt, name: str) -> float:
    """How surely a name has a meaning before the block: parameters most, plain first values (often meant) hardly."""
    given = function.args
    if any(a.arg == name for a in [*given.posonlyargs, *given.args, *given.kwonlyargs]):
        return 0.9
    found = 0.0
    for node in own_nodes(function):
        if isinstance(node, _LOOPS) and node is not block and node.lineno < block.lineno <= (node.end_lineno or 0):
            found = max(found, 0.8 if any(getattr(n, "id", "") == name for n in ast.walk(node.target)) else 0.0)
        elif isinstance(node, ast.Assign) and node.lineno < block.lineno:
            stored = any(getattr(n, "id", "") == name for t in node.targets for n in ast.walk(t))
            found = max(found, 0.7 if stored and not isinstance(node.value, ast.Constant) else 0.0)
    return found


def _read_after(site: Site, function: ast.AST, block: ast.stmt, name: str) -> bool:
    """Whether the next statement with the name, after the block (or back at the top of a loop around), reads it."""
    later = [
        n for n in own_nodes(function)
        if isinstance(n, ast.Name) and n.id == name and n.lineno > (block.end_lineno or block.lineno)
    ]  # fmt: skip
    outer = site.source.loop(block)
    if (
        not later
        and outer is not None
        and not any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(getattr(outer, "target", outer)))
    ):
        later = [n for n in ast.walk(outer) if isinstance(n, ast.Name) and n.id == name and n.lineno < block.lineno]
    if not later:
        return False
    first = site.source.statement(min(later, key=lambda n: (n.lineno, n.col_offset)))
    return any(isinstance(n.ctx, ast.Load) for n in later if site.source.statement(n) is first)


def _renamed(
    site: Site, function: ast.AST, block: ast.For | ast.AsyncFor | ast.With | ast.AsyncWith, targets: list[ast.expr],
    name: str, weight: float,
) -> Iterator[Edit]:  # fmt: skip
    inside = [n for part in (*targets, *block.body, *getattr(block, "orelse", [])) for n in ast.walk(part)]
    if any(isinstance(n, (*_NESTED, ast.comprehension)) and _binds(n, name) for n in inside):
        return
    places = [n for n in inside if isinstance(n, ast.Name) and n.id == name]
    if not all(site.source.exact(n) and site.text(n) == name for n in places):
        return
    fresh = _fresh(function, name)
    start, end = site.source.span(places[0])[0], site.source.span(block)[1]
    text = site.source.text[start:end]
    for at, to in sorted({site.source.span(n) for n in places}, reverse=True):
        text = text[: at - start] + fresh + text[to - start :]
    note = f"call the inner `{name}` `{fresh}`: the outer one is needed again"
    yield site.edit(start, end, text, TEMPLATE, weight, note)


def _binds(node: ast.AST, name: str) -> bool:
    """Whether a nested scope or handler gives the name a meaning of its own."""
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return name in node.names
    if isinstance(node, ast.ExceptHandler):
        return node.name == name
    if isinstance(node, ast.comprehension):
        return any(getattr(n, "id", "") == name for n in ast.walk(node.target))
    return any(
        (isinstance(n, ast.arg) and n.arg == name)
        or (isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store))
        for n in ast.walk(node)
    )


def _fresh(function: ast.AST, name: str) -> str:
    """A name the function does not have: the next letter, or `each_…`."""
    taken = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
    taken |= {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}
    if len(name) == 1 and name in string.ascii_letters:
        letters = string.ascii_lowercase
        at = letters.index(name.lower()) + 1
        found = next((c for c in letters[at:] + letters[:at] if c not in taken), "")
        if found:
            return found
    fresh = f"each_{name.strip('_')}"
    while fresh in taken:
        fresh += "_"
    return fresh
