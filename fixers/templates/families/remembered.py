"""What is asked for and never put there: `if x in seen: continue`, and nothing ever adds to `seen`.

Only containers that start empty count, and only where nothing of their scope (the loop, the function, the class)
fills them: a container that is read, starts empty and stays so does nothing, so filling it was forgotten.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, own_nodes
from nightshift.fixers.templates.source import Edit, Function

TEMPLATE = "insert-collect"
_PUT = {"set": "{0}.add({1})", "list": "{0}.append({1})", "deque": "{0}.append({1})"}
_TABLES = ("dict", "OrderedDict", "defaultdict", "Counter")
_FILLING = (
    "append", "add", "extend", "insert", "update", "setdefault", "appendleft", "extendleft", "push", "put",
    "union_update", "symmetric_difference_update", "__setitem__",
)  # fmt: skip
_JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_LONGEST = 90


def edits(site: Site) -> Iterator[Edit]:
    """After a test of membership, what makes it hold next time; what a method found, kept where others look for it."""
    node = site.node
    function = site.source.function(node)
    if function is None or not isinstance(node, ast.stmt) or isinstance(node, (*Function, ast.ClassDef)):
        return
    if isinstance(node, ast.If):
        for test in _asked(node.test):
            yield from _answered(site, node, test)
    yield from _kept(site, node, function)


def _asked(test: ast.expr) -> list[ast.Compare]:
    """Tests of membership that a condition makes, alone or joined with others."""
    parts = test.values if isinstance(test, ast.BoolOp) else [test]
    single = [p for p in parts if isinstance(p, ast.Compare) and len(p.ops) == 1]
    return [p for p in single if isinstance(p.ops[0], (ast.In, ast.NotIn))]


def _answered(site: Site, node: ast.If, test: ast.Compare) -> Iterator[Edit]:
    held = test.comparators[0]
    kind = never_filled(site, held)
    element, name = site.text(test.left), site.text(held)
    if not kind or "\n" in element or len(element) > _LONGEST or not site.source.alone(node):
        return
    for code, weight in _codes(site, node, kind, name, element):
        if isinstance(test.ops[0], ast.NotIn):
            last = node.body[-1]
            if isinstance(last, _JUMPS):
                yield from lines.before(site, last, code, TEMPLATE, 0.9 * weight)
            else:
                yield from lines.after(site, last, code, TEMPLATE, weight)
            if isinstance(last, _JUMPS) and not node.orelse:
                yield from lines.after(site, node, code, TEMPLATE, 0.7 * weight)
        elif isinstance(node.body[-1], _JUMPS) and not node.orelse:
            yield from lines.after(site, node, code, TEMPLATE, weight)
        elif node.orelse:
            yield from lines.after(site, node.orelse[-1], code, TEMPLATE, 0.9 * weight)
    if kind in _TABLES:
        yield from _answers(site, node, name, element)


def _codes(site: Site, node: ast.If, kind: str, name: str, element: str) -> list[tuple[str, float]]:
    if kind in _PUT:
        return [(_PUT[kind].format(name, element), 1.1)]
    loop = site.source.loop(node)
    inside = [n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)] if loop else []
    values = [n for n in dict.fromkeys(inside) if n not in (name, element)][:3]
    return [(f"{name}[{element}] = {v}", 0.8 / (1 + 0.2 * at)) for at, v in enumerate(["True", *values])]


def _answers(site: Site, node: ast.If, name: str, element: str) -> Iterator[Edit]:
    """`return x` at the end of what is done for a new key: kept under the key first."""
    block = lines.block_of(site, node)
    last = block[-1] if block else node
    if isinstance(last, ast.Return) and last.value is not None and site.source.alone(last):
        value = site.text(last.value)
        if "\n" not in value and name not in value:
            code = f"{name}[{element}] = {value}\nreturn {name}[{element}]"
            if isinstance(last.value, ast.Name):
                code = f"{name}[{element}] = {value}\nreturn {value}"
            yield from lines.swap_statement(site, last, code, TEMPLATE, 1.0)


def _kept(site: Site, node: ast.stmt, function: ast.AST) -> Iterator[Edit]:
    """`self.ahead.append(item)` where a method that reads `self.ahead` gets or gives back `item`."""
    names = [h for h in _empty_attributes(site, function) if never_filled(site, h) in _PUT]
    if not names:
        return
    value = ""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        value = node.targets[0].id
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name) and node.value.id != "self":
        value = node.value.id
    for held in names[:2] if value else ():
        text = site.text(held)
        code = _PUT[never_filled(site, held)].format(text, value)
        if isinstance(node, ast.Return):
            yield from lines.before(site, node, code, TEMPLATE, 0.7)
            if _read_after(site, node, text, function):
                yield from lines.swap_statement(site, node, code, TEMPLATE, 0.75)
        else:
            yield from lines.after(site, node, code, TEMPLATE, 0.6)


def _empty_attributes(site: Site, function: ast.AST) -> list[ast.Attribute]:
    """Attributes of `self` that a method reads, each once."""
    key = ("own attributes", function)
    if key not in site.cache:
        found = [n for n in own_nodes(function) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)]
        site.cache[key] = list({n.attr: n for n in found if getattr(n.value, "id", "") == "self"}.values())
    own: list[ast.Attribute] = site.cache[key]  # type: ignore[assignment]
    return own


def _read_after(site: Site, node: ast.stmt, text: str, function: ast.AST) -> bool:
    """Whether the function returns something of a container further down."""
    later = [n for n in own_nodes(function) if isinstance(n, ast.Return) and n.lineno > node.lineno]
    return any(n.value is not None and text in site.text(n.value) for n in later)


def never_filled(site: Site, held: ast.expr) -> str:
    """The kind of a container that starts empty and that nothing of its scope fills or sets anew; '' otherwise."""
    text = site.text(held)
    scopes = list(_scopes(site, held))
    key = ("never filled", text, *scopes[:1], site.source.loop(site.node))
    if key not in site.cache:
        site.cache[key] = next((k for s in scopes if (k := _empty_in(site, s, text)) is not None), "")
    kind: str = site.cache[key]  # type: ignore[assignment]
    return kind


def _scopes(site: Site, held: ast.expr) -> Iterator[ast.AST]:
    """Where a name or an attribute of `self` lives: the functions around and the module, or the class."""
    function = site.source.function(site.node)
    if isinstance(held, ast.Attribute) and getattr(held.value, "id", "") == "self":
        owner: ast.AST | None = function
        while owner is not None and not isinstance(owner, ast.ClassDef):
            owner = site.source.parents.get(owner)
        if owner is not None:
            yield owner
    elif isinstance(held, ast.Name):
        while function is not None:
            yield function
            function = site.source.function(function)
        yield site.source.tree


def _empty_in(site: Site, scope: ast.AST, text: str) -> str | None:
    """None where a scope does not set the name; '' where it is not empty, or filled; else the kind."""
    kinds: list[str] = []
    for node in ast.walk(scope):
        if isinstance(node, ast.arg) and node.arg == text:
            return ""
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store) and site.text(node) == text:
            holder = site.source.parents.get(node)
            value = getattr(holder, "value", None) if isinstance(holder, (ast.Assign, ast.AnnAssign)) else None
            kinds.append(_empty(value))
        elif _fills(site, node, text):
            return ""
    return None if not kinds else kinds[0] if len(set(kinds)) == 1 else ""


def _empty(value: ast.expr | None) -> str:
    """What kind of empty container an expression makes, if it does."""
    if isinstance(value, ast.List) and not value.elts:
        return "list"
    if isinstance(value, ast.Dict) and not value.keys:
        return "dict"
    name = getattr(value.func, "id", getattr(value.func, "attr", "")) if isinstance(value, ast.Call) else ""
    given = value.args if isinstance(value, ast.Call) else []
    if name == "defaultdict" or (name in (*_PUT, *_TABLES) and not given):
        return name
    return ""


def _fills(site: Site, node: ast.AST, text: str) -> bool:
    """Whether a node puts something into a container, or gives it away to where that may happen."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _FILLING:
            return site.text(node.func.value) == text
        return any(isinstance(a, (ast.Name, ast.Attribute)) and site.text(a) == text for a in node.args) and getattr(
            node.func, "id", ""
        ) not in ("len", "sorted", "list", "set", "tuple", "sum", "any", "all", "bool", "str", "iter", "max", "min")
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return site.text(node.value) == text
    return isinstance(node, ast.AugAssign) and site.text(node.target) == text
