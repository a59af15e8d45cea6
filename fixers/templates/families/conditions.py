"""Conditions too wide, too narrow or the wrong way round."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates.families.names import attributes_of, uses
from nightshift.fixers.templates.families.stale import unused
from nightshift.fixers.templates.site import Site, around, local_names, operand, own_nodes
from nightshift.fixers.templates.source import Edit

_TESTS = (ast.If, ast.While, ast.IfExp, ast.Assert)
_LIMIT = 30
_SEARCHED = (("== 0", 0.7), ("!= -1", 0.75), (">= 0", 0.6), ("> 0", 0.45), ("== -1", 0.5), ("> 1", 0.2))
_TRUTHY = re.compile(r"[\w.]+")


def edits(site: Site) -> Iterator[Edit]:
    """Negate, drop a part, extend with conditions made from the scope; filters of comprehensions."""
    node, parent = site.node, site.parent
    is_test = (isinstance(parent, _TESTS) and site.place == "test") or (
        isinstance(parent, ast.comprehension) and site.place == "ifs"
    )
    if is_test and isinstance(node, ast.expr):
        yield from _change(site, node)
    elif isinstance(parent, ast.Return) and isinstance(node, (ast.Compare, ast.BoolOp)):
        yield from _answer(site)
    if isinstance(node, ast.BoolOp):
        yield from _drop(site, node)
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
        yield from _filters(site, node)


def _change(site: Site, node: ast.expr) -> Iterator[Edit]:
    text = site.text()
    if not isinstance(node, ast.UnaryOp):
        yield from site.replace(f"not {operand(text, 5)}", "condition-negate", 0.55)
    yield from _compared(site, node)
    yield from _by_idle(site, text)
    yield from site.replace("True", "condition-replace", 0.2)
    yield from site.replace("False", "condition-replace", 0.2)
    for rank, other in enumerate(ingredients(site)):
        if other == text:
            continue
        fade = 1 / (1 + 0.06 * rank)
        yield from site.replace(f"{operand(text, 5)} and {operand(other, 5)}", "condition-extend", 0.27 * fade)
        yield from site.replace(f"{operand(text, 4)} or {operand(other, 4)}", "condition-extend", 0.27 * fade)
        yield from site.replace(other, "condition-replace", 0.2 * fade)
        if rank < 8:
            yield from site.replace(f"{operand(other, 5)} and {operand(text, 5)}", "condition-extend", 0.22 * fade)
            yield from site.replace(f"{operand(other, 4)} or {operand(text, 4)}", "condition-extend", 0.22 * fade)


def _by_idle(site: Site, text: str) -> Iterator[Edit]:
    """Narrower or wider by a name that nothing reads yet: nobody counts rounds or takes a parameter for nothing."""
    function = site.source.function(site.node)
    key = ("idle names", function)
    if key not in site.cache:
        site.cache[key] = unused(function) if function else []
    idle: list[str] = site.cache[key]  # type: ignore[assignment]
    for rank, name in enumerate(idle[:3]):
        fade = 1 / (1 + 0.3 * rank)
        number = site.known.get(name, frozenset()) <= {"int", "float"}
        narrower = [(name, 0.4), (f"not {name}", 0.35), *([(f"{name} > 0", 0.42)] if number else [])]
        wider = [(f"not {name}", 0.35), (name, 0.35), *([(f"{name} == 0", 0.38)] if number else [])]
        for other, weight in narrower:
            yield from site.replace(f"{operand(text, 5)} and {other}", "condition-extend", weight * fade)
        for other, weight in wider:
            yield from site.replace(f"{operand(text, 4)} or {other}", "condition-extend", weight * fade)


def _compared(site: Site, node: ast.expr) -> Iterator[Edit]:
    """A bare value as a condition: what it is to be compared with, `-1` from `find` and zeros included."""
    text, subject = site.text(), node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        subject, text = node.operand, site.text(node.operand)
    pairs: tuple[tuple[str, float], ...] = ()
    if isinstance(subject, ast.Call):
        name = getattr(subject.func, "attr", getattr(subject.func, "id", ""))
        searching = name in ("find", "rfind", "index", "count", "compare", "bisect", "len")
        pairs = _SEARCHED if searching else ()
    elif isinstance(subject, (ast.BinOp, ast.Name, ast.Attribute, ast.Subscript)):
        pairs = (("== 0", 0.3), ("> 0", 0.25), ("!= 0", 0.1), ("== 1", 0.15))
    else:
        return
    nothing = (("is not None", 0.5), ("is None", 0.35)) if not isinstance(subject, ast.BinOp) else ()
    for end, weight in (*pairs, *nothing):
        yield from site.replace(f"{operand(text, 7)} {end}", "condition-compare", weight)


def _answer(site: Site) -> Iterator[Edit]:
    """A condition that is returned, made narrower or wider by one that comes first (it may guard the other)."""
    text = site.text()
    for rank, other in enumerate(ingredients(site)):
        if other != text and not _TRUTHY.fullmatch(other):  # an answer stays True or False
            fade = 1 / (1 + 0.06 * rank)
            yield from site.replace(f"{operand(other, 5)} and {operand(text, 5)}", "condition-extend", 0.3 * fade)
            yield from site.replace(f"{operand(other, 4)} or {operand(text, 4)}", "condition-extend", 0.27 * fade)


def _drop(site: Site, node: ast.BoolOp) -> Iterator[Edit]:
    word = "and" if isinstance(node.op, ast.And) else "or"
    texts = [site.text(v) for v in node.values]
    for at in range(len(texts)):
        rest = texts[:at] + texts[at + 1 :]
        yield from site.replace(f" {word} ".join(rest), "condition-drop", 0.45)
    for at, value in enumerate(node.values):
        if not isinstance(value, (ast.UnaryOp, ast.Compare)):
            new = [*texts[:at], f"not {operand(texts[at], 5)}", *texts[at + 1 :]]
            yield from site.replace(f" {word} ".join(new), "condition-negate", 0.45)


def _filters(site: Site, node: ast.ListComp | ast.SetComp | ast.DictComp) -> Iterator[Edit]:
    last = node.generators[-1]
    if last.ifs or not site.source.exact(node):
        if len(last.ifs) == 1 and site.source.exact(node):
            start, end = site.source.span(last.iter)[1], site.source.span(last.ifs[0])[1]
            yield site.edit(start, end, "", "condition-drop", 0.3, "drop the filter")
        return
    targets = [n.id for n in ast.walk(last.target) if isinstance(n, ast.Name)]
    end = site.source.span(last.iter)[1]
    options = [t for n in targets for t in (n, f"{n} is not None", f"{n} > 0", f"not {n}", f"{n}.strip()")]
    options += [
        f"{n} {o} {m}"
        for n in targets
        for m in local_names(site)[:6]
        if m not in targets
        for o in ("!=", "in", "not in", ">", "<")
    ]
    for rank, option in enumerate(options[:24]):
        yield site.edit(
            end, end, f" if {option}", "condition-extend", 0.3 / (1 + 0.06 * rank), f"only where `{option}`"
        )


def ingredients(site: Site) -> list[str]:
    """Conditions that could be meant here, likeliest first: those the function uses, then ones about its names."""
    scope = around(site)
    key = ("ingredients", scope)
    if key not in site.cache:
        site.cache[key] = list(dict.fromkeys([*_written(site, scope), *_made(site)]))
    found: list[str] = site.cache[key]  # type: ignore[assignment]
    own = site.text()
    near = [c for c in found if _shares_name(c, own)]
    return [*near, *(c for c in found if c not in near)][:_LIMIT]


def _shares_name(condition: str, text: str) -> bool:
    try:
        words = {n.id for n in ast.walk(ast.parse(condition, mode="eval")) if isinstance(n, ast.Name)}
        own = {n.id for n in ast.walk(ast.parse(text.strip(), mode="eval")) if isinstance(n, ast.Name)}
    except (SyntaxError, ValueError):
        return False
    return bool(words & own - {"len", "self"})


def _written(site: Site, scope: ast.AST) -> Iterator[str]:
    for node in own_nodes(scope):
        if isinstance(node, ast.Compare) and site.source.exact(node):
            yield site.text(node)
            if len(node.ops) == 1:
                yield _negated(site, node)
            if isinstance(node.ops[0], (ast.Lt, ast.Gt)) and len(node.ops) == 1:
                yield f"{site.text(node.left)} != {site.text(node.comparators[0])}"


def _negated(site: Site, node: ast.Compare) -> str:
    opposite = {ast.Lt: ">=", ast.LtE: ">", ast.Gt: "<=", ast.GtE: "<", ast.Eq: "!=", ast.NotEq: "==",
                ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in"}  # fmt: skip
    return f"{site.text(node.left)} {opposite[type(node.ops[0])]} {site.text(node.comparators[0])}"


def _made(site: Site) -> Iterator[str]:
    known = uses(site)
    names = [n for n in local_names(site) if n not in ("self", "cls")]
    fields = [f"self.{n}" for n in attributes_of(site, "self")[:5]]
    zipped = sorted(n for n in names if "argument of zip" in known.get(n, set()))[:3]
    yield from (f"len({a}) != len({b})" for at, a in enumerate(zipped) for b in zipped[at + 1 :])
    for name in [*names[:9], *fields]:
        kinds = known.get(name, set())
        yield name
        yield f"not {name}"
        if kinds & {"arithmetic", "index", "Compare"} or not kinds:
            yield from (f"{name} > 0", f"{name} == 0", f"{name} < 0", f"{name} >= 0", f"{name} == 1", f"{name} <= 1")
        yield f"{name} is None"
        yield f"{name} is not None"
    for left in names[:5]:
        for right in names[:5]:
            if left != right:
                yield f"{left} == {right}"
                yield f"{left} in {right}"
                yield f"{left} not in {right}"
                yield f"{left} > {right}"
