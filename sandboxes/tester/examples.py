"""Docstring examples that the check runs are existing tests, and the code around them is not.

With ``--doctest-modules`` pytest reports tests that lie in the very files that have to be healed; a patch may change
those files as long as every example stays what it is and is still found.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

Owner = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_HIDING = ("__doc__", "__test__")


def written_in(path: str, tests: Collection[str], source: bytes | None) -> bool:
    """Whether all tests of a Python file that the check reported are docstring examples: pytest names those after the
    module, with dots; a test function has none in its name."""
    module = _parsed(source)
    if not path.endswith(".py") or module is None:
        return False
    place = PurePosixPath(path)
    stem = place.parent.name if place.name == "__init__.py" else place.stem
    functions = {name for name, node in _owners(module, "") if not isinstance(node, ast.ClassDef)}
    found = [test.partition("::")[2] for test in tests if test.partition("::")[0] == path]
    return bool(found) and all(_is_example(name, stem) and name not in functions for name in found)


def lost(before: bytes | None, after: bytes | None) -> str:
    """The owner of a docstring with examples that is not what it was, or can no longer be found; '' when there is none.
    The module itself is 'the module'."""
    old, new = _parsed(before), _parsed(after)
    if old is None:
        return ""
    written = _examples(old)
    owners = {name for name, _ in written}
    gone = written - (_examples(new) if new is not None else Counter())
    if gone or new is None or not owners:
        return next(iter(gone), ("", ""))[0]
    twice = _names(new, owners) - _names(old, owners)  # the later definition hides the earlier one's examples
    return next(iter(twice), "") or ("the module" if _hiding(new) > _hiding(old) else "")


def _is_example(name: str, stem: str) -> bool:
    return "::" not in name and stem in name.split(".")


def _parsed(source: bytes | None) -> ast.Module | None:
    try:
        return ast.parse(source) if source is not None else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _examples(module: ast.Module) -> Counter[tuple[str, str]]:
    texts = [(name, ast.get_docstring(node, clean=False) or "") for name, node in _owners(module, "")]
    return Counter((name or "the module", text) for name, text in texts if ">>>" in text)


def _names(module: ast.Module, owners: Collection[str]) -> Counter[str]:
    return Counter(name for name, _ in _owners(module, "") if name in owners)


def _owners(node: ast.AST, name: str) -> Iterator[tuple[str, Owner]]:
    """Everything below a node that can have a docstring, by qualified name."""
    if isinstance(node, Owner):
        name = f"{name}.{node.name}".lstrip(".") if not isinstance(node, ast.Module) else ""
        yield name, node
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, ast.expr):  # none has a docstring, and they may be nested very deep
            yield from _owners(inner, name)


def _hiding(module: ast.Module) -> int:
    """How often a module names what decides where examples are looked for."""
    named = (getattr(node, "attr", None) or getattr(node, "id", None) for node in ast.walk(module))
    told = (node.value for node in ast.walk(module) if isinstance(node, ast.Constant))
    return sum(name in _HIDING for name in (*named, *told) if isinstance(name, str))
