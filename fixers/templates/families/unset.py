"""A name that is read but never set: the line that set it, remade from what stands around."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.families.mirrored import mirrored
from nightshift.fixers.templates.families.stale import name_changes, unused
from nightshift.fixers.templates.site import Clue, Site, local_names, own_nodes
from nightshift.fixers.templates.source import Edit

_QUOTED = re.compile(r"'([^']*)'")
_MADE = (
    "len({0})", "{0}[0]", "list({0})", "sorted({0})", "[0] * len({0})", "[0] * {0}", "[0] * ({0} + 1)", "{0} - 1",
    "{0} + 1", "set({0})", "dict({0})", "{0}.copy()", "str({0})", "{0}.split()", "{0} // 2", "sum({0})", "max({0})",
    "abs({0})", "[1] + [0] * {0}", "{0}[-1]", "int({0})",
)  # fmt: skip


def unset_name(site: Site, clue: Clue) -> Iterator[Edit]:
    """Before the statement that failed, and at the top of the function: `name = …` made of the names there are."""
    node = site.node
    wanted = (_QUOTED.findall(clue.message) or [""])[0]
    function = site.source.function(node)
    if not wanted or not wanted.isidentifier() or function is None or not isinstance(node, ast.stmt):
        return
    if not any(isinstance(n, ast.Name) and n.id == wanted for n in ast.walk(node)):
        return
    idle = unused(function)
    names = [n for n in local_names(site) if n not in ("self", "cls", wanted)]
    ranked = sorted(names, key=lambda n: n not in idle)[:7]
    loop = site.source.loop(node)
    kept = loop is not None and _outlives(function, wanted, loop)
    first = loop if kept else node
    for place in _places(site, node, function):
        inner = Site(site.source, place, site.clues, site.expected, site.cache)
        share = 1.0 if place is first else 0.8
        for rank, value in enumerate(_values(site, function, wanted, ranked)):
            yield from lines.before(inner, place, f"{wanted} = {value}", "name", share * 0.85 / (1 + 0.02 * rank))


def _places(site: Site, node: ast.stmt, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    loop = site.source.loop(node)
    first = next((s for s in function.body if not lines.is_docstring(s)), node)
    return list(dict.fromkeys(p for p in (node, loop, first) if p is not None))


def _outlives(function: ast.AST, name: str, loop: ast.stmt) -> bool:
    """Whether what a name holds is changed in a loop and read after it."""
    return any(
        isinstance(n, ast.Name) and n.id == name and n.lineno > (loop.end_lineno or loop.lineno)
        for n in own_nodes(function)
    )


def _values(site: Site, function: ast.AST, wanted: str, names: list[str]) -> list[str]:
    """Mirror images of what other names are set to, then steps between names."""
    known = {*names, wanted}
    values: list[str] = []
    for node in own_nodes(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = site.text(node)
            values += [m.partition(" = ")[2] for m in mirrored(text, known) if m.startswith(f"{wanted} = ")]
            values += _permuted(site, node.value)
    changed = name_changes(function, wanted)
    for name in names:
        copies = [f"list({name})", f"dict({name})"] if changed else []
        values += [*copies, name, *(made.format(name) for made in _MADE)]
    for a in names[:5]:
        values += [f"{a} {symbol} {b}" for b in names[:5] if a != b for symbol in ("+", "-", "*", "//", "/")]
    return list(dict.fromkeys(v for v in values if v))[:220]


def _permuted(site: Site, value: ast.expr) -> list[str]:
    """A call with two of its plain arguments exchanged, and as it is."""
    if not isinstance(value, ast.Call) or value.keywords or len(value.args) < 2:
        return []
    texts = [site.text(a) for a in value.args]
    made = [texts]
    for left in range(len(texts)):
        for right in range(left + 1, len(texts)):
            other = list(texts)
            other[left], other[right] = other[right], other[left]
            made.append(other)
            made += [[*other[right:], *other[:right]]] if len(texts) > 2 else []
    return [f"{site.text(value.func)}({', '.join(m)})" for m in made]
