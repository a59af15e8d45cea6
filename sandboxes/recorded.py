"""Rebuilding a call from a frame's recorded locals: only from values whose repr says everything there is to say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nightshift.daemon.kit.redact import MASK
from nightshift.daemon.model import Frame

Function = ast.FunctionDef | ast.AsyncFunctionDef
_CUT = re.compile(r"\.\.\.|…|\[Filtered\]|\*{4,}|<[^<>]*(?:redacted|truncated|removed)[^<>]*>", re.IGNORECASE)
_VALUE_CHARS = 20_000
_MUTATORS = frozenset({
    "append", "appendleft", "extend", "insert", "remove", "pop", "popleft", "popitem", "clear", "update",
    "setdefault", "sort", "reverse", "add", "discard",
})  # fmt: skip
_CONSTRUCTORS = {
    "Decimal": "decimal", "Fraction": "fractions", "UUID": "uuid", "OrderedDict": "collections", "deque": "collections",
    "datetime.datetime": "datetime", "datetime.date": "datetime", "datetime.timedelta": "datetime",
    "datetime.time": "datetime", "datetime.timezone.utc": "datetime", "PosixPath": "pathlib", "frozenset": "",
    "set": "", "bytearray": "", "range": "", "complex": "",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function of a module and the source of its arguments. `owner` is its class, built by `instance`."""

    function: str
    arguments: str
    owner: str = ""
    instance: str = ""
    kind: str = "plain"
    imports: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def lines(self, module: str) -> list[str]:
        """Statements that import what is needed and make the call."""
        first = self.owner or self.function
        wanted = sorted({first, *self.names})
        target = f"{self.instance}.{self.function}" if self.instance else self.function
        call = f"{target}({self.arguments})"
        imports = [*self.imports, f"from {module} import {', '.join(wanted)}"]
        return [*imports, "", *_driven(self.kind, call)]


def _driven(kind: str, call: str) -> list[str]:
    if kind == "async":
        return ["import asyncio", "", f"asyncio.run({call})"]
    if kind == "generator":
        return [f"for _ in {call}:", "    pass"]
    return [call]


def call_of(frame: Frame, module: ast.Module) -> Call | str:
    """The recorded call of a frame, or the reason why it can't be rebuilt."""
    found = _function_at(module, frame)
    if found is None:
        return f"{frame.function} is no function that can be called from outside"
    function, owner = found
    values = dict(frame.locals)
    names = _parameters(function)
    bound = _takes_instance(function, owner)
    receiver = names.pop(0) if bound and names else ""
    overwritten = sorted(_overwritten(function, {*names, receiver} - {""}))
    if overwritten:
        return f"{frame.function} changes {overwritten[0]} before it crashes, so its value on entry is not known"
    reader = _Reader(module)
    arguments = _arguments(function, names, values, reader)
    if arguments is None:
        return reader.reason or f"the log does not carry the arguments of {frame.function}"
    instance = _instance(function, owner, receiver, values, reader)
    if owner is not None and not instance:
        return reader.reason or f"the {owner.name} that {frame.function} was called on can't be rebuilt from its repr"
    return Call(
        function=function.name, arguments=arguments, owner=owner.name if owner else "", instance=instance,
        kind=_kind(function), imports=tuple(sorted(reader.imports)), names=tuple(sorted(reader.names)),
    )  # fmt: skip


def _function_at(module: ast.Module, frame: Frame) -> tuple[Function, ast.ClassDef | None] | None:
    """The top-level function, or method of a top-level class, that the frame's line lies in."""
    for node in module.body:
        for owner, function in _callables(node):
            inside = function.lineno <= frame.line <= (function.end_lineno or function.lineno)
            if inside and function.name == frame.function and not _nested_at(function, frame):
                return function, owner
    return None


def _callables(node: ast.stmt) -> Iterator[tuple[ast.ClassDef | None, Function]]:
    if isinstance(node, Function):
        yield None, node
    if isinstance(node, ast.ClassDef):
        for child in node.body:
            if isinstance(child, Function):
                yield node, child


def _nested_at(function: Function, frame: Frame) -> bool:
    inner = (n for n in ast.walk(function) if isinstance(n, Function) and n is not function)
    return any(n.name == frame.function and n.lineno <= frame.line <= (n.end_lineno or 0) for n in inner)


def _parameters(function: Function) -> list[str]:
    spec = function.args
    return [arg.arg for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]


def _decorators(function: Function) -> set[str]:
    return {ast.unparse(d.func if isinstance(d, ast.Call) else d).rpartition(".")[2] for d in function.decorator_list}


def _takes_instance(function: Function, owner: ast.ClassDef | None) -> bool:
    return owner is not None and "staticmethod" not in _decorators(function)


def _kind(function: Function) -> str:
    yields = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(function))
    if isinstance(function, ast.AsyncFunctionDef):
        return "async"
    return "generator" if yields else "plain"


def _overwritten(function: Function, names: set[str]) -> set[str]:
    """Parameters that the function binds anew, deletes or visibly changes in place."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            found |= _root_name(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
            found |= _root_name(node.func)
    return found & names


def _root_name(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _arguments(function: Function, names: list[str], values: dict[str, str], reader: _Reader) -> str | None:
    spec, parts = function.args, []
    positional = {arg.arg for arg in spec.posonlyargs} | ({a.arg for a in spec.args} if spec.vararg else set())
    for name in names:
        text = reader.read(name, values.get(name))
        if text is None:
            return None
        parts.append(text if name in positional else f"{name}={text}")
    for star, arg in (("*", spec.vararg), ("**", spec.kwarg)):
        if arg is not None:
            text = reader.read(arg.arg, values.get(arg.arg))
            if text is None:
                return None
            at = next((i for i, part in enumerate(parts) if "=" in part and part.split("=")[0] in names), len(parts))
            parts.insert(at if star == "*" else len(parts), f"{star}{text}")
    return ", ".join(parts)


def _instance(
    function: Function, owner: ast.ClassDef | None, receiver: str, values: dict[str, str], reader: _Reader
) -> str:
    """Source of what the method is called on, or ''."""
    if owner is None:
        return ""
    if not receiver or "classmethod" in _decorators(function):
        return owner.name
    if "property" in _decorators(function):
        return ""
    if _stateless(owner):
        return f"{owner.name}()"
    text = values.get(receiver, "")
    return reader.read(receiver, text) or "" if text.startswith(f"{owner.name}(") else ""


def _stateless(owner: ast.ClassDef) -> bool:
    """A class without bases, decorators, attributes and `self.x = …`: every instance is like any other."""
    if owner.bases or owner.keywords or owner.decorator_list:
        return False
    if any(not isinstance(n, Function | ast.Expr | ast.Pass) for n in owner.body):
        return False
    stores = (n for n in ast.walk(owner) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))
    return not any(_root_name(n) for n in stores) and not any(
        isinstance(n, Function) and n.name in ("__init__", "__new__") for n in owner.body
    )


class _Reader:
    """Turns recorded reprs back into source, and remembers what that source needs imported."""

    def __init__(self, module: ast.Module) -> None:
        self.reason = ""
        self.imports: set[str] = set()
        self.names: set[str] = set()
        self._dataclasses = {n.name for n in module.body if isinstance(n, ast.ClassDef) and _is_dataclass(n)}

    def read(self, name: str, text: str | None) -> str | None:
        """Source that rebuilds the value, or None with `reason` set."""
        if text is None:
            self.reason = f"the log does not carry the value of {name}"
        elif MASK in text or _CUT.search(text) or len(text) > _VALUE_CHARS:
            self.reason = f"the recorded value of {name} is cut or masked"
        else:
            try:
                tree = ast.parse(text.strip(), mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                tree = None
            if tree is not None and self._whole(tree):
                return ast.unparse(tree)
            self.reason = f"the recorded value of {name} can't be rebuilt from its repr"
        return None

    def _whole(self, node: ast.expr) -> bool:
        """Whether an expression is a literal, or a constructor call of a type whose repr is its source."""
        if isinstance(node, ast.Call):
            return self._constructor(node)
        if isinstance(node, ast.Constant):
            return node.value is not Ellipsis
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return all(self._whole(item) for item in node.elts)
        if isinstance(node, ast.Dict):
            return all(key is not None and self._whole(key) for key in node.keys) and all(map(self._whole, node.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            return isinstance(node.operand, ast.Constant)
        return ast.unparse(node) == "datetime.timezone.utc" and self._needs("import datetime")

    def _constructor(self, node: ast.Call) -> bool:
        name = ast.unparse(node.func)
        if not all(map(self._whole, node.args)) or not all(k.arg and self._whole(k.value) for k in node.keywords):
            return False
        if name in self._dataclasses and not node.args:
            self.names.add(name)
            return True
        home = _CONSTRUCTORS.get(name)
        if home is None:
            return False
        return self._needs(f"import {home}" if "." in name else f"from {home} import {name}" if home else "")

    def _needs(self, line: str) -> bool:
        if line:
            self.imports.add(line)
        return True


def _is_dataclass(node: ast.ClassDef) -> bool:
    names = {ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list}
    custom = any(isinstance(n, Function) and n.name in ("__repr__", "__init__", "__post_init__") for n in node.body)
    hidden = any(isinstance(n, ast.keyword) and n.arg in ("init", "repr") for n in ast.walk(node))
    return bool(names & {"dataclass", "dataclasses.dataclass"}) and not custom and not hidden
