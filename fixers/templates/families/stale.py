"""Names a loop reads but never changes, values nobody uses: the forgotten update."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.families.names import uses
from nightshift.fixers.templates.site import Site, local_names, own_nodes
from nightshift.fixers.templates.source import Edit, Function

_CHANGING = (
    "append", "add", "extend", "insert", "pop", "remove", "sort", "update", "clear", "setdefault", "discard",
    "popleft", "appendleft", "push",
)  # fmt: skip
_NUMBER = (("{0} += {1}", 1.0), ("{0} = {1}", 0.9), ("{0} = max({0}, {1})", 0.7), ("{0} = min({0}, {1})", 0.6),
           ("{0} -= {1}", 0.7), ("{0} *= {1}", 0.6), ("{0} //= {1}", 0.35))  # fmt: skip
_LIST = (("{0}.append({1})", 1.0), ("{0}.extend({1})", 0.6), ("{0} += {1}", 0.4))
_SET = (("{0}.add({1})", 1.0), ("{0}.update({1})", 0.5))
_TEXT = (("{0} += {1}", 1.0), ("{0} = {1}", 0.5))
_MOST_VALUES = 7
_COUNTING = re.compile(r"count|number|steps|times|tries|hits|passes")


def edits(site: Site) -> Iterator[Edit]:
    """After a statement of a loop, an update of each name that only looks as if it changed."""
    node = site.node
    if not isinstance(node, ast.stmt) or isinstance(node, (*Function, ast.ClassDef)):
        return
    function, loop = site.source.function(node), site.source.loop(node)
    if function is None or loop is None or lines.is_docstring(node):
        return
    ends = isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break))
    put = lines.before if ends else lines.after
    firsts = _firsts(function, loop)
    arms = list(dict.fromkeys(_in_other_branches(node, site.parent)))
    forgotten = [*stale(site, function, loop)[:4], *((n, firsts[n]) for n in arms[:3] if n in firsts)]
    for place, (name, first) in enumerate(dict(forgotten).items()):
        for rank, value in enumerate(_values(site, function, loop, name)):
            for code, weight in _updates(name, first, value, loop):
                fade = (1 + 0.15 * rank) * (1 + 0.2 * place)
                yield from put(site, node, code, "insert-assignment", 0.45 * weight / fade)
                if not ends and node is loop.body[0]:
                    yield from lines.before(site, node, code, "insert-assignment", 0.45 * weight / fade)


def _in_other_branches(node: ast.stmt, parent: ast.AST | None) -> list[str]:
    """Names every other arm of the condition around a statement changes, and this arm does not."""
    if not isinstance(parent, ast.If) or node not in (*parent.body[-1:], *parent.orelse[-1:]):
        return []
    here = parent.body if node in parent.body else parent.orelse
    there = parent.orelse if here is parent.body else parent.body
    mine = {n for s in here for inner in ast.walk(s) for n in _changes(inner)}
    return [n for s in there for inner in ast.walk(s) for n in _changes(inner) if n and n not in mine]


def stale(site: Site, function: ast.AST, loop: ast.For | ast.AsyncFor | ast.While) -> list[tuple[str, ast.expr | None]]:
    """Names with their first value that the loop (or what follows) reads and the loop never changes: tests first."""
    key = ("stale", loop)
    if key not in site.cache:
        firsts = _firsts(function, loop)
        changed = {n for inner in ast.walk(loop) for n in _changes(inner)}
        inside = {n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        after = {n.id for n in own_nodes(function) if isinstance(n, ast.Name) and n.lineno > (loop.end_lineno or 0)}
        test = {n.id for n in ast.walk(loop.test) if isinstance(n, ast.Name)} if isinstance(loop, ast.While) else set()
        names = [n for n in firsts if n in inside | after and n not in changed]
        known = uses(site)
        whole = {n for n in test if known.get(n, set()) & {"container", "argument of len"}}
        fixed = {n for n in names if firsts[n] is None and (n not in test or n in whole)}
        ranked = sorted((n for n in names if n not in fixed), key=lambda n: n not in test)
        site.cache[key] = [(n, firsts[n]) for n in ranked]
    found: list[tuple[str, ast.expr | None]] = site.cache[key]  # type: ignore[assignment]
    return found


def _firsts(function: ast.AST, loop: ast.stmt) -> dict[str, ast.expr | None]:
    """What names are set to before the loop; None for parameters and for values that are no plain start."""
    given = function.args  # type: ignore[attr-defined]
    firsts: dict[str, ast.expr | None] = {a.arg: None for a in given.args if a.arg not in ("self", "cls")}
    for node in own_nodes(function):
        if isinstance(node, ast.Assign) and node.lineno < loop.lineno:
            for target in node.targets:
                if isinstance(target, ast.Name):
                    plain = isinstance(
                        node.value, (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Call, ast.UnaryOp, ast.Name)
                    )
                    firsts[target.id] = node.value if plain else None
    return firsts


def _changes(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        yield getattr(node.value, "id", "")
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
        yield getattr(node.func.value, "id", "")


def name_changes(function: ast.AST, name: str) -> bool:
    """Whether a function changes the object behind a name, not just the name."""
    return any(name in _changes(n) for n in own_nodes(function) if isinstance(n, (ast.Subscript, ast.Call)))


def unused(function: ast.AST) -> list[str]:
    """Parameters and names set in a function that nothing of it reads but their own updates."""
    read: set[str] = set()
    for statement in ast.walk(function):
        if isinstance(statement, ast.Name) and isinstance(statement.ctx, ast.Load):
            read.add(statement.id)
    read -= _only_of_themselves(function, read)
    given = [a.arg for a in function.args.args] if isinstance(function, Function) else []
    stored = [n.id for n in own_nodes(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return [n for n in dict.fromkeys([*given, *stored]) if n not in read and n not in ("self", "cls") and n[0] != "_"]


def _only_of_themselves(function: ast.AST, names: set[str]) -> set[str]:
    """Names read only to be set anew: `best = max(best, x)`."""
    own: dict[str, int] = {}
    every: dict[str, int] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            every[node.id] = every.get(node.id, 0) + 1
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            reads = [n for n in ast.walk(node.value) if isinstance(n, ast.Name) and n.id == name]
            own[name] = own.get(name, 0) + len(reads)
    return {n for n in names if own.get(n, 0) and own[n] == every.get(n)}


def _values(site: Site, function: ast.AST, loop: ast.For | ast.AsyncFor | ast.While, name: str) -> list[str]:
    idle = unused(function)
    inside = {n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names = [n for n in local_names(site) if n not in ("self", "cls", name)]
    ranked = sorted(names, key=lambda n: (n not in idle, n not in inside))
    found = [*ranked[:_MOST_VALUES], name]
    if _COUNTING.search(name):
        return ["1", *found]
    return [*found, "1"] if idle else [*found[:1], "1", *found[1:]]


def _updates(
    name: str, first: ast.expr | None, value: str, loop: ast.For | ast.AsyncFor | ast.While
) -> Iterator[tuple[str, float]]:
    kind = getattr(getattr(first, "func", None), "id", "")
    if isinstance(first, ast.List) or kind in ("list", "deque"):
        patterns: tuple[tuple[str, float], ...] = _LIST
    elif isinstance(first, ast.Set) or kind == "set":
        patterns = _SET
    elif isinstance(first, ast.Dict) or kind in ("dict", "OrderedDict", "defaultdict", "Counter"):
        yield from _entries(name, value, loop)
        return
    elif isinstance(first, ast.Constant) and isinstance(first.value, str):
        patterns = _TEXT
    else:
        patterns = _NUMBER
    counts = isinstance(first, ast.Constant) and first.value == 0
    for pattern, weight in patterns:
        if counts and pattern == "{0} = {1}":
            weight *= 0.6
        if (value != "1" or patterns is _NUMBER) and (value != name or pattern in ("{0} += {1}", "{0} *= {1}")):
            yield pattern.format(name, value), weight


def _entries(name: str, value: str, loop: ast.For | ast.AsyncFor | ast.While) -> Iterator[tuple[str, float]]:
    """`d[k] = v` and its kin, for keys the loop goes over."""
    inside = [n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    if value == name:
        return
    for rank, key in enumerate(k for k in list(dict.fromkeys(inside))[:4] if k != name):
        fade = 1 + 0.2 * rank
        if value == "1":
            yield f"{name}[{key}] = {name}.get({key}, 0) + 1", 1.0 / fade
        elif value != key:
            yield f"{name}[{key}] = {value}", 0.9 / fade
            yield f"{name}.setdefault({key}, []).append({value})", 0.6 / fade
            yield f"{name}[{key}] = {name}.get({key}, 0) + {value}", 0.6 / fade
