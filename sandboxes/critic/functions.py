"""Which functions a field of patches changes: read from syntax trees on the host, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Patch

Def = ast.FunctionDef | ast.AsyncFunctionDef
_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function of base, known by its place. `line` is that of its first decorator; `nested` ones can't be reached by
    name."""

    path: str
    name: str
    line: int
    nested: bool
    node: Def = field(compare=False)

    @property
    def private(self) -> bool:
        """Whether its name says that only its module calls it."""
        return any(part.startswith("_") and not part.endswith("__") for part in self.name.split("."))


@dataclass(frozen=True, kw_only=True)
class Version:
    """One patch as files: `overlay` maps each changed path to its new content, None where it is gone."""

    patch: Patch
    overlay: Mapping[str, bytes | None]


def version_of(repo: BareRepo, base: str, patch: Patch) -> Version:
    """What a patch makes of its files. Raises GitError when it does not apply."""
    tree = repo.apply(base, patch.diff)
    names = repo.out("diff", "--name-only", "-z", "--no-renames", base, tree, "--").split(b"\0")
    paths = [name.decode("utf-8", "surrogateescape") for name in names if name]
    return Version(patch=patch, overlay={path: repo.read(tree, path) for path in paths})


def parsed(source: bytes | None) -> ast.Module | None:
    """The syntax tree, or None where there is none to be had."""
    if source is None or len(source) > _BYTES:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def functions_of(path: str, module: ast.Module) -> list[Function]:
    """Every function of a module, by qualified name; none of one that is nested too deeply."""
    try:
        return list(_walk(path, module.body, "", False))
    except RecursionError:
        return []


def _walk(path: str, body: Sequence[ast.stmt], prefix: str, nested: bool) -> Iterator[Function]:
    for node in body:
        if isinstance(node, Def):
            line = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            yield Function(path=path, name=prefix + node.name, line=line, nested=nested, node=node)
            yield from _walk(path, node.body, f"{prefix}{node.name}.<locals>.", True)
        elif isinstance(node, ast.ClassDef):
            yield from _walk(path, node.body, f"{prefix}{node.name}.", nested)
        else:
            for part in ("body", "orelse", "finalbody"):
                yield from _walk(path, getattr(node, part, None) or [], prefix, nested)


def changed(path: str, before: ast.Module, after: ast.Module | None) -> list[Function]:
    """Functions of base whose source differs afterwards; where only something outside of functions does, those that
    use its names, and if none does, all of them."""
    old = functions_of(path, before)
    if after is None:
        return old
    new = {function.name: _text(function.node, ast.dump) for function in functions_of(path, after)}
    found = [function for function in old if new.get(function.name, "") != _text(function.node, ast.dump)]
    names = _loose(before) ^ _loose(after)
    touched = {name for text in names for name in _names(text)}
    users = [f for f in old if f not in found and touched & _used(f.node)]
    return [*found, *users] or (old if names else [])


def _loose(module: ast.Module) -> set[str]:
    """The statements outside of functions, as text."""
    found: set[str] = set()
    stack: list[ast.stmt] = list(module.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.ClassDef):
            stack += node.body
        elif not isinstance(node, Def):
            found.add(_text(node, ast.unparse))
    return found


def _text(node: ast.AST, written: Callable[[ast.AST], str]) -> str:
    """A node as text; one that is nested too deeply for that equals no other one."""
    try:
        return written(node)
    except RecursionError:
        return f"deep = {id(node)}"


def _names(text: str) -> set[str]:
    nodes = ast.walk(ast.parse(text))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _used(node: ast.AST) -> set[str]:
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return names | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}


def callers(functions: Collection[Function], of: Collection[Function]) -> list[Function]:
    """Those that mention one of `of` by its last name and are none of them."""
    names = {function.name.rpartition(".")[2] for function in of} - {"__init__"}
    return [f for f in functions if f not in of and names & _used(f.node)]
