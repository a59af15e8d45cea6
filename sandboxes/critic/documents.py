"""Docstring examples of base: what authors wrote down as right, of the changed functions and of their callers."""

from __future__ import annotations

import ast
import doctest
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from nightshift.sandboxes.critic.functions import Def, Function


@dataclass(frozen=True, kw_only=True)
class Document:
    """A docstring with examples. `changed`: it belongs to a function (or its class) that some patch changes."""

    path: str
    owner: str
    text: str
    changed: bool

    def examples(self) -> list[doctest.Example]:
        """Its examples in order; none where doctest can't read it."""
        try:
            return doctest.DocTestParser().get_examples(self.text)
        except ValueError:
            return []


def documents(path: str, module: ast.Module, changed: Collection[str], near: Collection[str]) -> Iterator[Document]:
    """Docstrings with examples of the changed functions, of those in `near`, their classes and the module."""
    wanted = {*changed, *near}
    yield from _document(path, module, "", False)
    for name, node in _named(module.body, ""):
        owns = isinstance(node, ast.ClassDef) and any(each.startswith(f"{name}.") for each in wanted)
        if name in wanted or owns:
            yield from _document(path, node, name, name in changed or any(c.startswith(f"{name}.") for c in changed))


def _document(path: str, node: ast.Module | ast.ClassDef | Def, owner: str, changed: bool) -> Iterator[Document]:
    text = ast.get_docstring(node) or ""
    if ">>>" in text and len(text) < 20_000:
        yield Document(path=path, owner=owner, text=text, changed=changed)


def _named(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.ClassDef | Def]]:
    for node in body:
        if isinstance(node, ast.ClassDef | Def):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _named(node.body, f"{prefix}{node.name}.")


def names(functions: Collection[Function]) -> set[str]:
    """Qualified names."""
    return {function.name for function in functions}
