"""Digits read one by one: what came before moves up a place, `x = 10 * x + d`, and what leaves its width is cut off."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.families.stale import unused
from nightshift.fixers.templates.kinds import kinds_of
from nightshift.fixers.templates.site import Site, around, local_names, operand, own_nodes
from nightshift.fixers.templates.source import Edit

_WHOLE = frozenset({"int", "bool"})
_BASE = re.compile(r"base|radix|alphabet|factor|modul|prime|multiplier", re.IGNORECASE)
_WIDTH = re.compile(r"bits|width|size", re.IGNORECASE)
_DIGIT = ("int", "ord", "index", "find")
_MASKS = (0xFF, 0xFFFF, 0xFFFFFFFF)
_WIDENING = {ast.LShift: "<<", ast.Add: "+", ast.Mult: "*", ast.Sub: "-"}
_MOST_BASES = 5


def edits(site: Site) -> Iterator[Edit]:
    """`x = x * B + e` for `x = e` in a loop; in functions that shift or xor, `e & 0xFF` and its kin."""
    node = site.node
    if site.source.function(node) is None:
        return
    if isinstance(node, (ast.Assign, ast.AugAssign)) and site.source.loop(node) is not None:
        yield from _moved_up(site, node)
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.Return)) and _of_bits(site):
        yield from _masked(site, node)


def _whole(site: Site, node: ast.AST) -> bool:
    """Whether nothing seen says that an expression is no whole number."""
    known = kinds_of(node, site.known)
    if known is None and isinstance(node, ast.BinOp):
        return _whole(site, node.left) and _whole(site, node.right)
    return known is None or bool(known & _WHOLE)


def _moved_up(site: Site, node: ast.Assign | ast.AugAssign) -> Iterator[Edit]:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Name) or not (_whole(site, target) and _whole(site, node.value)):
        return
    if isinstance(node, ast.AugAssign) and not isinstance(node.op, ast.Add):
        return
    read = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    if target.id in read or isinstance(node.value, ast.Constant) or not _from_zero(site, target.id):
        return
    calls = {
        getattr(n.func, "id", getattr(n.func, "attr", "")) for n in ast.walk(node.value) if isinstance(n, ast.Call)
    }
    looked_up = any(isinstance(n, ast.Subscript) for n in ast.walk(node.value))
    likely = 0.8 if calls & set(_DIGIT) else 0.45 if looked_up else 0.3
    if isinstance(node, ast.AugAssign):
        likely *= 0.6
    digit = operand(site.text(node.value), 11)
    for rank, base in enumerate(_bases(site, target.id, decimal="int" in calls)):
        code = f"{target.id} = {target.id} * {base} + {digit}"
        yield from lines.swap_statement(site, node, code, "accumulate", likely / (1 + 0.2 * rank))


def _from_zero(site: Site, name: str) -> bool:
    """Whether the function sets a name to 0 somewhere."""
    for node in own_nodes(around(site)):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=False))
                if any(getattr(t, "id", "") == name and getattr(v, "value", None) == 0 for t, v in pairs):
                    return True
    return False


def _bases(site: Site, target: str, *, decimal: bool) -> list[str]:
    """What a place is worth: names that say so, idle parameters, 10, numbers of the function, 2 and 16."""
    function = site.source.function(site.node)
    idle = unused(function) if function else []
    whole = [n for n in local_names(site) if n not in ("self", "cls", target) and site.known.get(n, _WHOLE) & _WHOLE]
    named = [n for n in whole if _BASE.search(n) or (n in idle and n in site.known)]
    numbers = [n.value for n in own_nodes(around(site)) if isinstance(n, ast.Constant) and type(n.value) is int]
    own = [str(n) for n in dict.fromkeys(numbers) if n > 2 and n not in (10, 16)]
    plain = ["10", *own[:2], "2", "16"] if decimal else [*own[:2], "10", "2", "16"]
    return list(dict.fromkeys([*named[:3], *plain]))[:_MOST_BASES]


def _of_bits(site: Site) -> bool:
    """Whether the function shifts to the left, exclusive-ors or inverts."""
    scope = around(site)
    key = ("bits", scope)
    if key not in site.cache:
        operators = [getattr(n, "op", None) for n in own_nodes(scope)]
        site.cache[key] = any(isinstance(o, (ast.LShift, ast.BitXor, ast.Invert)) for o in operators)
    return bool(site.cache[key])


def _masked(site: Site, node: ast.Assign | ast.AugAssign | ast.Return) -> Iterator[Edit]:
    value = node.value
    if value is None or not _whole(site, value):
        return
    if isinstance(node, ast.AugAssign):
        symbol = _WIDENING.get(type(node.op))
        if symbol and isinstance(node.target, (ast.Name, ast.Attribute)) and _whole(site, node.target):
            target = site.text(node.target)
            for mask, weight in _masks(site):
                code = f"{target} = ({target} {symbol} {operand(site.text(value), 13)}) & {mask}"
                yield from lines.swap_statement(site, node, code, "mask", 0.8 * weight)
        return
    widening = isinstance(value, ast.BinOp) and not isinstance(value.op, (ast.BitAnd, ast.Mod, ast.RShift))
    if widening or (isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Invert)):
        share = 1.0
    elif isinstance(node, ast.Return) and isinstance(value, ast.Name):
        share = 0.7
    else:
        return
    for mask, weight in _masks(site):
        yield from site.replace(f"{operand(site.text(value), 9)} & {mask}", "mask", share * weight, node=value)


def _masks(site: Site) -> list[tuple[str, float]]:
    """Masks the function already has, those its powers of two and widths speak of, then one, two and four bytes."""
    scope = around(site)
    key = ("masks", scope)
    if key not in site.cache:
        numbers = [n for n in own_nodes(scope) if isinstance(n, ast.Constant) and type(n.value) is int and n.value > 3]
        full = [site.text(n) for n in numbers if n.value & (n.value + 1) == 0]  # type: ignore[operator]
        marks = [f"0x{_below(n.value):X}" for n in numbers if _is_mark(n.value)]  # type: ignore[arg-type]
        widths = [n for n in local_names(site) if _WIDTH.search(n) and site.known.get(n, frozenset()) & _WHOLE]
        spoken = [*full, *marks, *(f"((1 << {n}) - 1)" for n in widths[:1])]
        found = list(dict.fromkeys([*spoken, *(f"0x{n:X}" for n in _MASKS)]))[:5]
        site.cache[key] = [(mask, (0.7 if mask in spoken else 0.5) / (1 + 0.15 * i)) for i, mask in enumerate(found)]
    masks: list[tuple[str, float]] = site.cache[key]  # type: ignore[assignment]
    return masks


def _is_mark(number: int) -> bool:
    """A power of two large enough to be the top bit of a width, or the first number beyond it."""
    return number >= 64 and number & (number - 1) == 0


def _below(mark: int) -> int:
    """All ones up to a mark: 0xFF for 0x100 (whole bytes end there) and for 0x80 (their top bit)."""
    return mark - 1 if (mark.bit_length() - 1) % 8 == 0 else 2 * mark - 1
