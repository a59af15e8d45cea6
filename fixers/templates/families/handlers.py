"""Exceptions caught or raised that are not the ones meant: the handler's type, the type that is raised."""

from __future__ import annotations

import ast
import builtins
import difflib
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit

_KIN = (
    "ValueError TypeError", "KeyError IndexError LookupError", "KeyError ValueError", "AttributeError TypeError",
    "KeyError AttributeError", "ZeroDivisionError ArithmeticError OverflowError", "IndexError ValueError",
    "FileNotFoundError OSError PermissionError IsADirectoryError", "StopIteration IndexError", "OSError ValueError",
    "UnicodeDecodeError UnicodeError ValueError", "TimeoutError OSError ConnectionError", "RuntimeError ValueError",
    "NotImplementedError TypeError", "ImportError ModuleNotFoundError", "KeyError TypeError",
)  # fmt: skip
_NEAR: dict[str, dict[str, None]] = {}
for _group in _KIN:
    for _name in _group.split():
        _NEAR.setdefault(_name, {}).update(dict.fromkeys(n for n in _group.split() if n != _name))


def edits(site: Site) -> Iterator[Edit]:
    """Another type, one type more, another type raised."""
    node = site.node
    if isinstance(node, ast.Try):
        for handler in node.handlers:
            if handler.type is not None:
                yield from _caught(site, handler.type)
    elif isinstance(node, ast.Raise) and node.exc is not None:
        yield from _raised(site, node.exc)


def _caught(site: Site, kind: ast.expr) -> Iterator[Edit]:
    names = [site.text(e) for e in kind.elts] if isinstance(kind, ast.Tuple) else [site.text(kind)]
    seen = [c.exception.rsplit(".", 1)[-1] for c in site.clues]
    escaped = [n for n in dict.fromkeys(seen) if n not in names and _is_exception(site, n)]
    inner = ", ".join(names)
    for name in escaped:
        if len(names) == 1:
            yield from site.replace(name, "handler", 1.0, node=kind)
        yield from site.replace(f"({inner}, {name})", "handler", 0.95, node=kind)
    for name in [n for old in names for n in _NEAR.get(old, ())][:6]:
        if name not in names and name not in escaped and len(names) == 1:
            yield from site.replace(name, "handler", 0.35, node=kind)


def _raised(site: Site, node: ast.expr) -> Iterator[Edit]:
    called = node.func if isinstance(node, ast.Call) else node
    if not isinstance(called, ast.Name):
        return
    own = _own_exceptions(site)
    near = [*_NEAR.get(called.id, ()), *sorted(own, key=lambda n: -difflib.SequenceMatcher(None, n, called.id).ratio())]
    for rank, name in enumerate([n for n in dict.fromkeys(near) if n != called.id][:8]):
        yield from site.replace(name, "handler", 0.4 / (1 + 0.1 * rank), node=called)


def _own_exceptions(site: Site) -> list[str]:
    """Exceptions this file defines or imports, by the look of their names."""
    found: list[str] = []
    for node in site.source.tree.body:
        if isinstance(node, ast.ClassDef) and (node.bases or node.name.endswith(("Error", "Exception"))):
            found.append(node.name)
        elif isinstance(node, ast.ImportFrom):
            names = [a.asname or a.name for a in node.names]
            found += [n for n in names if n.endswith(("Error", "Exception", "Refused", "Denied", "NotFound", "Failed"))]
    return found


def _is_exception(site: Site, name: str) -> bool:
    kind = getattr(builtins, name, None)
    return (isinstance(kind, type) and issubclass(kind, Exception)) or name in _own_exceptions(site)
