"""What candidates leave behind in module globals is put back between them, so that one can't spoil the next.

Rebound names of modules and classes, and contents of plain containers reachable from them, three levels deep, defaults
of parameters among them. What this misses, the check at the end of each batch notices.
"""

from __future__ import annotations

import collections
from typing import Any

_PLAIN = (dict, list, set, collections.OrderedDict, collections.defaultdict, collections.Counter, collections.deque)
_MOST = 5000


class State:
    """A shallow picture of many namespaces and containers."""

    def __init__(self, modules: list[Any]) -> None:
        self.namespaces: list[Any] = []
        self.containers: list[Any] = []
        self._seen: set[int] = set()
        for module in modules:
            self._namespace(module, module.__name__)

    def _namespace(self, holder: Any, module: str) -> None:
        values = {k: v for k, v in vars(holder).items() if not k.startswith("__")}
        self.namespaces.append((holder, values))
        for value in values.values():
            if isinstance(value, type) and value.__module__ == module and id(value) not in self._seen:
                self._seen.add(id(value))
                self._namespace(value, module)
            else:
                self._container(value, 3)
                for default in _defaults(value):
                    self._container(default, 1)

    def _container(self, value: Any, depth: int) -> None:
        if type(value) not in _PLAIN or id(value) in self._seen or len(self.containers) > _MOST or len(value) > _MOST:
            return
        self._seen.add(id(value))
        pairs = isinstance(value, dict)
        copy = list(value.items()) if pairs else list(value)
        self.containers.append((value, copy, pairs))
        if depth:
            for inner in value.values() if pairs else value:
                self._container(inner, depth - 1)

    def restore(self) -> None:
        """Put everything back that changed."""
        for holder, values in self.namespaces:
            now = vars(holder)
            for name, value in values.items():
                if now.get(name, self) is not value:
                    setattr(holder, name, value)
            if len(now) != len(values):
                for name in [n for n in now if n not in values and not n.startswith("__")]:
                    delattr(holder, name)
        for value, copy, pairs in self.containers:
            if not _same(value, copy, pairs):
                value.clear()
                value.update(copy) if hasattr(value, "update") else value.extend(copy)


def _defaults(function: Any) -> list[Any]:
    """Default values of a function's parameters, which live as long as the function does."""
    given = getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)
    positional, named = (g if isinstance(g, kind) else kind() for g, kind in zip(given, (tuple, dict)))
    return [*positional, *named.values()]


def _same(value: Any, copy: list[Any], pairs: bool) -> bool:
    if len(value) != len(copy):
        return False
    if pairs:
        return all(k1 is k2 and v1 is v2 for (k1, v1), (k2, v2) in zip(value.items(), copy))
    return all(a is b for a, b in zip(value, copy))
