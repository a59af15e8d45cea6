"""One object where several were meant: shared rows, defaults and class attributes that change, late-bound closures."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, own_nodes
from nightshift.fixers.templates.source import Edit, Function

_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MAKERS = ("list", "dict", "set", "defaultdict", "deque", "Counter", "OrderedDict", "bytearray")


def mutable(node: ast.AST) -> bool:
    """Whether an expression makes a new object that can change."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return mutable(node.left) or mutable(node.right)
    return isinstance(node, _MUTABLE) or (isinstance(node, ast.Call) and getattr(node.func, "id", "") in _MAKERS)


def edits(site: Site) -> Iterator[Edit]:
    """Give each its own."""
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield from _rows(site, node)
    elif isinstance(node, ast.Call):
        yield from _keys(site, node)
    elif isinstance(node, (ast.Lambda, *Function)):
        yield from _bound(site, node)
    if site.place in ("defaults", "kw_defaults") and isinstance(node, ast.expr) and mutable(node):
        yield from _default(site, node)
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(site.parent, ast.ClassDef):
        yield from _of_the_instance(site, node, site.parent)


def _rows(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    """`[[0] * w] * h` as `[[0] * w for _ in range(h)]`."""
    for many, times in ((node.left, node.right), (node.right, node.left)):
        if isinstance(many, ast.List) and len(many.elts) == 1 and mutable(many.elts[0]):
            text = f"[{site.text(many.elts[0])} for _ in range({site.text(times)})]"
            yield from site.replace(text, "unshare", 1.0)


def _keys(site: Site, node: ast.Call) -> Iterator[Edit]:
    """`dict.fromkeys(keys, [])` as `{key: [] for key in keys}`."""
    if site.text(node.func) == "dict.fromkeys" and len(node.args) == 2 and mutable(node.args[1]):
        keys, value = site.text(node.args[0]), site.text(node.args[1])
        yield from site.replace(f"{{key: {value} for key in {keys}}}", "unshare", 1.0)


def _bound(site: Site, node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Edit]:
    """A function made in a loop keeps the loop's value: `lambda x, n=n: x * n`."""
    targets = _loop_names(site)
    own = {a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]}
    inside = list(ast.walk(node)) if isinstance(node, ast.Lambda) else list(own_nodes(node))
    used = list(dict.fromkeys(n.id for n in inside if isinstance(n, ast.Name) and n.id in targets and n.id not in own))
    if not used or node.args.vararg or node.args.kwarg:
        return
    extra = ", ".join(f"{name}={name}" for name in used)
    if isinstance(node, ast.Lambda):
        head = site.source.text[site.source.span(node)[0] : site.source.span(node.body)[0]]
        parameters = head.removeprefix("lambda").rstrip().removesuffix(":").strip()
        joined = f"{parameters}, {extra}" if parameters else extra
        yield from site.replace(f"lambda {joined}: {site.text(node.body)}", "bind", 1.0)
        return
    given: list[ast.arg | ast.expr] = [*node.args.args[-1:], *node.args.defaults[-1:]]
    if given and given[-1].lineno == node.lineno:
        at = site.source.span(given[-1])[1]
        yield site.edit(at, at, f", {extra}", "bind", 0.8, f"keep the value of `{used[0]}` as it is now")


def _loop_names(site: Site) -> set[str]:
    """Targets of the loops and comprehensions around a node, within its function."""
    found: set[str] = set()
    node: ast.AST | None = site.source.parents.get(site.node)
    while node is not None and not isinstance(node, (*Function, ast.ClassDef)):
        loops = [node] if isinstance(node, (ast.For, ast.AsyncFor)) else getattr(node, "generators", [])
        found.update(n.id for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name))
        node = site.source.parents.get(node)
    return found


def _default(site: Site, node: ast.expr) -> Iterator[Edit]:
    """`def f(x=[])` as `def f(x=None)` with `if x is None: x = []` at its top."""
    function = site.source.statement(node)
    name = _parameter(function, node) if isinstance(function, Function) else ""
    if not name or not isinstance(function, Function):
        return
    body = [s for s in function.body if not lines.is_docstring(s)]
    if not body or not site.source.alone(body[0]) or body[0].lineno == function.lineno:
        return
    start, end = site.source.span(node)
    at = site.source.starts[_first_line(body[0]) - 1]
    indent, unit, newline = site.source.indent(body[0]), site.source.indent_unit, site.source.newline
    code = f"{indent}if {name} is None:{newline}{indent}{unit}{name} = {site.text()}{newline}"
    new = "None" + site.source.text[end:at] + code
    yield site.edit(start, at, new, "unshare", 1.0, f"make a new `{site.text()}` for `{name}` at every call")


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    line: int = decorators[0].lineno if decorators else statement.lineno
    return line


def _parameter(function: ast.FunctionDef | ast.AsyncFunctionDef, default: ast.expr) -> str:
    """The name of the parameter that has this default."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    pairs = [*zip(positional[len(positional) - len(given.defaults) :], given.defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None]
    return next((a.arg for a, d in pairs if d is default), "")


def _of_the_instance(site: Site, node: ast.Assign | ast.AnnAssign, owner: ast.ClassDef) -> Iterator[Edit]:
    """A class attribute that all instances share and change: also set at the top of `__init__`."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Name) or node.value is None or not mutable(node.value):
        return
    code = f"self.{target.id} = {site.text(node.value)}"
    made = next((s for s in owner.body if isinstance(s, Function) and s.name == "__init__"), None)
    if made is not None:
        body = [s for s in made.body if not lines.is_docstring(s)]
        if body:
            inner = Site(site.source, body[0], site.clues, site.expected, site.cache)
            yield from lines.before(inner, body[0], code, "unshare", 1.0)
    else:
        yield from lines.swap_statement(
            site, node, f"def __init__(self):\n\t{code}", "unshare", 0.9, f"give every instance its own `{target.id}`"
        )
