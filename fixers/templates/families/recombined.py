"""Small expressions remade of what the function has: a term lost, a length not counted, a default forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.families.names import uses
from nightshift.fixers.templates.families.stale import unused
from nightshift.fixers.templates.site import Site, around, in_annotation, is_load, local_names, operand, own_nodes
from nightshift.fixers.templates.source import Edit, Function

_VALUES = (ast.Return, ast.Assign, ast.AugAssign)
_DEFAULTS = ("0", "''", "[]", "1", "None", "{}", "False")


def edits(site: Site) -> Iterator[Edit]:
    """`e - len(x)`, `e - 3` before "...", `e % 360`, `v - e`, `d.get(k, v)`, `x.m()` as elsewhere in the function."""
    node = site.node
    if not isinstance(node, ast.expr) or in_annotation(site.source, node) or not is_load(node) or site.place == "func":
        return
    if isinstance(node, ast.Call):
        yield from _defaults(site, node)
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp)):
        yield from _lengths(site)
        yield from _room(site)
        yield from _numbers(site)
        yield from _turned(site)
        yield from _elements(site)
        yield from _joined(site)


def _base(site: Site) -> float:
    """How readily an expression in this place may be longer; 0 where it may not."""
    parent = site.parent
    if isinstance(parent, _VALUES):
        return 1.0
    if isinstance(parent, ast.Subscript) and site.place == "value":
        return 0.0
    return 0.6 if isinstance(parent, (ast.Compare, ast.Call, ast.BinOp, ast.Tuple, ast.Slice, ast.Subscript)) else 0.0


def _lengths(site: Site) -> Iterator[Edit]:
    """Lengths of what the function slices or measures, of idle parameters and of texts."""
    base = _base(site)
    if not base or isinstance(site.parent, (ast.BinOp, ast.Tuple)):
        return
    known, text = uses(site), site.text()
    names = [n for n in local_names(site) if n not in ("self", "cls", text)]
    sized = [n for n in names if known.get(n, set()) & {"container", "iterated", "argument of len"}]
    others = [n for n in names if n not in sized]
    for rank, name in enumerate([*sized, *others][:5]):
        for symbol, weight in (("-", 0.3), ("+", 0.2)):
            yield from site.replace(f"{operand(text)} {symbol} len({name})", "extend", base * weight / (1 + 0.2 * rank))


def _room(site: Site) -> Iterator[Edit]:
    """`x[: n - 3] + "..."`: a limit leaves room for what is put on; more surely in a slice than in a comparison."""
    parent, statement = site.parent, site.source.statement(site.node)
    if statement is None or isinstance(site.node, ast.Subscript):
        return
    if isinstance(parent, ast.Slice) and site.place == "upper":
        share, put_on = 0.8, _put_on(site, statement)
    elif isinstance(parent, ast.Compare) and isinstance(parent.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
        if isinstance(site.node, ast.Call) or not any(
            "len(" in site.text(n) for n in (parent.left, *parent.comparators)
        ):
            return
        share, put_on = 0.25, [n for n in _put_on(site, around(site)) if n.isdigit()]
    else:
        return
    for rank, length in enumerate(put_on[:3]):
        if f"- {length}" not in site.text():
            yield from site.replace(f"{operand(site.text())} - {length}", "room", share / (1 + 0.25 * rank))


def _put_on(site: Site, scope: ast.AST) -> list[str]:
    """Lengths of the texts that a statement or function puts on others by `+` or in an f-string, all of a sum first."""
    key = ("put on", scope)
    if key not in site.cache:
        found: dict[str, None] = {}
        for node in ast.walk(scope):
            parent = site.source.parents.get(node)
            grows = isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Add)
            if (grows and not isinstance(parent, ast.BinOp)) or isinstance(node, ast.JoinedStr):
                found.update(dict.fromkeys(_lengths_of(node)))
        site.cache[key] = list(found)
    lengths: list[str] = site.cache[key]  # type: ignore[assignment]
    return lengths


def _lengths_of(node: ast.AST) -> Iterator[str]:
    parts = [node] if isinstance(node, (ast.BinOp, ast.JoinedStr)) else [getattr(node, "value", node)]
    texts: list[str] = []
    while parts:
        part = parts.pop(0)
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
            parts = [part.left, part.right, *parts]
        elif isinstance(part, ast.JoinedStr):
            parts = [*part.values, *parts]
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            texts.append(part.value)
        elif isinstance(part, ast.Name):
            texts.append("")
            yield f"len({part.id})"
    sizes = [len(t) for t in texts if t]
    yield from (str(n) for n in dict.fromkeys([sum(sizes), *sizes]) if n)


def _numbers(site: Site) -> Iterator[Edit]:
    """The numbers of the function, as a further operand."""
    base = _base(site)
    if not base or isinstance(site.parent, ast.BinOp):
        return
    scope = around(site)
    key = ("operands", scope)
    if key not in site.cache:
        found = [n.value for n in own_nodes(scope) if isinstance(n, ast.Constant) and type(n.value) in (int, float)]
        site.cache[key] = [str(n) for n in dict.fromkeys(found) if n not in (0, 1, 2, 60, 100, 1000)][:3]
    numbers: list[str] = site.cache[key]  # type: ignore[assignment]
    for number in numbers:
        for symbol, weight in (("%", 0.16), ("+", 0.1), ("-", 0.1), ("*", 0.12), ("//", 0.08), ("/", 0.1)):
            yield from site.replace(f"{operand(site.text(), 12)} {symbol} {number}", "extend", base * weight)


def _turned(site: Site) -> Iterator[Edit]:
    """The place's value as the right operand of what was lost on the left; idle names first."""
    base = _base(site)
    if not base or isinstance(site.parent, (ast.BinOp, ast.Tuple)):
        return
    text, idle = site.text(), _idle(site)
    names = [n for n in local_names(site) if n not in ("self", "cls", text)]
    for rank, name in enumerate(sorted(names, key=lambda n: n not in idle)[:5]):
        share = base * (1.6 if name in idle else 1.0) / (1 + 0.15 * rank)
        for symbol, weight in (("-", 0.2), ("//", 0.1), ("/", 0.12), ("%", 0.12), ("**", 0.08), ("+", 0.12)):
            yield from site.replace(f"{name} {symbol} {operand(text, 13)}", "extend", share * weight)


def _elements(site: Site) -> Iterator[Edit]:
    """`e + x[i]` and `e - x[i]`: elements the function reads elsewhere."""
    if not isinstance(site.parent, _VALUES):
        return
    scope, text = around(site), site.text()
    found = [
        site.text(n) for n in own_nodes(scope)
        if isinstance(n, ast.Subscript) and is_load(n) and not isinstance(n.slice, ast.Slice) and site.source.exact(n)
    ]  # fmt: skip
    for rank, other in enumerate([t for t in dict.fromkeys(found) if t != text and len(t) <= 40][:5]):
        for symbol, weight in (("+", 0.25), ("-", 0.15), ("*", 0.12)):
            yield from site.replace(f"{operand(text, 12)} {symbol} {other}", "extend", weight / (1 + 0.1 * rank))


def _joined(site: Site) -> Iterator[Edit]:
    """`e + [v]`, `[v] + e`, `e + (v,)`: one more for a sequence, as paths and prefixes of recursions grow."""
    parent = site.parent
    again = (
        isinstance(parent, ast.Call) and site.place == "args" and getattr(parent.func, "id", "") not in ("len", "range")
    )
    if not again and not isinstance(parent, (ast.Return, ast.Assign, ast.keyword, ast.Tuple)):
        return
    text = operand(site.text(), 11)
    names = [n for n in local_names(site) if n not in ("self", "cls", site.text())]
    for rank, name in enumerate(sorted(names, key=lambda n: "loop-target" not in uses(site).get(n, set()))[:4]):
        for whole, weight in ((f"{text} + [{name}]", 0.22), (f"[{name}] + {text}", 0.2), (f"{text} + ({name},)", 0.08)):
            yield from site.replace(whole, "extend", weight / (1 + 0.2 * rank))


def _idle(site: Site) -> list[str]:
    function = site.source.function(site.node)
    if not isinstance(function, Function):
        return []
    key = ("idle", function)
    if key not in site.cache:
        site.cache[key] = unused(function)
    names: list[str] = site.cache[key]  # type: ignore[assignment]
    return names


def _defaults(site: Site, node: ast.Call) -> Iterator[Edit]:
    """`d.get(k)` with something to fall back on: names of the function, then plain values."""
    if getattr(node.func, "attr", "") not in ("get", "pop", "setdefault") or len(node.args) != 1 or node.keywords:
        return
    inside, idle = site.text(node.args[0]), _idle(site)
    names = [n for n in local_names(site) if n not in ("self", "cls", inside)]
    ranked = sorted(names, key=lambda n: (n not in idle, "default" not in n))[:5]
    for rank, value in enumerate([*ranked, inside, *_DEFAULTS]):
        weight = 0.5 if value in idle else 0.4
        yield from site.replace(
            f"{site.text(node.func)}({inside}, {value})", "argument-add", weight / (1 + 0.08 * rank)
        )
