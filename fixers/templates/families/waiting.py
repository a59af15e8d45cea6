"""Calls that were not made or not awaited: a coroutine kept instead of its result, a method instead of what it says."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.families.calls import by_name
from nightshift.fixers.templates.site import Site, in_annotation, is_load
from nightshift.fixers.templates.source import Edit

_AWAITABLE = ("sleep", "gather", "wait", "wait_for", "fetch", "recv", "read", "drain", "acquire", "join")
_METHODS = (
    "strip", "lower", "upper", "keys", "values", "items", "copy", "split", "title", "isdigit", "read", "readlines",
    "total_seconds", "isoformat", "date", "weekday", "casefold", "popitem", "splitlines", "encode", "decode", "rstrip",
    "lstrip", "isalpha", "isspace", "now", "today",
)  # fmt: skip


def edits(site: Site) -> Iterator[Edit]:
    """`await f(x)` in async functions, `x.m()` for `x.m`, `x.all_rights()` for `x.rights`."""
    node = site.node
    if not isinstance(node, ast.expr) or in_annotation(site.source, node) or not is_load(node):
        return
    if isinstance(node, ast.Call):
        yield from _awaited(site, node)
    elif isinstance(node, ast.Await):
        yield from site.replace(site.text(node.value), "await", 0.2)
    elif isinstance(node, (ast.Attribute, ast.Name)) and site.place not in ("func", "target", "keys"):
        yield from _called(site, node)


def _awaited(site: Site, node: ast.Call) -> Iterator[Edit]:
    function = site.source.function(node)
    if not isinstance(function, ast.AsyncFunctionDef) or isinstance(site.parent, ast.Await):
        return
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    known = by_name(site).get(name)
    if known is not None:
        weight = 1.2 if isinstance(known, ast.AsyncFunctionDef) else 0.1
    else:
        weight = 0.7 if name in _AWAITABLE else 0.35
    yield from site.replace(f"await {site.text()}", "await", weight)


def _called(site: Site, node: ast.Attribute | ast.Name) -> Iterator[Edit]:
    known = by_name(site)
    if isinstance(node, ast.Name):
        if node.id in known and _needs_nothing(known[node.id]):
            yield from site.replace(f"{node.id}()", "call", 0.7)
        return
    base = site.text(node.value)
    if node.attr in known and _needs_nothing(known[node.attr]):
        yield from site.replace(f"{base}.{node.attr}()", "call", 0.6)
    elif node.attr in _METHODS:
        yield from site.replace(f"{base}.{node.attr}()", "call", 0.9)
    if isinstance(site.parent, (ast.Attribute, ast.Subscript)) or base in _modules(site):
        return
    others = [n for n, f in known.items() if n != node.attr and not n.startswith("__") and _needs_nothing(f)]
    alike = sorted(others, key=lambda n: (node.attr.strip("_") not in n, n))
    for rank, name in enumerate(alike[:6]):
        weight = 0.6 if node.attr.strip("_") in name else 0.25
        yield from site.replace(f"{base}.{name}()", "call", weight / (1 + 0.15 * rank))


def _needs_nothing(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it can be called without arguments (but self), and is no property."""
    given = function.args
    needed = [*given.posonlyargs, *given.args][: len(given.posonlyargs) + len(given.args) - len(given.defaults)]
    return not function.decorator_list and all(a.arg in ("self", "cls") for a in needed)


def _modules(site: Site) -> set[str]:
    """Names of imported modules."""
    found = [a for n in site.source.tree.body if isinstance(n, ast.Import) for a in n.names]
    return {(a.asname or a.name).split(".")[0] for a in found}
