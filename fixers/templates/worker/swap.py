"""Try a changed function without importing its module again: give the live function objects new code.

All references (methods, imports by name, decorated and wrapped functions, closures) see the change at once, and
taking it back is one assignment. What can't be swapped (module level, class bodies, other free variables) raises
`NeedsReload`.
"""

from __future__ import annotations
import __future__ as futures

import ast
import functools
import gc
import io
import re
import tokenize
import types
from collections.abc import Iterator, Sequence
from typing import Any, Set, Tuple

_FUTURE_FLAGS = functools.reduce(
    lambda mask, name: mask | getattr(futures, name).compiler_flag, futures.all_feature_names, 0
)
_NEWLINE = re.compile(r"\r\n|\r|\n")
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_CO_OPTIMIZED = 1
Key = Tuple[str, int, str]
Swap = Tuple[types.FunctionType, str, Any]


class NeedsReload(Exception):
    """The change reaches beyond the code of functions that exist."""


def read_source(path: str) -> str:
    """Text of a Python file, line ends untouched, byte order mark kept."""
    with open(path, "rb") as stream:
        data = stream.read()
    encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    return data.decode("utf-8" if encoding == "utf-8-sig" else encoding)


def apply_edits(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """Text with (start, end, replacement) edits on the original's character offsets."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


class Part:
    """A piece of a module that compiles alone: a top-level function, or one method in a class of its name.

    `plain` is the name of a function without decorators, whose defaults can be swapped too.
    """

    def __init__(self, start: int, end: int, line: int, header: str, plain: str) -> None:
        self.start, self.end, self.line, self.header, self.plain = start, end, line, header, plain
        self.code: types.CodeType | None = None

    def compile(self, text: str, path: str, flags: int) -> types.CodeType:
        """Compile with the line numbers it has in its file."""
        pad = "\n" * (self.line - 1 - (1 if self.header else 0))
        code: types.CodeType = compile(pad + self.header + text, path, "exec", flags=flags, dont_inherit=True)
        return code


class Module:
    """One file of the repository and its parts."""

    def __init__(self, path: str, real_path: str) -> None:
        self.path, self.real_path = path, real_path
        self.text = read_source(real_path)
        shift = 1 if self.text.startswith("\ufeff") else 0
        self.starts = [shift] + [m.end() for m in _NEWLINE.finditer(self.text)]
        tree = ast.parse(self.text[shift:])
        code = compile(tree, real_path, "exec", dont_inherit=True)
        self.flags = code.co_flags & _FUTURE_FLAGS
        self.parts = list(self._parts(tree.body))

    def _parts(self, body: list[ast.stmt]) -> Iterator[Part]:
        for node in body:
            if isinstance(node, _DEFS):
                yield self._part(node, "")
            elif isinstance(node, ast.ClassDef):
                methods = [n for n in node.body if isinstance(n, _DEFS)]
                if node.body[0].lineno > node.lineno:
                    for method in methods:
                        yield self._part(method, "class %s:\n" % node.name)
                yield self._part(node, "")

    def _part(self, node: Any, header: str) -> Part:
        line = min([node.lineno] + [d.lineno for d in node.decorator_list])
        last = node.end_lineno
        end = self.starts[last] if last < len(self.starts) else len(self.text)
        plain = node.name if isinstance(node, _DEFS) and not node.decorator_list else ""
        return Part(self.starts[line - 1], end, line, header, plain)

    def part_of(self, start: int, end: int) -> Part:
        """The smallest part that holds a range."""
        for part in self.parts:
            if part.start <= start and end <= part.end:
                return part
        raise NeedsReload("module level")


class Swapper:
    """Knows every live function of the repository's files. Make it once, after collection, before forking."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules = modules
        self.functions: dict[Key, list[types.FunctionType]] = {}
        self.caches: list[Any] = []
        paths = {m.real_path for m in modules.values()}
        cache_type = type(functools.lru_cache(maxsize=1)(len))
        for thing in gc.get_objects():
            kind = type(thing)
            if kind is types.FunctionType and thing.__code__.co_filename in paths:
                self.functions.setdefault(_key(thing.__code__), []).append(thing)
            elif kind is cache_type:
                self.caches.append(thing)

    def plan(self, edits: Sequence[tuple[str, int, int, str]]) -> list[Swap]:
        """What is to be set on which function. Empty: nothing changed. Raises NeedsReload or SyntaxError."""
        swaps: list[Swap] = []
        for module, part, changes in self._by_part(edits):
            if part.code is None:
                part.code = part.compile(module.text[part.start : part.end], module.real_path, module.flags)
            text = apply_edits(
                module.text[part.start : part.end], [(s - part.start, e - part.start, t) for s, e, t in changes]
            )
            new = part.compile(text, module.real_path, module.flags)
            try:
                swaps += self._swaps(part.code, new)
            except NeedsReload:
                swaps += self._defaults(part, new)
        return swaps

    def _defaults(self, part: Part, new: types.CodeType) -> list[Swap]:
        """The whole function made anew in its module's names, to take its code and its defaults from."""
        if not part.plain or part.code is None:
            raise NeedsReload("decorators or a class body")
        holder = _codes(part.code)[0] if part.header else part.code
        live = [f for c in _codes(holder) if c.co_name == part.plain for f in self.functions.get(_key(c), [])]
        if not live:
            raise NeedsReload("no live function")
        scratch: dict[str, Any] = {}
        try:
            exec(new, live[0].__globals__, scratch)  # noqa: S102 - the candidate's own definition, in its sandbox
            made = vars(next(iter(scratch.values())))[part.plain] if part.header else scratch[part.plain]
            code = made.__code__
        except Exception as error:
            raise NeedsReload("defaults") from error
        if any(f.__code__.co_freevars != code.co_freevars for f in live):
            raise NeedsReload("free variables")
        names = ("__code__", "__defaults__", "__kwdefaults__")
        return [(f, name, getattr(made, name)) for f in live for name in names]

    def _by_part(
        self, edits: Sequence[tuple[str, int, int, str]]
    ) -> list[tuple[Module, Part, list[tuple[int, int, str]]]]:
        grouped: dict[int, tuple[Module, Part, list[tuple[int, int, str]]]] = {}
        for path, start, end, text in edits:
            module = self.modules.get(path)
            if module is None:
                raise NeedsReload("not imported")
            part = module.part_of(start, end)
            grouped.setdefault(id(part), (module, part, []))[2].append((start, end, text))
        return list(grouped.values())

    def _swaps(self, old: types.CodeType, new: types.CodeType) -> list[Swap]:
        pairs: list[tuple[types.CodeType, types.CodeType]] = []
        _pair(old, new, pairs)
        swaps: list[Swap] = []
        covered: Set[int] = set()
        for before, after in pairs:
            live = self.functions.get(_key(before), [])
            if not live and id(before) not in covered:
                raise NeedsReload("no live function")
            covered.update(id(c) for c in _nested(before))
            for function in live:
                if function.__code__.co_freevars != after.co_freevars:
                    raise NeedsReload("free variables")
                swaps.append((function, "__code__", after))
        return swaps

    def clear_caches(self) -> None:
        """Forget memoised results of the last candidate."""
        for cache in self.caches:
            cache.cache_clear()


def print_of(swaps: Sequence[Swap]) -> int:
    """A fingerprint of behaviour: equal for candidates that compile to the same instructions."""
    return hash(tuple((id(f), n, _deep(v) if n == "__code__" else repr(v)) for f, n, v in swaps))


def _key(code: types.CodeType) -> Key:
    return (code.co_filename, code.co_firstlineno, code.co_name)


def _codes(code: types.CodeType) -> list[types.CodeType]:
    return [c for c in code.co_consts if isinstance(c, types.CodeType)]


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    for inner in _codes(code):
        yield inner
        yield from _nested(inner)


def _shallow(code: types.CodeType) -> tuple[Any, ...]:
    constants = tuple(
        (c.co_name, c.co_firstlineno) if isinstance(c, types.CodeType) else (type(c).__name__, repr(c))
        for c in code.co_consts
    )
    return (
        code.co_code, code.co_names, constants, code.co_varnames, code.co_freevars, code.co_cellvars,
        code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_flags,
        getattr(code, "co_exceptiontable", b""),
    )  # fmt: skip


def _deep(code: types.CodeType) -> tuple[Any, ...]:
    constants = tuple(
        _deep(c) if isinstance(c, types.CodeType) else (type(c).__name__, repr(c)) for c in code.co_consts
    )
    shallow = _shallow(code)
    return shallow[:2] + (constants,) + shallow[3:]


def _pair(old: types.CodeType, new: types.CodeType, out: list[tuple[types.CodeType, types.CodeType]]) -> None:
    """Collect pairs of functions that differ, outermost first."""
    is_function = old.co_flags & _CO_OPTIMIZED
    before, after = _codes(old), _codes(new)
    if is_function:
        if _deep(old) == _deep(new):
            return
        out.append((old, new))
        if [c.co_name for c in before] != [c.co_name for c in after]:
            return
    elif _body(old) != _body(new) or [c.co_name for c in before] != [c.co_name for c in after]:
        raise NeedsReload("class or module body")
    for a, b in zip(before, after):
        _pair(a, b, out)


def _body(code: types.CodeType) -> tuple[Any, ...]:
    shallow = _shallow(code)
    constants = tuple(c for c in shallow[2] if not isinstance(c[1], int))
    return shallow[:2] + (constants,) + shallow[3:]
