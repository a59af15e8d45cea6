"""Constructs by which code could forge a test's result, counted in a file's syntax tree.

Only what a patch *adds* is held against it (`introduced` compares with base), so honest code that already exits,
evaluates or traces stays no obstacle to healing the lines around it.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

_MODULES = frozenset({
    "pytest", "_pytest", "pluggy", "unittest", "doctest", "nose", "xdist", "atexit", "ctypes", "_ctypes",
    "cffi", "gc", "faulthandler", "importlib", "imp", "runpy", "code", "codeop", "builtins", "__main__",
    "subprocess", "multiprocessing", "pty", "resource", "signal", "_posixsubprocess", "_thread", "bdb", "pdb",
    "sitecustomize", "usercustomize", "mmap", "fcntl", "marshal", "pickle", "dill", "cloudpickle", "trace",
    "tracemalloc", "_testcapi",
})  # fmt: skip
_ATTRIBUTES = frozenset({
    "_exit", "killpg", "forkpty", "vfork", "settrace", "setprofile", "_getframe", "_current_frames",
    "meta_path", "path_hooks", "path_importer_cache", "excepthook", "unraisablehook", "__excepthook__",
    "displayhook", "__subclasses__", "__globals__", "__builtins__", "__import__", "__code__", "__closure__",
    "cell_contents", "f_back", "f_globals", "f_locals", "f_code", "tb_frame", "gi_frame", "cr_frame",
    "currentframe", "posix_spawn", "posix_spawnp", "execv", "execve", "execvp", "execvpe", "execl", "execle",
    "execlp", "spawnl", "spawnv", "dup2", "raise_signal", "pthread_kill", "register_at_fork", "addaudithook",
    "setrecursionlimit", "__mro__", "__bases__",
})  # fmt: skip
_DOTTED = {
    "os": frozenset({
        "kill", "abort", "fork", "system", "popen", "register_at_fork", "putenv", "unsetenv", "write", "close",
        "fdopen",
    }),
    "sys": frozenset({
        "exit", "modules", "audit", "__stdout__", "__stderr__", "path", "setswitchinterval",
    }),
    "inspect": frozenset({
        "stack", "trace", "currentframe", "getouterframes", "getmembers",
    }),
    "threading": frozenset({
        "settrace", "setprofile", "excepthook", "_shutdown", "main_thread", "enumerate",
    }),
}  # fmt: skip
_NAMES = frozenset({
    "exec", "eval", "compile", "__import__", "globals", "locals", "vars", "exit", "quit", "SystemExit",
    "KeyboardInterrupt", "GeneratorExit", "BaseException", "breakpoint", "__builtins__", "__loader__",
    "__spec__",
})  # fmt: skip
_STRINGS = re.compile(
    r"pytest|unittest|conftest|PYTEST_|junit|\b_exit\b|__import__|__eq__|__class__|__builtins__|__globals__|/proc/|"
    r"sys\.modules|atexit|nightshift|ctypes|\.pyc\b"
)
_DYNAMIC = frozenset({
    "getattr", "setattr", "delattr", "type", "__setattr__", "__delattr__",
})  # fmt: skip
_COMPARISONS = frozenset({
    "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__", "__hash__",
})  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef


def introduced(before: ast.Module | None, after: ast.Module) -> list[str]:
    """Suspicious constructs that `after` has more often than `before`, in words."""
    old = Counter(constructs(before)) if before is not None else Counter[str]()
    return sorted((Counter(constructs(after)) - old).keys())


def constructs(module: ast.Module) -> Iterator[str]:
    """Every suspicious construct of a module, once an occurrence."""
    docs, aliases = _docstrings(module), _aliases(module)
    yield from _module_uses(module, aliases)
    for node in ast.walk(module):
        yield from _imports(node)
        yield from _uses(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield from (f"the string {match!r}" for match in sorted(set(_STRINGS.findall(node.value))))
        if isinstance(node, Function | ast.Lambda | ast.Assign | ast.AnnAssign):
            yield from _comparison(node)


def _docstrings(module: ast.Module) -> set[int]:
    owners = (n for n in ast.walk(module) if isinstance(n, ast.Module | ast.ClassDef | Function) and n.body)
    firsts = (owner.body[0] for owner in owners)
    return {id(first.value) for first in firsts if isinstance(first, ast.Expr)}


def _aliases(module: ast.Module) -> dict[str, str]:
    """Names by which the modules of `_DOTTED` go in this file."""
    found = {name: name for name in _DOTTED}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found.update({a.asname: a.name for a in node.names if a.asname and a.name in _DOTTED})
    return found


def _module_uses(module: ast.Module, aliases: dict[str, str]) -> Iterator[str]:
    """Dangerous members of harmless modules, and such a module handed around as a value to reach them by detours."""
    bases = {id(n.value) for n in ast.walk(module) if isinstance(n, ast.Attribute)}
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home = aliases.get(node.value.id, "")
            if node.attr in _DOTTED.get(home, ()):
                yield f"use of {home}.{node.attr}"
        elif isinstance(node, ast.Name) and node.id in aliases and id(node) not in bases and _loads(node):
            yield f"the module {aliases[node.id]} as a value"


def _loads(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        roots = [alias.name.partition(".")[0] for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        roots = [(node.module or "").partition(".")[0]] if not node.level else []
        banned = _ATTRIBUTES | _DOTTED.get(node.module or "", frozenset())
        yield from (f"import of {a.name}" for a in node.names if a.name in banned)
        yield from (f"import of * from {node.module}" for a in node.names if a.name == "*")
    else:
        return
    yield from (f"import of {root}" for root in roots if root in _MODULES)


def _uses(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        if node.attr in _ATTRIBUTES:
            yield f"use of .{node.attr}"
        if node.attr in ("__class__", "__dict__", "__eq__") and isinstance(node.ctx, ast.Store | ast.Del):
            yield f"assignment to .{node.attr}"
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        yield f"use of {node.id}"
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.ExceptHandler) and node.type is None:
        yield "a bare except"
    elif isinstance(node, ast.ClassDef) and any(k.arg == "metaclass" for k in node.keywords):
        yield "a metaclass"


def _calls(node: ast.Call) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name not in _DYNAMIC:
        return
    if name == "type" and len(node.args) < 3:
        return
    literal = len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
    if name != "getattr" or not literal:
        yield f"{name} with a computed target"
    elif str(getattr(node.args[1], "value", "")) in _ATTRIBUTES | _NAMES:
        yield f"getattr of {getattr(node.args[1], 'value', '')}"


def _comparison(node: ast.AST) -> Iterator[str]:
    """Comparison methods that never look at what they are compared with, or are put in place by assignment."""
    if isinstance(node, Function):
        blind = node.name in _COMPARISONS - {"__hash__"} and not _reads_other(node.args, node)
        if blind:
            yield f"a {node.name} that ignores the other side"
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (f"assignment of {t.id}" for t in targets if isinstance(t, ast.Name) and t.id in _COMPARISONS)


def _reads_other(spec: ast.arguments, function: Function) -> bool:
    names = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
    if len(names) < 2:
        return False
    returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None]
    constant = all(isinstance(value, ast.Constant) and value.value for value in returned)
    reads = any(isinstance(n, ast.Name) and n.id == names[1] for n in ast.walk(function))
    return reads and not constant


def same_class(before: ast.Module | None, after: ast.Module | None, name: str) -> bool:
    """Whether a class (by its qualified name's last part) is written in both modules, and in the same way."""
    texts = [
        [ast.dump(n) for n in ast.walk(module) if isinstance(n, ast.ClassDef) and n.name == name.rpartition(".")[2]]
        for module in (before, after) if module is not None
    ]  # fmt: skip
    return len(texts) == 2 and bool(texts[0]) and texts[0] == texts[1]
