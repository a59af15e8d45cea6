"""Wrong subscripts: bounds missing, too many, swapped, reversed; the wrong element of a tuple."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.families.names import uses
from nightshift.fixers.templates.site import Site, around, in_annotation, is_load, local_names, operand
from nightshift.fixers.templates.source import Edit

TEMPLATE = "slice"


def edits(site: Site) -> Iterator[Edit]:
    """Change a slice or an index; take a slice of a whole sequence; swap elements of a tuple."""
    node = site.node
    if isinstance(node, ast.Subscript) and not in_annotation(site.source, node):
        index = getattr(node.slice, "value", node.slice) if type(node.slice).__name__ == "Index" else node.slice
        if isinstance(index, ast.Slice):
            yield from _slices(site, node, index)
        elif is_load(node):
            yield from _indexes(site, node, index)
    elif isinstance(node, (ast.Name, ast.Attribute)) and is_load(node):
        yield from _take_slice(site)
    elif isinstance(node, ast.Tuple):
        yield from _tuples(site, node)


def _bound(site: Site, node: ast.expr | None) -> str:
    return site.text(node) if node is not None else ""


def _slices(site: Site, node: ast.Subscript, index: ast.Slice) -> Iterator[Edit]:
    base = site.text(node.value)
    low, high, step = (_bound(site, n) for n in (index.lower, index.upper, index.step))
    tail = f":{step}" if step else ""
    options: list[tuple[str, float]] = []
    if high:
        options += [
            (f"{low}:{operand(high)} + 1{tail}", 0.8),
            (f"{low}:{tail}", 0.5),
            (f":{operand(high)} - 1{tail}", 0.2),
        ]
        options += [(f"{high}:{low}{tail}", 0.4), (f"{low}:-{operand(high, 14)}{tail}", 0.3)]
        if low:
            options += [(f"{low}:{operand(low)} + {operand(high, 12)}{tail}", 0.6)]
            options += [(f"{operand(low)} + 1:{operand(high)} + 1{tail}", 0.45)]
            options += [(f"{operand(low)} - 1:{operand(high)} - 1{tail}", 0.4), (f":{high}{tail}", 0.45)]
    else:
        options += [(f"{low}:-1{tail}", 0.5)]
    if low:
        options += [(f"{operand(low)} + 1:{high}{tail}", 0.7), (f"{operand(low)} - 1:{high}{tail}", 0.6)]
        options += [(f":{low}{tail}", 0.4), (f"-{operand(low, 14)}:{high}{tail}", 0.4), (f":{high}{tail}", 0.4)]
    else:
        options += [(f"1:{high}{tail}", 0.6)]
    options += [(f"{low}:{high}:-1", 0.4), (f"{low}:{high}:2", 0.15)] if not step else [(f"{low}:{high}", 0.5)]
    if not low and high:
        options += [(f"-{operand(high, 14)}:", 0.5)]
    if high and not step:
        options += [(f"{low}::{high}", 0.4)]
    yield from _each(site, base, [*options, *([] if step else _adjoining(site, node, low, high))])
    yield from site.replace(base, TEMPLATE, 0.4)
    if high or low:
        yield from site.replace(f"{base}[{high or low}]", TEMPLATE, 0.3)
    names = [n for n in local_names(site) if n not in ("self", "cls")][:8]
    yield from _each(site, base, [(f"{low}:{n}{tail}", 0.25) for n in names if not high])
    yield from _each(site, base, [(f"{n}:{high}{tail}", 0.25) for n in names if not low])


def _adjoining(site: Site, node: ast.Subscript, low: str, high: str) -> list[tuple[str, float]]:
    """Bounds at which other slices of the same value begin and end: fields of a fixed width lie side by side."""
    scope = around(site)
    memo = ("sliced", site.source.path, id(scope))
    if memo not in site.cache:
        site.cache[memo] = [
            (site.text(n.value), _bound(site, n.slice.lower), _bound(site, n.slice.upper)) for n in ast.walk(scope)
            if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Slice)
        ]  # fmt: skip
    sliced: list[tuple[str, str, str]] = site.cache[memo]  # type: ignore[assignment]
    others = [(begin, end) for value, begin, end in sliced if value == site.text(node.value)]
    begins = [begin for begin, _ in others if begin not in ("", low, high)]
    ends = [end for _, end in others if end not in ("", low, high)]
    weight = 0.35 if low and high else 0.6
    found = [(f"{low}:{begin}", weight) for begin in begins if low or not high]
    return list(dict.fromkeys([*found, *((f"{end}:{high}", weight) for end in ends if high or not low)]))[:6]


def _each(site: Site, base: str, options: list[tuple[str, float]]) -> Iterator[Edit]:
    seen = set()
    for text, weight in options:
        if text not in seen:
            seen.add(text)
            yield from site.replace(f"{base}[{text}]", TEMPLATE, weight)


def _indexes(site: Site, node: ast.Subscript, index: ast.expr) -> Iterator[Edit]:
    base, at = site.text(node.value), site.text(index)
    if isinstance(index, ast.Constant) and isinstance(index.value, str):
        yield from site.replace(base, "sub-expression", 0.15)
        return
    yield from site.replace(f"{base}[-1]", TEMPLATE, 0.5)
    yield from site.replace(f"{base}[0]", TEMPLATE, 0.5)
    yield from site.replace(f"{base}[-{operand(at, 14)}]", TEMPLATE, 0.25)
    yield from site.replace(f"{base}[{at}:]", TEMPLATE, 0.3)
    yield from site.replace(f"{base}[:{at}]", TEMPLATE, 0.3)
    yield from site.replace(f"{base}[len({base}) - 1 - {operand(at)}]", TEMPLATE, 0.12)
    yield from site.replace(f"{base}[{operand(at)} % len({base})]", TEMPLATE, 0.2)
    if isinstance(node.value, ast.Subscript) and not isinstance(node.value.slice, ast.Slice):
        inner = node.value
        yield from site.replace(f"{site.text(inner.value)}[{at}][{site.text(inner.slice)}]", "element-swap", 0.5)
    yield from site.replace(base, "sub-expression", 0.3)
    yield from _taken_out(site, base, at)


def _taken_out(site: Site, base: str, at: str) -> Iterator[Edit]:
    """`x.pop(k)` for `x[k]`: what is handed over is no longer kept."""
    if isinstance(site.parent, (ast.Assign, ast.Return, ast.Call, ast.Expr)) and site.place != "func":
        yield from site.replace(f"{base}.pop({at})", "function", 0.3)
        yield from site.replace(f"{base}.get({at})", "function", 0.25)


def _scope_text(site: Site) -> str:
    scope = around(site)
    return site.source.text if isinstance(scope, ast.Module) else site.text(scope)


def _take_slice(site: Site) -> Iterator[Edit]:
    parent, place = site.parent, site.place
    if isinstance(parent, (ast.For, ast.comprehension)) and place == "iter":
        weight = 0.45 if f"{site.text()}[" in _scope_text(site) else 0.25  # an end looked at elsewhere
    elif isinstance(parent, (ast.Return, ast.Call, ast.Assign)) and place in ("value", "args"):
        weight = 0.4 if _again(site) else 0.25
    elif isinstance(parent, (ast.Tuple, ast.BinOp, ast.keyword)):
        weight = 0.2
    else:
        return
    text = site.text()
    for bounds, share in (("[1:]", 1.0), ("[:-1]", 1.0), ("[::-1]", 0.9), ("[:]", 0.7), ("[0]", 0.4), ("[-1]", 0.4)):
        yield from site.replace(text + bounds, TEMPLATE, weight * share)
    yield from _between_names(site, text, weight)


def _again(site: Site) -> bool:
    """Whether the place is an argument of the function's own recursion: it usually takes less of what it was given."""
    function = site.source.function(site.node)
    called = site.parent.func if isinstance(site.parent, ast.Call) else None
    return function is not None and function.name == getattr(called, "id", getattr(called, "attr", ""))


def _between_names(site: Site, text: str, weight: float) -> Iterator[Edit]:
    """`x[i:]` and `x[:i]` for the names that index or slice something here."""
    known = uses(site)
    names = [n for n in local_names(site) if known.get(n, set()) & {"index", "arithmetic"} and n != text]
    for rank, name in enumerate(names[:4]):
        for bounds, share in ((f"[{name}:]", 0.7), (f"[:{name}]", 0.7), (f"[{name} + 1:]", 0.5)):
            yield from site.replace(text + bounds, TEMPLATE, weight * share / (1 + 0.2 * rank))


def _tuples(site: Site, node: ast.Tuple) -> Iterator[Edit]:
    if len(node.elts) not in (2, 3) or in_annotation(site.source, node) or isinstance(site.parent, ast.ExceptHandler):
        return
    texts = [site.text(e) for e in node.elts]
    for a, b in ((0, 1), (1, 2), (0, 2))[: 1 if len(texts) == 2 else 3]:
        swapped = list(texts)
        swapped[a], swapped[b] = swapped[b], swapped[a]
        (start, _), (_, end) = site.source.span(node.elts[0]), site.source.span(node.elts[-1])
        if site.source.exact(node):
            yield site.edit(start, end, ", ".join(swapped), "element-swap", 0.45,
                            f"swap `{texts[a]}` and `{texts[b]}`")  # fmt: skip
