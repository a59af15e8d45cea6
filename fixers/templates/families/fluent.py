"""Methods that callers chain and that forget to give the object back: the crash is elsewhere, on a None."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, own_nodes
from nightshift.fixers.templates.source import Edit, Function

TEMPLATE = "insert-return"
_OF_NOTHING = re.compile(r"'NoneType' object has no attribute '(\w+)'")
_IN_PLACE = re.compile(
    r"__(?:i(?:add|sub|mul|truediv|floordiv|mod|pow|and|or|xor|lshift|rshift|matmul)|enter|aenter)__"
)
_OTHER_KINDS = ("staticmethod", "classmethod", "property", "setter", "overload", "abstractmethod", "deleter")


def edits(site: Site) -> Iterator[Edit]:
    """`return self` at the end of a method that returns nothing, where something says that it should."""
    node, method = site.node, site.parent
    owner = site.source.parents.get(method) if isinstance(method, Function) else None
    if not isinstance(method, Function) or not isinstance(owner, ast.ClassDef) or node is not method.body[-1]:
        return
    if not isinstance(node, ast.stmt) or isinstance(node, (ast.Return, ast.Raise)) or not method.args.args:
        return
    if _gives(method) or any(site.text(d).rpartition(".")[2] in _OTHER_KINDS for d in method.decorator_list):
        return
    own = method.args.args[0].arg
    weight = _likelihood(site, method, owner)
    if weight:
        yield from lines.after(site, node, f"return {own}", TEMPLATE, weight)


def _gives(method: ast.AST) -> bool:
    """Whether a function returns a value, or yields."""
    return any(
        isinstance(n, (ast.Yield, ast.YieldFrom)) or (isinstance(n, ast.Return) and n.value is not None)
        for n in own_nodes(method)
    )


def _likelihood(site: Site, method: ast.FunctionDef | ast.AsyncFunctionDef, owner: ast.ClassDef) -> float:
    if _IN_PLACE.fullmatch(method.name):
        return 1.2
    if method.name.startswith("__"):
        return 0.0
    missed = {m[1] for m in map(_OF_NOTHING.search, _messages(site)) if m}
    if missed & _attributes(owner):
        return 2.0
    siblings = [s for s in owner.body if isinstance(s, Function) and s is not method]
    if any(_returns_itself(s) for s in siblings):
        return 0.7
    return 0.45 if "return" in (ast.get_docstring(method) or "").lower() else 0.0


def _messages(site: Site) -> tuple[str, ...]:
    """Of all crashes, wherever they were."""
    found: tuple[str, ...] = site.cache.get("messages", ())  # type: ignore[assignment]
    return (*found, *(c.message for c in site.clues))


def _attributes(owner: ast.ClassDef) -> set[str]:
    """Names that objects of a class have: methods, fields, what methods set on `self`."""
    found = {s.name for s in owner.body if isinstance(s, Function)}
    for node in ast.walk(owner):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self":
            if isinstance(node.ctx, ast.Store):
                found.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def _returns_itself(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if method.name in ("__enter__", "__iter__", "__aenter__", "__aiter__") or not method.args.args:
        return False
    own = method.args.args[0].arg
    return any(isinstance(n, ast.Return) and getattr(n.value, "id", "") == own for n in own_nodes(method))
