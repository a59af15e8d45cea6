"""Two looks at a pytest session from inside: was the machinery of testing changed, and does something equal anything?

Executed in the namespace of `pytest_boot`, before any code under test is imported.
"""

from __future__ import annotations

import os
import sys
import types
from typing import Any

_WATCHED = ("_pytest", "pytest", "pluggy", "unittest", "builtins")
_HOT = {
    "_pytest.runner", "_pytest.reports", "_pytest.python", "_pytest.unittest", "_pytest.skipping", "_pytest.nodes",
    "unittest.case", "pluggy._callers", "pluggy._hooks", "pluggy._manager",
}  # fmt: skip
_CODE = (types.FunctionType, type, classmethod, staticmethod, property, types.BuiltinFunctionType)


class Integrity:
    """Remembers what the modules of the test machinery are made of; tells what was replaced by code of the tree."""

    def __init__(self, root: str) -> None:
        import unittest.case  # noqa: F401 - so that it is remembered before anybody could change it

        import _pytest.unittest  # noqa: F401

        self.root, self.modules, self.list, self.type = root, sys.modules, list, type
        self.known = [
            (name, module, self._parts(name, module))
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] in _WATCHED
        ]
        self.hot = [row for row in self.known if row[0] in _HOT]

    def _parts(self, name: str, module: Any) -> list[Any]:
        owners = [module] + [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name]
        return [(owner, {k: v for k, v in vars(owner).items() if isinstance(v, _CODE)}) for owner in owners]

    def broken(self) -> list[Any]:
        """[path, name] of everything that was replaced; path '?' where it can't be told by what."""
        return self._compare(self.known)

    def broken_hot(self) -> list[Any]:
        """The same for the few modules through which every single test goes."""
        return self._compare(self.hot)

    def _compare(self, rows: list[Any]) -> list[Any]:
        found = []
        for name, module, parts in rows:
            if self.modules.get(name) is not module:
                found.append(["?", name])
            for owner, members in parts:
                now = vars(owner)
                for key, old in members.items():
                    if now.get(key) is not old:
                        path = origin(now.get(key), self.root)
                        if path and (path != "?" or name != "builtins"):
                            found.append([path, f"{name}.{key}"])
        return found


def origin(value: Any, root: str) -> str:
    """The file of the tree that a callable comes from, relative; '' when from elsewhere, '?' when nobody can say."""
    for _ in range(10):
        code = getattr(value, "__code__", None)
        if isinstance(code, types.CodeType):
            return _inside(code.co_filename, root)
        if isinstance(value, type):
            return _inside(str(getattr(sys.modules.get(value.__module__), "__file__", "") or ""), root)
        inner = [getattr(value, name, None) for name in ("__func__", "__wrapped__", "func", "fget")]
        value = next((each for each in inner if each is not None), None)
        if value is None:
            return "?"
    return "?"


def _inside(path: str, root: str) -> str:
    if path.startswith("<"):
        return path
    if path and not path.startswith("/"):
        path = os.path.abspath(path)
    return path[len(root) :] if path.startswith(root) else ""


class _Stranger:
    """Equal to nothing in the world but itself."""


_STRANGERS = (_Stranger(), 0x5EED0001, "a stranger", 5.0625e9, (0x5EED0002,), ["a stranger"], {"a": "stranger"})
_BUILTINS = (int, float, str, bytes, tuple, list, dict, set, frozenset)


def equal_to_anything(root: str) -> list[Any]:
    """Classes of the tree whose bare instances say they equal a stranger: [path, qualified name] pairs."""
    found: list[Any] = []
    todo: list[Any] = [object]
    seen: set[Any] = set()
    while todo:
        parent = todo.pop()
        for child in type.__subclasses__(parent) if parent is not type else ():
            if id(child) not in seen:
                seen.add(id(child))
                todo.append(child)
                if "__eq__" in child.__dict__ and type not in child.__mro__:
                    found.extend(_suspicious(child, root))
    return found


def _suspicious(cls: Any, root: str) -> list[Any]:
    if cls.__eq__ is object.__eq__ or issubclass(cls, BaseException):
        return []
    path = origin(cls.__eq__, root) or origin(cls, root)
    if not path or (path == "?" and not origin(cls, root)):
        return []
    base: Any = next((kind for kind in _BUILTINS if issubclass(cls, kind)), object)
    try:
        bare = base.__new__(cls)
        fooled = any(bool(bare == stranger) for stranger in _STRANGERS)
    except Exception:  # noqa: BLE001 - code under test; what can't be compared at all does not fool anybody
        return []
    return [[path, cls.__qualname__]] if fooled else []
