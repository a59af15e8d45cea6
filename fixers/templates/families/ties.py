"""Sort keys: the wrong way round for one part, or nothing said of what is equal."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.kinds import kinds_of
from nightshift.fixers.templates.site import Site, operand
from nightshift.fixers.templates.source import Edit

TEMPLATE = "sort-key"
_SORTING = ("sorted", "sort", "min", "max", "nlargest", "nsmallest")


def edits(site: Site) -> Iterator[Edit]:
    """`key=lambda p: -p[1]`, `(p[1], p[0])`, `(-p[1], p[0])` for `key=lambda p: p[1]`; parts of tuples negated."""
    node = site.node
    called = site.source.parents.get(site.parent) if isinstance(site.parent, ast.keyword) else None
    if not isinstance(node, ast.Lambda) or not isinstance(called, ast.Call) or site.parent.arg != "key":  # type: ignore[union-attr]
        return
    if getattr(called.func, "id", getattr(called.func, "attr", "")) not in _SORTING or len(node.args.args) != 1:
        return
    name, body = node.args.args[0].arg, node.body
    if isinstance(body, ast.Tuple):
        yield from _parts(site, body)
        return
    own = site.text(body)
    negative = "" if _text_like(site, body) else own[1:] if own.startswith("-") else f"-{operand(own, 13)}"
    if negative:
        yield from site.replace(negative, TEMPLATE, 0.45, node=body)
    for rank, other in enumerate(_others(site, name, body)):
        fade = 1 / (1 + 0.25 * rank)
        yield from site.replace(f"({own}, {other})", TEMPLATE, 0.5 * fade, node=body)
        if negative:
            yield from _downwards(site, called, body, f"({negative}, {other})", 0.5 * fade)


def _downwards(site: Site, called: ast.Call, body: ast.expr, text: str, weight: float) -> Iterator[Edit]:
    """With the key negated, without `reverse=True` right behind it."""
    turned = next((k for k in called.keywords if k.arg == "reverse"), None)
    if turned is None:
        yield from site.replace(text, TEMPLATE, weight, node=body)
        return
    (start, end), (first, last) = site.source.span(body), site.source.span(turned)
    if site.source.exact(body) and not site.source.text[end:first].strip(", \t\r\n"):
        yield site.edit(start, last, text, TEMPLATE, weight, f"sort by `{text}`: equal ones in rising order")


def _text_like(site: Site, node: ast.expr) -> bool:
    known = kinds_of(node, site.known)
    called = getattr(getattr(node, "func", None), "attr", "")
    return (known is not None and not known & {"int", "float", "bool"}) or called in ("lower", "casefold", "strip")


def _others(site: Site, name: str, body: ast.expr) -> list[str]:
    """What tells equal ones apart: the other part of a pair, attributes of the file, the thing itself."""
    own = site.text(body)
    found: list[str] = []
    if isinstance(body, ast.Subscript) and isinstance(body.slice, ast.Constant) and type(body.slice.value) is int:
        found = [f"{name}[{n}]" for n in (0, 1) if n != body.slice.value]
    elif isinstance(body, ast.Attribute):
        fields = [n.attr for n in ast.walk(site.source.tree) if isinstance(n, ast.Attribute)]
        annotated = [
            n.target.id for n in ast.walk(site.source.tree)
            if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
        ]  # fmt: skip
        found = [f"{name}.{n}" for n in dict.fromkeys([*annotated, *fields]) if n != body.attr][:3]
    return [t for t in [*found, name] if t != own][:4]


def _parts(site: Site, body: ast.Tuple) -> Iterator[Edit]:
    for part in body.elts:
        own = site.text(part)
        if not _text_like(site, part):
            text = own[1:] if own.startswith("-") else f"-{operand(own, 13)}"
            yield from site.replace(text, TEMPLATE, 0.45, node=part)
