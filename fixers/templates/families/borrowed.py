"""Statements that a file already shows, forgotten at one place: a sibling's line, the undo of a step, its mirror image,
the first value of a table, the copy of what belongs to the caller.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, around, local_names, own_nodes
from nightshift.fixers.templates.source import Edit, Function

_UNDO = {
    "add": ("remove({})", "discard({})"), "append": ("pop()", "remove({})"), "insert": ("pop()",), "push": ("pop()",),
    "acquire": ("release()",), "open": ("close()",), "start": ("stop()",),
}  # fmt: skip
_CHANGING = ("append", "add", "extend", "insert", "pop", "remove", "sort", "update", "clear", "reverse", "setdefault")
_LONGEST = 90
ITERATORS = frozenset({
    "generator", "map", "filter", "zip", "enumerate", "reversed", "chain", "islice", "starmap", "takewhile",
    "dropwhile", "groupby", "TextIOWrapper", "reader", "DictReader", "callable_iterator", "list_iterator",
    "tuple_iterator", "str_iterator", "str_ascii_iterator", "range_iterator", "set_iterator", "dict_keyiterator",
    "dict_valueiterator", "dict_itemiterator", "list_reverseiterator", "bytes_iterator",
})  # fmt: skip
_WALKING = (
    "sum", "min", "max", "sorted", "list", "tuple", "set", "frozenset", "dict", "any", "all", "enumerate", "zip",
    "map", "filter", "join", "extend", "update", "Counter", "deque", "mean", "fsum",
)  # fmt: skip


def edits(site: Site) -> Iterator[Edit]:
    """Lines to put before or after a simple statement."""
    node = site.node
    if not isinstance(node, ast.stmt) or isinstance(node, (*Function, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return
    function = site.source.function(node)
    if function is None or lines.is_docstring(node):
        return
    yield from _siblings(site, node)
    yield from _undo(site, node)
    yield from _mirror(site, node)
    yield from _first(site, node)
    yield from _copies(site, node, function)
    if isinstance(node, ast.Assign):
        yield from _kept(site, node, function)


def _class_around(site: Site) -> ast.AST:
    node: ast.AST = site.node
    while node in site.source.parents:
        node = site.source.parents[node]
        if isinstance(node, ast.ClassDef):
            return node
    return around(site)


def _pool(site: Site) -> list[str]:
    """Simple one-line statements of the class (else the function) that change something."""
    scope = _class_around(site)
    key = ("statements", scope)
    if key not in site.cache:
        found: dict[str, None] = {}
        for inner in ast.walk(scope):
            calls = isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call)
            if calls or isinstance(inner, (ast.AugAssign, ast.Assign)):
                text = site.text(inner)
                if "\n" not in text and len(text) <= _LONGEST:
                    found.setdefault(text)
        site.cache[key] = list(found)[:40]
    pool: list[str] = site.cache[key]  # type: ignore[assignment]
    return pool


def _known(site: Site) -> set[str]:
    return {*local_names(site), "self", "cls"}


def _names_of(text: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}


def _siblings(site: Site, node: ast.stmt) -> Iterator[Edit]:
    known, own = _known(site), site.text()
    function_names = {n.id for n in ast.walk(site.source.tree) if isinstance(n, ast.Name)} - set(local_names(site))
    ends = isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break))
    rank = 0
    for text in _pool(site):
        if text == own or not (_names_of(text) - function_names - {"self", "cls"}) <= known or rank >= 10:
            continue
        weight = 0.2 / (1 + 0.1 * rank)
        rank += 1
        yield from (lines.before if ends else lines.after)(site, node, text, "insert-borrowed", weight)


def _undo(site: Site, node: ast.stmt) -> Iterator[Edit]:
    """The step back after a step: `seen.remove(x)` where `seen.add(x)` was, as backtracking needs it."""
    ends = isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break))
    function = site.source.function(node)
    for inner in own_nodes(function) if function else ():
        call = inner.value if isinstance(inner, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or inner is node:
            continue
        if inner.lineno > node.lineno:  # type: ignore[attr-defined]
            continue
        base, arguments = site.text(call.func.value), ", ".join(site.text(a) for a in call.args)
        for rank, way in enumerate(_UNDO.get(call.func.attr, ())):
            code = f"{base}.{way.format(arguments)}"
            put = lines.before if ends else lines.after
            yield from put(site, node, code, "insert-borrowed", 0.25 / (1 + 0.3 * rank))


def _mirror(site: Site, node: ast.stmt) -> Iterator[Edit]:
    """The same the other way round: `near[b].append(a)` after `near[a].append(b)`."""
    if not isinstance(node, (ast.Assign, ast.Expr, ast.AugAssign)) or "\n" in site.text():
        return
    text = site.text()
    names = [n for n in local_names(site) if re.search(rf"(?<![\w.]){n}\b", text) and n not in ("self", "cls")]
    if not isinstance(node, ast.Expr) and not isinstance(_target(node), ast.Subscript):
        return
    for left in names[:5]:
        for right in names[:5]:
            if left < right:
                swapped = re.sub(
                    rf"(?<![\w.])({left}|{right})\b", lambda m: right if m[1] == left else left, text  # noqa: B023
                )  # fmt: skip
                yield from lines.after(site, node, swapped, "insert-borrowed", 0.22)


def _target(node: ast.stmt) -> ast.AST | None:
    return node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)


def _first(site: Site, node: ast.stmt) -> Iterator[Edit]:
    """`ways[0] = 1` after `ways = [0] * n`, `times[start] = 0` after `times = {}`."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
        return
    name, value = node.targets[0].id, node.value
    table = isinstance(value, ast.ListComp) or (
        isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) and isinstance(value.left, ast.List)
    )
    if table:
        nested = isinstance(value, ast.ListComp) and isinstance(value.elt, (ast.ListComp, ast.BinOp))
        for number, weight in (("1", 0.5), ("0", 0.4), ("True", 0.4)):
            place = f"{name}[0][0]" if nested else f"{name}[0]"
            yield from lines.after(site, node, f"{place} = {number}", "insert-assignment", weight)
    elif isinstance(value, ast.Dict) and not value.keys:
        for rank, key in enumerate([n for n in local_names(site) if n not in ("self", "cls", name)][:4]):
            for number, weight in (("0", 0.3), ("1", 0.25), ("None", 0.2)):
                yield from lines.after(
                    site, node, f"{name}[{key}] = {number}", "insert-assignment", weight / (1 + 0.2 * rank)
                )


def _copies(site: Site, node: ast.stmt, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Edit]:
    """`items = list(items)` at the top of a function that changes what it was given (or its own default)."""
    body = [s for s in function.body if not lines.is_docstring(s)]
    if not body or node is not body[0]:
        return
    for argument in [*function.args.args, *function.args.kwonlyargs]:
        if argument.arg in _changed(function):
            for kind, weight in (("list", 0.5), ("dict", 0.4), ("set", 0.3)):
                code = f"{argument.arg} = {kind}({argument.arg})"
                yield from lines.before(site, node, code, "insert-copy", weight)
        if site.known.get(argument.arg, frozenset()) & ITERATORS and _walks(site, function, argument.arg) > 1:
            code = f"{argument.arg} = list({argument.arg})"
            yield from lines.before(site, node, code, "insert-copy", 1.1)


def _kept(site: Site, node: ast.Assign, function: ast.AST) -> Iterator[Edit]:
    """`x = list(…)` where what is assigned can be walked once only, and is walked again."""
    name = getattr(node.targets[0], "id", "")
    if not name or not site.known.get(name, frozenset()) & ITERATORS or _walks(site, function, name) < 2:
        return
    if isinstance(node.value, ast.GeneratorExp):
        start, end = site.source.span(node.value)
        text = f"[{site.source.text[start + 1 : end - 1]}]"
        yield site.edit(start, end, text, "insert-copy", 0.9, f"keep all of `{name}`: it is read again")
    elif isinstance(node.value, ast.Call):
        yield from site.replace(f"list({site.text(node.value)})", "insert-copy", 0.9, node=node.value)


def _walks(site: Site, function: ast.AST, name: str) -> int:
    """How often a function goes over a name's values; what needs their number or order counts twice, as do loops."""
    found = 0
    for node in own_nodes(function):
        if not isinstance(node, ast.Name) or node.id != name or not isinstance(node.ctx, ast.Load):
            continue
        parent, place = site.source.parents.get(node), site.source.fields.get(node, "")
        if isinstance(parent, ast.Call) and place == "args":
            called = getattr(parent.func, "id", getattr(parent.func, "attr", ""))
            found += 2 if called in ("len", "reversed") else called in _WALKING
        elif isinstance(parent, ast.Subscript):
            found += 2
        elif place == "iter" or isinstance(parent, (ast.Starred, ast.Compare)):
            found += 2 if _repeated(site, node) else 1
    return found


def _repeated(site: Site, node: ast.AST) -> bool:
    """Whether a place is reached in every round of a loop or comprehension around it."""
    statement = site.source.statement(node)
    inner = site.source.parents.get(node)
    if isinstance(inner, ast.comprehension):
        owner = site.source.parents.get(inner)
        return getattr(owner, "generators", [inner])[0] is not inner
    return statement is not None and site.source.loop(statement) is not None


def _changed(function: ast.AST) -> set[str]:
    """Names whose objects a function changes."""
    found: set[str] = set()
    for node in own_nodes(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
            found.add(getattr(node.func.value, "id", ""))
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            found.add(getattr(node.value, "id", ""))
        elif isinstance(node, ast.AugAssign):
            found.add(getattr(node.target, "id", ""))
    return found - {"self", "cls", ""}
