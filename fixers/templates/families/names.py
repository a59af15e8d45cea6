"""The wrong variable, attribute or parameter where another one of the same scope was meant."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, around, in_annotation, is_load, local_names, own_nodes
from nightshift.fixers.templates.source import Edit, Source

TEMPLATE = "variable"
_LIMIT = 14


def edits(site: Site) -> Iterator[Edit]:
    """Names in scope in place of a name, names for small expressions, other attributes of the same object."""
    node = site.node
    if isinstance(node, (ast.Return, ast.Assign, ast.AugAssign, ast.Expr)):
        yield from _everywhere(site, node)
    if not isinstance(node, ast.expr) or in_annotation(site.source, node):
        return
    if isinstance(node, ast.Name) and site.place != "func":
        yield from _variables(site, node)
    elif isinstance(node, ast.Attribute) and is_load(node) and site.place != "func":
        yield from _attributes(site, node)
        yield from _to_name(site, 0.25)
    elif isinstance(node, (ast.Subscript, ast.Call, ast.BinOp)) and is_load(node) and site.place != "func":
        yield from _to_name(site, 0.2)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        yield from _to_name(site, 0.3)


def _everywhere(site: Site, node: ast.stmt) -> Iterator[Edit]:
    """One name for another, or a variant of it, at all its places in a statement."""
    found: dict[str, list[ast.Name]] = {}
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Name)
            and is_load(inner)
            and site.source.fields.get(inner) != "func"
            and site.source.exact(inner)
        ):
            found.setdefault(inner.id, []).append(inner)
    names = [n for n in local_names(site) if n not in ("self", "cls")]
    for name, places in found.items():
        if len(places) < 2 or name not in names:
            continue
        likely = [(n, 0.3) for n in names if n != name][:6]
        for text, weight in [(f"-{name}", 0.3), (f"({name} + 1)", 0.3), (f"({name} - 1)", 0.3), *likely]:
            spans = sorted(site.source.span(p) for p in places)
            start, end = spans[0][0], spans[-1][1]
            new = site.source.text[start:end]
            for at, to in reversed(spans):
                new = new[: at - start] + text + new[to - start :]
            note = f"use `{text}` instead of `{name}` throughout the statement"
            yield site.edit(start, end, new, TEMPLATE, weight, note)


def uses(site: Site) -> dict[str, set[str]]:
    """How each name of the function is used: iterated, indexed, in arithmetic, compared, called on…"""
    scope = around(site)
    key = ("uses", scope)
    if key not in site.cache:
        found: dict[str, set[str]] = {}
        for node in own_nodes(scope):
            if isinstance(node, ast.Name):
                found.setdefault(node.id, set()).add(use(site.source, node))
        site.cache[key] = found
    known: dict[str, set[str]] = site.cache[key]  # type: ignore[assignment]
    return known


def use(source: Source, node: ast.AST) -> str:
    """The kind of place a node stands in."""
    parent, place = source.parents.get(node), source.fields.get(node, "")
    if isinstance(parent, (ast.For, ast.comprehension)):
        return "loop-target" if place == "target" else "iterated"
    if isinstance(parent, ast.Subscript):
        return "container" if place == "value" else "index"
    if isinstance(parent, (ast.BinOp, ast.AugAssign, ast.UnaryOp, ast.Slice)):
        return "arithmetic"
    if isinstance(parent, ast.Attribute):
        return "object"
    if isinstance(parent, ast.Call):
        return "callee" if place == "func" else f"argument of {getattr(parent.func, 'id', '')}"
    return type(parent).__name__


def _variables(site: Site, node: ast.Name) -> Iterator[Edit]:
    store = not is_load(node)
    if isinstance(node.ctx, ast.Del):
        return
    known = uses(site)
    mine = known.get(node.id, set()) | {use(site.source, node)}
    ranked = []
    for rank, name in enumerate(local_names(site)):
        if name == node.id or name in ("self", "cls") or node.id in ("self", "cls"):
            continue
        alike = bool(mine & known.get(name, set()))
        similar = difflib.SequenceMatcher(None, name, node.id).ratio() if len(name) > 1 else 0.3
        ranked.append((0.35 + (0.25 if alike else 0.0) + 0.15 * similar - 0.005 * rank, name))
    for rank, (weight, name) in enumerate(sorted(ranked, reverse=True)[:_LIMIT]):
        twice = not store and name in _siblings(site)
        share = weight * (0.6 if store else 0.4 if twice else 1.0) / (1 + 0.04 * rank)
        share *= 1.5 if not store and _gathers(site, name) else 1.0
        yield from site.replace(name, TEMPLATE if not store else "target", share)
    if not store:
        yield from _own_attributes(site, node)
        yield from _module_names(site, node)


def _gathers(site: Site, name: str) -> bool:
    """Whether `name` here makes the assigned element part of its own new value: `best[i] = max(best[i], …)`."""
    parent, statement = site.parent, site.source.statement(site.node)
    if not isinstance(parent, ast.Subscript) or site.place != "slice" or not isinstance(statement, ast.Assign):
        return False
    target = site.text(statement.targets[0])
    return target == f"{site.text(parent.value)}[{name}]" and target not in site.text(statement.value)


def _siblings(site: Site) -> set[str]:
    """Names beside this one under the same operator or in the same call: `a - a` is hardly ever meant."""
    parent = site.parent
    if not isinstance(parent, (ast.BinOp, ast.Compare, ast.AugAssign, ast.Call, ast.BoolOp)):
        return set()
    return {c.id for c in ast.iter_child_nodes(parent) if isinstance(c, ast.Name) and c is not site.node}


def _own_attributes(site: Site, node: ast.Name) -> Iterator[Edit]:
    for rank, name in enumerate(attributes_of(site, "self")[:10]):
        weight = 0.4 if name.strip("_") == node.id.strip("_") else 0.2
        yield from site.replace(f"self.{name}", TEMPLATE, weight / (1 + 0.05 * rank))


def _module_names(site: Site, node: ast.Name) -> Iterator[Edit]:
    if not node.id.isupper():
        return
    names = [
        t.id for s in site.source.tree.body if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)
    ]
    for name in names[:12]:
        if name != node.id and name.isupper():
            yield from site.replace(name, TEMPLATE, 0.4)


def attributes_of(site: Site, base: str) -> list[str]:
    """Attributes (not methods called) read or written on `base` in the enclosing class, or in this function."""
    scope: ast.AST = around(site)
    if base == "self":
        while scope in site.source.parents and not isinstance(scope, ast.ClassDef):
            scope = site.source.parents[scope]
        if not isinstance(scope, ast.ClassDef):
            return []
    key = ("attributes", scope, base)
    if key not in site.cache:
        found: dict[str, None] = {}
        for node in ast.walk(scope):
            if (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == base
                    and site.source.fields.get(node) != "func"):  # fmt: skip
                found.setdefault(node.attr)
        if isinstance(scope, ast.ClassDef):
            for statement in scope.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    found.setdefault(statement.target.id)
        site.cache[key] = list(found)
    names: list[str] = site.cache[key]  # type: ignore[assignment]
    return names


def _attributes(site: Site, node: ast.Attribute) -> Iterator[Edit]:
    if not isinstance(node.value, ast.Name):
        return
    base = node.value.id
    for rank, name in enumerate(n for n in attributes_of(site, base)[:_LIMIT] if n != node.attr):
        yield from site.replace(f"{base}.{name}", "attribute", 0.45 / (1 + 0.06 * rank))
    for rank, name in enumerate(n for n in known_fields(site)[:_LIMIT] if n != node.attr):
        yield from site.replace(f"{base}.{name}", "attribute", 0.25 / (1 + 0.06 * rank))
    if base == "self" and node.attr in local_names(site):
        yield from site.replace(node.attr, TEMPLATE, 0.45)


def known_fields(site: Site) -> list[str]:
    """Attribute names this file declares in classes or reads anywhere."""
    key = ("fields", site.source.path)
    if key not in site.cache:
        found: dict[str, None] = {}
        for node in ast.walk(site.source.tree):
            if isinstance(node, ast.AnnAssign) and isinstance(site.source.parents.get(node), ast.ClassDef):
                found.setdefault(getattr(node.target, "id", ""))
            elif isinstance(node, ast.Attribute) and site.source.fields.get(node) != "func":
                found.setdefault(node.attr)
        site.cache[key] = [n for n in found if n]
    names: list[str] = site.cache[key]  # type: ignore[assignment]
    return names


def _to_name(site: Site, weight: float) -> Iterator[Edit]:
    if isinstance(site.parent, (ast.Expr, ast.keyword)) and not isinstance(site.node, ast.Constant):
        return
    known = uses(site)
    mine = use(site.source, site.node)
    names = [n for n in local_names(site) if n not in ("self", "cls")]
    ranked = sorted(names, key=lambda n: mine not in known.get(n, set()))
    for rank, name in enumerate(ranked[:10]):
        alike = mine in known.get(name, set())
        yield from site.replace(name, TEMPLATE, weight * (1.0 if alike else 0.6) / (1 + 0.05 * rank))
