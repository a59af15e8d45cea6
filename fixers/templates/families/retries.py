"""Loops that try again and then fall through: the error they kept is never raised, and nobody hears of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, operand, own_nodes
from nightshift.fixers.templates.source import Edit

TEMPLATE = "insert-raise"


def edits(site: Site) -> Iterator[Edit]:
    """`raise last` after the loop; where no error is kept, `raise` when the last try has failed."""
    node, function = site.node, site.source.function(site.node)
    if not isinstance(node, (ast.For, ast.While, ast.AsyncFor)) or function is None or node.orelse:
        return
    if node is not function.body[-1] or not _answers(node):
        return
    for handler in _handlers(site, node):
        if _leaves(handler):
            continue
        kept = _kept(handler)
        if kept:
            yield from lines.after(site, node, f"raise {kept}", TEMPLATE, 1.1)
        elif isinstance(node, ast.For):
            yield from _last_try(site, node, handler)


def _answers(loop: ast.stmt) -> bool:
    """Whether a try that works ends the loop: with a return."""
    return any(isinstance(n, ast.Return) for n in own_nodes(loop))


def _handlers(site: Site, loop: ast.stmt) -> Iterator[ast.ExceptHandler]:
    for node in own_nodes(loop):
        if isinstance(node, ast.Try) and site.source.loop(node) is loop:
            yield from node.handlers


def _leaves(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(n, (ast.Raise, ast.Return, ast.Break)) for n in own_nodes(handler))


def _kept(handler: ast.ExceptHandler) -> str:
    """The name that outlives the handler and holds its error."""
    for statement in handler.body:
        if isinstance(statement, ast.Assign) and handler.name and getattr(statement.value, "id", "") == handler.name:
            target = statement.targets[0]
            return target.id if isinstance(target, ast.Name) else ""
    return ""


def _last_try(site: Site, loop: ast.For, handler: ast.ExceptHandler) -> Iterator[Edit]:
    """`if attempt == attempts - 1: raise` at the top of a handler, for loops over a range."""
    call = loop.iter
    if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "range" or len(call.args) > 2:
        return
    if not isinstance(loop.target, ast.Name) or not call.args or not site.source.alone(handler.body[0]):
        return
    name = loop.target.id if loop.target.id != "_" else ""
    if name:
        code = f"if {name} == {_last(site, call.args[-1])}:\n\traise"
        yield from lines.before(site, handler.body[0], code, TEMPLATE, 1.0)


def _last(site: Site, stop: ast.expr) -> str:
    """The last number before the end of a range."""
    if isinstance(stop, ast.BinOp) and isinstance(stop.op, ast.Add) and site.text(stop.right) == "1":
        return site.text(stop.left)
    if isinstance(stop, ast.Constant) and type(stop.value) is int:
        return str(stop.value - 1)
    return f"{operand(site.text(stop))} - 1"
