"""Functions that ran while modules were imported: no test runs their lines, yet what they built may be what is wrong.

Decorators of suspicious functions, and functions called at module level that touch a name which suspicious lines read
(a table that is filled, a registry). Their candidates only show when the module is imported anew.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence

from nightshift.fixers.templates.source import Function, Source, first_line

_SHARE = 0.6
_BUILTIN = frozenset(dir(builtins))


def at_import(source: Source, lines: Mapping[int, float]) -> dict[int, float]:
    """Suspicion of lines of such functions, given that of the file's lines; lines that tests ran are left out."""
    functions = {n.name: n for n in ast.walk(source.tree) if isinstance(n, Function) and source.function(n) is None}
    suspects = [f for f in functions.values() if any(n in lines for n in _range(f))]
    if not suspects:
        return {}
    best = _SHARE * max(lines.values())
    named = {name for function in suspects for name in _names(function)}
    found: dict[int, float] = {}
    for name in _called(source.tree, functions):
        function = functions[name]
        if function in suspects or not (name in _decorators(suspects) or named & _names(function)):
            continue
        found.update(dict.fromkeys(_body(function), best))
    return found


def _range(node: ast.stmt) -> range:
    return range(first_line(node), (node.end_lineno or node.lineno) + 1)


def _body(function: ast.stmt) -> Iterator[int]:
    body: list[ast.stmt] = function.body  # type: ignore[attr-defined]
    yield from range(body[0].lineno, (function.end_lineno or function.lineno) + 1)


def _names(function: ast.AST) -> set[str]:
    """Names that a function reads and does not bind itself."""
    used = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    bound = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    arguments = {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}
    return {name for name in used - bound - arguments if name not in _BUILTIN and len(name) > 1}


def _decorators(functions: Sequence[ast.stmt]) -> set[str]:
    found = [d.func if isinstance(d, ast.Call) else d for f in functions for d in f.decorator_list]  # type: ignore[attr-defined]
    return {d.id for d in found if isinstance(d, ast.Name)}


def _called(tree: ast.Module, functions: Mapping[str, ast.stmt]) -> list[str]:
    """Functions called at module level or in class bodies, and those that they call."""
    found: dict[str, None] = {}
    waiting = [name for statement in tree.body for name in _calls(statement)]
    while waiting:
        name = waiting.pop()
        if name in functions and name not in found:
            found[name] = None
            waiting += [n.func.id for n in ast.walk(functions[name])
                        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]  # fmt: skip
    return list(found)


def _calls(node: ast.AST) -> Iterator[str]:
    """Names called when a statement is executed; bodies of functions are not, their decorators are."""
    if isinstance(node, Function):
        for decorator in node.decorator_list:
            yield from _calls(decorator)
            if isinstance(decorator, ast.Name):
                yield decorator.id
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield node.func.id
    for child in ast.iter_child_nodes(node):
        yield from _calls(child)
