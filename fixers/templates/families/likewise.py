"""A conversion forgotten on one of several like values: what the function does to the others is due here, too."""

from __future__ import annotations

import ast
import builtins
import difflib
from collections import Counter
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, around, in_annotation, is_load, operand, own_nodes
from nightshift.fixers.templates.source import Edit

TEMPLATE = "likewise"
_VALUES = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.Call)
_PLAIN = (ast.Name, ast.Attribute, ast.Subscript)
_NEVER = frozenset({"print", "iter", "next", "type", "id", "super", "repr", "range", "enumerate", "isinstance"})
_MOST, _SOMETIMES = 4, 0.4

Made = tuple[str, bool, ast.expr]
"""A function or a method without arguments, whether it is a method, and a value it is applied to."""


def edits(site: Site) -> Iterator[Edit]:
    """`f(y)` for `y` and `y.m()` for `y` where `f(x)` and `x.m()` stand in the same function."""
    node = site.node
    if not isinstance(node, _VALUES) or not is_load(node) or in_annotation(site.source, node) or _stuck(site):
        return
    own, shape, options = site.text(), _shape(node), dict[str, float]()
    for name, method, value in _made(site):
        if _touches(site, value) or (method and not isinstance(node, _PLAIN)) or _shape(value) != shape:
            continue
        alike = difflib.SequenceMatcher(None, site.text(value), own).ratio()
        if not _akin(site, node, value) and alike < 0.5:
            continue
        text = f"{operand(own, 18)}.{name}()" if method else f"{name}({own})"
        weight = (0.45 if method or isinstance(node, ast.Call) else 0.6) + 0.25 * alike
        if site.text(value) == own or not _always(site, name, method, site.text(value)):
            weight *= _SOMETIMES
        options[text] = max(options.get(text, 0.0), weight)
    for text, weight in sorted(options.items(), key=lambda o: -o[1])[:_MOST]:
        yield from site.replace(text, TEMPLATE, weight)


def _stuck(site: Site) -> bool:
    """Whether the place takes no conversion: what is called, looked into, converted already, or the name of a type."""
    parent, place = site.parent, site.place
    if isinstance(site.node, ast.Name) and hasattr(builtins, site.node.id):
        return True
    if place == "func" or (isinstance(parent, (ast.Attribute, ast.Subscript, ast.Raise)) and place != "slice"):
        return True
    return isinstance(parent, ast.Call) and len(parent.args) == 1 and not parent.keywords


def _always(site: Site, name: str, method: bool, value: str) -> bool:
    """Whether a value is never read in the function without being converted like that."""
    scope = around(site)
    key = ("read", site.source.path, scope)
    if key not in site.cache:
        values = (n for n in own_nodes(scope) if isinstance(n, _VALUES) and is_load(n))
        site.cache[key] = Counter(site.text(n) for n in values)
    reads: Counter[str] = site.cache[key]  # type: ignore[assignment]
    return reads[value] <= sum((n, m, site.text(v)) == (name, method, value) for n, m, v in _made(site))


def _touches(site: Site, value: ast.expr) -> bool:
    """Whether one of the two stands within the other."""
    return any(n is site.node for n in ast.walk(value)) or any(n is value for n in ast.walk(site.node))


def _akin(site: Site, node: ast.expr, value: ast.expr) -> bool:
    """Whether two expressions are made of the same value, or of values that were unpacked side by side."""
    mine, others = ({n.id for n in ast.walk(e) if isinstance(n, ast.Name)} for e in (node, value))
    return bool(mine & others) or any(mine & group and others & group for group in _unpacked(site))


def _unpacked(site: Site) -> list[set[str]]:
    scope = around(site)
    key = ("unpacked", site.source.path, scope)
    if key not in site.cache:
        stored = [n for n in own_nodes(scope) if isinstance(n, ast.Tuple) and isinstance(n.ctx, ast.Store)]
        site.cache[key] = [{n.id for n in ast.walk(t) if isinstance(n, ast.Name)} for t in stored]
    groups: list[set[str]] = site.cache[key]  # type: ignore[assignment]
    return groups


def _made(site: Site) -> list[Made]:
    """Every call of one argument, and of a method without any, in the function around the place."""
    scope = around(site)
    key = ("made", site.source.path, scope)
    if key not in site.cache:
        calls = [n for n in own_nodes(scope) if isinstance(n, ast.Call) and not n.keywords and site.source.exact(n)]
        site.cache[key] = [made for call in calls for made in _of_call(site, call)]
    found: list[Made] = site.cache[key]  # type: ignore[assignment]
    return found


def _of_call(site: Site, call: ast.Call) -> Iterator[Made]:
    if isinstance(site.source.parents.get(call), ast.Expr):
        return
    func = call.func
    if len(call.args) == 1 and isinstance(call.args[0], _VALUES):
        name = site.text(func)
        error = isinstance(getattr(builtins, name, None), type) and issubclass(getattr(builtins, name), BaseException)
        module = (
            isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in _modules(site)
        )
        if (isinstance(func, ast.Name) or module) and name not in _NEVER and not error:
            yield name, False, call.args[0]
    elif not call.args and isinstance(func, ast.Attribute) and isinstance(func.value, _PLAIN):
        yield func.attr, True, func.value


def _modules(site: Site) -> set[str]:
    if "modules" not in site.cache:
        imports = [n for n in ast.walk(site.source.tree) if isinstance(n, ast.Import)]
        site.cache["modules"] = {a.asname or a.name for n in imports for a in n.names}
    names: set[str] = site.cache["modules"]  # type: ignore[assignment]
    return names


def _shape(node: ast.expr) -> tuple[str, ...]:
    """Kinds of the nodes of an expression, operators included, names not."""
    return tuple(type(n).__name__ for n in ast.walk(node))
