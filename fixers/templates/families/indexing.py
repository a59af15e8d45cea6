"""The container where one of its elements was meant: an index or a key forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.families.names import uses
from nightshift.fixers.templates.families.stale import unused
from nightshift.fixers.templates.site import Site, around, in_annotation, is_load, own_nodes
from nightshift.fixers.templates.source import Edit, Function

TEMPLATE = "index"
_ENDS = ("0", "-1", "1")
_MOST = 6


def edits(site: Site) -> Iterator[Edit]:
    """`x[i]` for `x`: indexes the function uses with `x` first, then names that count or are looped over, then ends."""
    node = site.node
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) or not is_load(node):
        return
    if site.place == "func" or in_annotation(site.source, node) or _taken_apart(site):
        return
    text = site.text()
    written = _written(site).get(text, [])
    for rank, index in enumerate(written[:_MOST]):
        yield from site.replace(f"{text}[{index}]", TEMPLATE, 0.55 / (1 + 0.15 * rank))
    certain = bool(written) or (isinstance(node, ast.Name) and "container" in uses(site).get(node.id, set()))
    for rank, index in enumerate(i for i in _likely(site) if i not in written and i != text):
        yield from site.replace(f"{text}[{index}]", TEMPLATE, (0.3 if certain else 0.18) / (1 + 0.12 * rank))
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice):
        for index in _ENDS:
            yield from site.replace(f"{text}[{index}]", TEMPLATE, 0.3 if _of_lambda(site) else 0.12)


def _taken_apart(site: Site) -> bool:
    """`x[…]`, `for y in x` and whole statements want the container, or are varied elsewhere."""
    parent = site.parent
    if isinstance(parent, ast.Subscript) and site.place == "value":
        return True
    return isinstance(parent, (ast.Expr, ast.Starred, ast.keyword)) or (
        isinstance(parent, ast.Call) and getattr(parent.func, "id", "") in ("len", "enumerate", "zip", "isinstance")
    )


def _of_lambda(site: Site) -> bool:
    return isinstance(site.parent, ast.Lambda) or isinstance(
        site.source.parents.get(site.parent or site.node), ast.Lambda
    )


def _written(site: Site) -> dict[str, list[str]]:
    """Indexes by the text of the container, as this file writes them: those of the function first."""
    scope = around(site)
    key = ("written indexes", scope)
    if key not in site.cache:
        found: dict[str, dict[str, None]] = {}
        for node in [*own_nodes(scope), *ast.walk(site.source.tree)]:
            if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice) and site.source.exact(node):
                found.setdefault(site.text(node.value), {}).setdefault(site.text(node.slice))
        site.cache[key] = {base: list(indexes) for base, indexes in found.items()}
    written: dict[str, list[str]] = site.cache[key]  # type: ignore[assignment]
    return written


def _likely(site: Site) -> list[str]:
    """Names that index something or run over something here, comprehensions and lambdas around the place included."""
    known = uses(site)
    found: dict[str, None] = {}
    node: ast.AST | None = site.node
    while node is not None and not isinstance(node, Function):
        for generator in getattr(node, "generators", []):
            found.update(dict.fromkeys(n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)))
        node = site.source.parents.get(node)
    function = site.source.function(site.node)
    found.update(dict.fromkeys(unused(function) if function else ()))
    for kind in ("index", "loop-target", "Compare", "arithmetic"):
        found.update(dict.fromkeys(n for n, kinds in known.items() if kind in kinds))
    return list(found)[:_MOST]
