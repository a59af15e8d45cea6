"""One place a template may change: a node, what surrounds it, and what is known of the crash there."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from nightshift.fixers.templates.kinds import Known
from nightshift.fixers.templates.source import Edit, Function, Source

_ATOM = 18
_POWER = 15
_LEVELS: tuple[tuple[tuple[type[ast.AST], ...], int], ...] = (
    ((ast.NamedExpr, ast.Yield, ast.YieldFrom), 0),
    ((ast.Tuple,), 0),
    ((ast.Lambda,), 1),
    ((ast.IfExp,), 2),
    ((ast.Compare,), 6),
    ((ast.Await,), 16),
)
_OPERATORS: dict[type[ast.AST], int] = {
    ast.Or: 3, ast.And: 4, ast.Not: 5, ast.BitOr: 7, ast.BitXor: 8, ast.BitAnd: 9, ast.LShift: 10, ast.RShift: 10,
    ast.Add: 11, ast.Sub: 11, ast.Mult: 12, ast.Div: 12, ast.FloorDiv: 12, ast.Mod: 12, ast.MatMult: 12,
    ast.UAdd: 13, ast.USub: 13, ast.Invert: 13, ast.Pow: _POWER,
}  # fmt: skip
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class Clue:
    """An exception that passed through this line; `depth` 0 is the frame that raised."""

    exception: str
    message: str
    depth: int = 0


@dataclass(frozen=True)
class Site:
    """A node of a source, the clues on its statement's lines, literals that failing tests expect, words they write, and
    the types seen of the names around it."""

    source: Source
    node: ast.AST
    clues: tuple[Clue, ...] = ()
    expected: tuple[str, ...] = ()
    cache: dict[object, object] = field(default_factory=dict, compare=False)
    words: tuple[str, ...] = ()
    known: Known = field(default_factory=dict, compare=False)

    @property
    def parent(self) -> ast.AST | None:
        return self.source.parents.get(self.node)

    @property
    def place(self) -> str:
        """The field of the parent that holds the node."""
        return self.source.fields.get(self.node, "")

    def text(self, node: ast.AST | None = None) -> str:
        """A node as written (default: this one)."""
        return self.source.segment(node or self.node)

    def edit(self, start: int, end: int, text: str, template: str, weight: float, note: str) -> Edit:
        """A raw edit at character offsets."""
        line = max(1, bisect_right(self.source.starts, start))
        return Edit(path=self.source.path, start=start, end=end, text=text, template=template, weight=weight,
                    note=note, line=line)  # fmt: skip

    def replace(
        self, text: str, template: str, weight: float, *, node: ast.AST | None = None, note: str = ""
    ) -> Iterator[Edit]:
        """Put an expression in place of a node, with parentheses where the new neighbours need them."""
        node = node or self.node
        if isinstance(node, (ast.GeneratorExp, ast.Starred)) or not self.source.exact(node):
            return
        start, end = self._unwrapped(node, *self.source.span(node))
        old = self.source.text[start:end]
        if needs_parentheses(self.source, node, text):
            text = f"({text})"
        text = self._quoted(node, text)
        if text != old:
            yield self.edit(
                start, end, text, template, weight, note or f"use `{short(text)}` instead of `{short(old)}`"
            )

    def _quoted(self, node: ast.AST, text: str) -> str:
        """With the other quotes inside an f-string that has the ones of the text: before 3.12 it would end there."""
        if "'" not in text or '"' in text or not self.source.in_fstring(node):
            return text
        while not isinstance(self.source.parents[node], ast.stmt) and not isinstance(node, ast.JoinedStr):
            node = self.source.parents[node]
        written = self.text(node).lstrip("rRfF")
        return text.replace("'", '"') if written.startswith("'") and not written.startswith("'''") else text

    def _unwrapped(self, node: ast.AST, start: int, end: int) -> tuple[int, int]:
        """Include the parentheses around a node where they can only be grouping."""
        if needed_level(self.source, node) <= 2 or isinstance(self.source.parents.get(node), ast.comprehension):
            return start, end
        text = self.source.text
        while start > 0 and end < len(text) and text[start - 1] == "(" and text[end] == ")":
            start, end = start - 1, end + 1
        return start, end


def short(text: str, limit: int = 70) -> str:
    """One line of text for people."""
    line = _SPACE.sub(" ", text).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def level(node: ast.AST) -> int:
    """How tightly an expression binds."""
    if isinstance(node, (ast.BoolOp, ast.BinOp, ast.UnaryOp)):
        return _OPERATORS[type(node.op)]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return _ATOM
    for types, value in _LEVELS:
        if isinstance(node, types):
            return value
    return _ATOM


def needed_level(source: Source, node: ast.AST) -> int:
    """How tightly an expression must bind to stand where `node` stands."""
    parent, place = source.parents.get(node), source.fields.get(node, "")
    if isinstance(parent, (ast.BinOp, ast.BoolOp, ast.UnaryOp)):
        own = _OPERATORS[type(parent.op)]
        if isinstance(parent, ast.UnaryOp):
            return own
        right = place == "right" if isinstance(parent.op, ast.Pow) is False else place == "left"
        return own + (1 if right or isinstance(parent, ast.BoolOp) else 0)
    if isinstance(parent, ast.Compare):
        return 7
    if isinstance(parent, (ast.Attribute, ast.Await)) or place == "func":
        return _ATOM
    if isinstance(parent, ast.Subscript):
        return _ATOM if place == "value" else 0
    if isinstance(parent, (ast.IfExp, ast.comprehension)):
        return 3
    if isinstance(parent, (ast.Assign, ast.Return, ast.Expr)):
        return 0
    return 7 if isinstance(parent, ast.Starred) else 1


def needs_parentheses(source: Source, node: ast.AST, text: str) -> bool:
    """Whether `text` must be parenthesised in the place of `node`."""
    if isinstance(source.parents.get(node), ast.Attribute) and text[:1].isdigit():
        return True
    return _level_of(text.strip()) < needed_level(source, node)


@lru_cache(maxsize=16384)
def _level_of(text: str) -> int:
    """How tightly the expression binds that a text is; text that does not parse binds as an atom."""
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return _ATOM
    return _ATOM if isinstance(node, ast.Tuple) and text.startswith("(") else level(node)


def operand(text: str, minimum: int = 11) -> str:
    """An expression made fit to be an operand of an operator of level `minimum` (default: + and -)."""
    return f"({text})" if _level_of(text.strip()) < minimum else text


def local_names(site: Site) -> list[str]:
    """Parameters and assigned names of the function around the site, in order of appearance; then of its parents."""
    function = site.source.function(site.node)
    key = ("names", function)
    if key not in site.cache:
        site.cache[key] = _local_names(site.source, function)
    names: list[str] = site.cache[key]  # type: ignore[assignment]
    return names + [n for n in _comprehension_names(site) if n not in names]


def _comprehension_names(site: Site) -> list[str]:
    found: list[str] = []
    node: ast.AST | None = site.node
    while node is not None and not isinstance(node, ast.stmt):
        for generator in getattr(node, "generators", []):
            found += [n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)]
        if isinstance(node, ast.Lambda):
            found += [a.arg for a in node.args.args]
        node = site.source.parents.get(node)
    return found


def _local_names(source: Source, function: ast.AST | None) -> list[str]:
    names: dict[str, None] = {}
    while function is not None:
        arguments = function.args  # type: ignore[attr-defined]
        for argument in [
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ]:
            if argument is not None:
                names.setdefault(argument.arg)
        for node in own_nodes(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and not _in_comprehension(source, node):
                names.setdefault(node.id)
        function = source.function(function)
    return list(names)


def _in_comprehension(source: Source, node: ast.AST) -> bool:
    current: ast.AST | None = node
    while current is not None and not isinstance(current, ast.stmt):
        if isinstance(current, ast.comprehension):
            return True
        current = source.parents.get(current)
    return False


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Nodes of a function's body in source order, without those of functions and classes inside it."""
    stack: list[ast.AST] = list(reversed(getattr(function, "body", [])))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, (*Function, ast.ClassDef)):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


def around(site: Site) -> ast.AST:
    """The function around the site, or the module."""
    return site.source.function(site.node) or site.source.tree


def is_load(node: ast.AST) -> bool:
    """Whether an expression is read (not assigned to, not deleted)."""
    return isinstance(getattr(node, "ctx", None), ast.Load) or not hasattr(node, "ctx")


def in_annotation(source: Source, node: ast.AST) -> bool:
    """Whether a node belongs to a type annotation."""
    current: ast.AST | None = node
    while current is not None and not isinstance(current, ast.Module):
        if source.fields.get(current) in ("annotation", "returns", "type_params", "decorator_list"):
            return True
        current = source.parents.get(current)
    return False
