"""A counter that is set once and read, but never moves: the step where it is read, or where a failure is caught."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, own_nodes
from nightshift.fixers.templates.source import Edit, Function, header_end

TEMPLATE = "insert-assignment"
_FIRSTS = {0: 0.65, 1: 0.55, -1: 0.45}


def edits(site: Site) -> Iterator[Edit]:
    """`self.x += 1` by a statement that reads `self.x`; `nonlocal n` and `n += 1` at the top of a function."""
    node = site.node
    if not isinstance(node, ast.stmt) or isinstance(node, (*Function, ast.ClassDef)) or lines.is_docstring(node):
        return
    function = site.source.function(node)
    owner = site.source.parents.get(function) if function else None
    if function is None:
        return
    if isinstance(owner, ast.ClassDef) and function.name != "__init__":
        yield from _of_the_instance(site, node, _still(site, owner))
    if node is next((s for s in function.body if not lines.is_docstring(s)), None):
        yield from _of_the_outside(site, node, function)


def _of_the_instance(site: Site, node: ast.stmt, still: dict[str, float]) -> Iterator[Edit]:
    last = header_end(node)
    read = [
        n.attr for n in ast.walk(node)
        if isinstance(n, ast.Attribute) and _own(n) and n.attr in still and n.lineno <= last
    ]  # fmt: skip
    caught = list(still) if isinstance(site.parent, ast.ExceptHandler) and node is site.parent.body[0] else []
    ends = isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break))
    for name in dict.fromkeys([*read, *caught][:3]):
        code, weight = f"self.{name} += 1", still[name]
        if not ends and name in read:
            yield from lines.after(site, node, code, TEMPLATE, weight)
        yield from lines.before(site, node, code, TEMPLATE, (0.9 if ends or name not in read else 0.8) * weight)


def _own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def _still(site: Site, owner: ast.ClassDef) -> dict[str, float]:
    """Attributes that `__init__` sets to 0, 1 or -1 and that nothing of the file sets again."""
    key = ("still", owner)
    if key not in site.cache:
        made = next((s for s in owner.body if isinstance(s, Function) and s.name == "__init__"), None)
        stored = [n.attr for n in ast.walk(site.source.tree) if isinstance(n, ast.Attribute) and _stores(n)]
        found: dict[str, float] = {}
        for statement in own_nodes(made) if made else ():
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            value = _number(getattr(statement, "value", None))
            for target in targets:
                if isinstance(target, ast.Attribute) and value in _FIRSTS and stored.count(target.attr) == 1:
                    found[target.attr] = _FIRSTS[value]
        site.cache[key] = found
    still: dict[str, float] = site.cache[key]  # type: ignore[assignment]
    return still


def _stores(node: ast.Attribute) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _number(node: ast.AST | None) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    return sign * node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def _of_the_outside(site: Site, node: ast.stmt, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Edit]:
    """For a number of the function or module around that the function reads and nothing moves."""
    outer = site.source.function(function)
    scope, word = (outer, "nonlocal") if outer else (site.source.tree, "global")
    read = {n.id for n in own_nodes(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    read -= {n.arg for n in ast.walk(function.args) if isinstance(n, ast.arg)}
    firsts = {
        s.targets[0].id: _FIRSTS[value] for s in scope.body
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name) and (value := _number(s.value)) in _FIRSTS
    }  # fmt: skip
    names = [n for n in firsts if n in read and not n.isupper()]
    stores = [n for n in ast.walk(site.source.tree) if isinstance(n, ast.Name) and n.id in names] if names else []
    for name in names:
        if sum(n.id == name and not isinstance(n.ctx, ast.Load) for n in stores) == 1:
            yield from lines.before(site, node, f"{word} {name}\n{name} += 1", TEMPLATE, 0.8 * firsts[name])
