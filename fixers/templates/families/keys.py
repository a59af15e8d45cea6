"""The wrong key of a record: keys that stand beside it where such records are written, unread ones first."""

from __future__ import annotations

import ast
import doctest
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site, around, own_nodes
from nightshift.fixers.templates.source import Edit, Function

TEMPLATE = "constant"
_BESIDE, _MOST = 0.75, 12
_LONGEST = 40


def edits(site: Site) -> Iterator[Edit]:
    """`x['b']` for `x['a']` and `x.get('b')` for `x.get('a')`, f-strings included; quotes stay as they are."""
    node = site.node
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not _is_key(site):
        return
    beside, anywhere = _keys(site)
    read = _read_here(site)
    near = dict.fromkeys(k for group in beside if node.value in group for k in group)
    weights = {k: _BESIDE * (1.0 if k not in read else 0.65) for k in near}
    for rank, key in enumerate(dict.fromkeys([*anywhere, *site.words])):
        if len(weights) < 2 * _MOST and key.isprintable():
            weights.setdefault(key, (0.45 if key in anywhere else 0.25) / (1 + 0.05 * rank))
    quote = site.text()[:1]
    for key, weight in sorted(weights.items(), key=lambda k: -k[1])[:_MOST]:
        if key != node.value and quote in "'\"" and not {quote, "\\"} & set(key):
            yield from site.replace(f"{quote}{key}{quote}", TEMPLATE, weight)


def _is_key(site: Site) -> bool:
    parent = site.parent
    if isinstance(parent, ast.Subscript):
        return site.place == "slice"
    called = isinstance(parent, ast.Call) and site.place == "args" and parent.args[0] is site.node
    return called and getattr(parent.func, "attr", "") in ("get", "pop", "setdefault")  # type: ignore[union-attr]


def _read_here(site: Site) -> set[str]:
    """Keys that the function reads already."""
    found = (n.slice for n in own_nodes(around(site)) if isinstance(n, ast.Subscript))
    return {n.value for n in found if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _keys(site: Site) -> tuple[list[set[str]], list[str]]:
    """Keys by the display they stand in together, and all keys of the file, subscripts first."""
    if "record keys" not in site.cache:
        trees = [site.source.tree, *_examples(site.source.tree)]
        nodes = [n for tree in trees for n in ast.walk(tree)]
        displays = [dict.fromkeys(_texts(n.keys)) for n in nodes if isinstance(n, ast.Dict)]
        subscripts = list(_texts([n.slice for n in nodes if isinstance(n, ast.Subscript)]))
        every = dict.fromkeys([*subscripts, *(k for display in displays for k in display)])
        site.cache["record keys"] = ([set(d) for d in displays if 1 < len(d) <= _LONGEST], list(every))
    found: tuple[list[set[str]], list[str]] = site.cache["record keys"]  # type: ignore[assignment]
    return found


def _texts(nodes: list[ast.expr | None] | list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) <= _LONGEST:
            yield node.value


def _examples(tree: ast.Module) -> Iterator[ast.Module]:
    """The statements of docstring examples that parse."""
    for holder in ast.walk(tree):
        text = (ast.get_docstring(holder) or "") if isinstance(holder, (*Function, ast.ClassDef, ast.Module)) else ""
        try:
            sources = (
                [example.source for example in doctest.DocTestParser().get_examples(text)] if ">>>" in text else []
            )
        except ValueError:
            continue
        for source in sources:
            try:
                yield ast.parse(source)
            except (SyntaxError, ValueError):
                continue
