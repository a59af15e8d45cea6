"""The right parts in the wrong order: arms of a chain of conditions, loops in loops, values overwritten too early."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit

_CONDITIONS = "check the conditions in another order"


def edits(site: Site) -> Iterator[Edit]:
    """Reverse a chain, exchange two of its arms, exchange an outer and an inner loop, assign two names at once."""
    node = site.node
    if isinstance(node, ast.If):
        yield from _chain(site, node)
    elif isinstance(node, ast.For) and len(node.body) == 1 and isinstance(node.body[0], ast.For):
        inner = node.body[0]
        yield from _exchange(site, (node.target, node.iter), (inner.target, inner.iter))
        yield from _turned(site, node, inner)
    elif isinstance(node, ast.ListComp) and isinstance(node.elt, ast.ListComp) and site.source.exact(node):
        outer, inner_one = node.generators[0], node.elt.generators[0]
        yield from _exchange(site, (outer.target, outer.iter), (inner_one.target, inner_one.iter))
    elif isinstance(node, ast.Assign) and site.source.function(node) is not None:
        yield from _at_once(site, node)


def _at_once(site: Site, node: ast.Assign) -> Iterator[Edit]:
    """`a, b = b, a % b` for `a = b` and then `b = a % b`: the second still needs what the first overwrites."""
    block = lines.block_of(site, node)
    below = block[block.index(node) + 1] if node in block[:-1] else None
    if not isinstance(below, ast.Assign) or not (site.source.alone(node) and site.source.alone(below)):
        return
    one, other = node.targets[0], below.targets[0]
    plain = isinstance(one, (ast.Name, ast.Subscript, ast.Attribute)) and isinstance(other, type(one))
    first, second = site.text(one), site.text(other)
    read = {site.text(n) for n in ast.walk(below.value) if isinstance(n, type(one))}
    old = {site.text(n) for n in ast.walk(node.value) if isinstance(n, type(one))}
    if not plain or first not in read or second not in old or isinstance(below.value, ast.Tuple):
        return
    start, end = site.source.span(node)[0], site.source.span(below)[1]
    text = f"{first}, {second} = {site.text(node.value)}, {site.text(below.value)}"
    yield site.edit(start, end, text, "at-once", 0.8, f"set `{first}` and `{second}` at once")


def _arms(node: ast.If) -> list[ast.If]:
    """`if`, `elif`, `elif`…"""
    arms = [node]
    while len(arms[-1].orelse) == 1 and isinstance(arms[-1].orelse[0], ast.If):
        arms.append(arms[-1].orelse[0])
    return arms


def _chain(site: Site, node: ast.If) -> Iterator[Edit]:
    arms = _arms(node)
    if len(arms) < 2 or not site.text().startswith("if"):
        return
    spans = [(site.source.span(a.test)[0], site.source.span(a.body[-1])[1]) for a in arms]
    orders = [(list(reversed(range(len(arms)))), 0.5)] if len(arms) > 2 else []
    for at in range(len(arms) - 1):
        order = list(range(len(arms)))
        order[at], order[at + 1] = order[at + 1], order[at]
        orders.append((order, 0.45))
    for order, weight in orders:
        yield _reordered(site, spans, order, weight)


def _reordered(
    site: Site,
    spans: list[tuple[int, int]],
    order: list[int],
    weight: float,
    note: str = _CONDITIONS,
) -> Edit:
    text, first = site.source.text, spans[0][0]
    parts, end = [], first
    for (start, stop), other in zip(spans, order, strict=True):
        parts += [text[end:start], text[spans[other][0] : spans[other][1]]]
        end = stop
    return site.edit(first, end, "".join(parts), "statement-move", weight, note)


def _exchange(site: Site, outer: tuple[ast.expr, ast.expr], inner: tuple[ast.expr, ast.expr]) -> Iterator[Edit]:
    """Exchange `x in xs` and `y in ys`, if the inner one does not need the outer one."""
    names = {n.id for n in ast.walk(outer[0]) if isinstance(n, ast.Name)}
    if names & {n.id for n in ast.walk(inner[1]) if isinstance(n, ast.Name)}:
        return
    spans = sorted([_whole(site, outer), _whole(site, inner)])
    (s1, e1), (s2, e2) = spans
    text = site.source.text
    new = text[s2:e2] + text[e1:s2] + text[s1:e1]
    yield site.edit(s1, e2, new, "statement-move", 0.5, "exchange the outer and the inner loop")


def _turned(site: Site, outer: ast.For, middle: ast.For) -> Iterator[Edit]:
    """Three loops, one in the other: every order that exchanging two neighbours does not give."""
    if len(middle.body) != 1 or not isinstance(middle.body[0], ast.For):
        return
    loops = [outer, middle, middle.body[0]]
    targets = {n.id for f in loops for n in ast.walk(f.target) if isinstance(n, ast.Name)}
    if targets & {n.id for f in loops for n in ast.walk(f.iter) if isinstance(n, ast.Name)}:
        return
    spans = [_whole(site, (f.target, f.iter)) for f in loops]
    note = "nest the loops in another order"
    for order, weight in (([2, 0, 1], 0.6), ([1, 2, 0], 0.45), ([2, 1, 0], 0.4)):
        yield _reordered(site, spans, order, weight, note)


def _whole(site: Site, loop: tuple[ast.expr, ast.expr]) -> tuple[int, int]:
    return site.source.span(loop[0])[0], site.source.span(loop[1])[1]
