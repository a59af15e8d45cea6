"""One small, realistic mistake in real code: which there could be in a file, as edits of its text.

Kinds are those that reviews of real fixes name: a wrong comparison, constant, variable, operator, a bound off by one,
a guard or a conversion that was forgotten, arguments in the wrong order. Nothing here knows the fixers' templates.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Div, ast.Div: ast.FloorDiv,
    ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_NEAR = {
    "append": "extend", "extend": "append", "startswith": "endswith", "endswith": "startswith", "lstrip": "rstrip",
    "rstrip": "lstrip", "lower": "upper", "upper": "lower", "min": "max", "max": "min", "find": "rfind",
    "split": "rsplit", "partition": "rpartition", "rpartition": "partition", "any": "all", "all": "any",
}  # fmt: skip
_CONVERSIONS = {"int", "str", "list", "tuple", "set", "sorted", "float", "abs", "bytes", "iter", "dict", "len", "repr"}
_CLEANERS = {"strip", "lower", "copy", "lstrip", "rstrip", "casefold"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """Replace text[start:end] of a file by `text`; `function` is (qualified name, first line) of what it is in."""

    kind: str
    start: int
    end: int
    text: str
    function: tuple[str, int]

    def applied(self, text: str) -> str:
        """The file with the mistake in it."""
        return text[: self.start] + self.text + text[self.end :]


def mutations(text: str) -> list[Mutation]:
    """Every mistake that could be made inside the functions of a file; each changes the syntax tree."""
    tree = ast.parse(text)
    starts = _starts(text)
    found = []
    for name, function in _functions(tree, ""):
        nested = {id(n) for inner in ast.walk(function) if isinstance(inner, _FUNCTIONS) and inner is not function
                  for n in ast.walk(inner)}  # fmt: skip
        for node in ast.walk(function):
            if id(node) in nested or not hasattr(node, "lineno"):
                continue
            for kind, new in _at(node, function):
                start, end = _span(text, starts, node)
                mutation = Mutation(kind=kind, start=start, end=end, text=new, function=(name, _first(function)))
                if _changes(tree, mutation.applied(text)):
                    found.append(mutation)
    return found


def _first(function: ast.AST) -> int:
    return min([function.lineno, *(d.lineno for d in function.decorator_list)])


def _changes(tree: ast.AST, text: str) -> bool:
    try:
        return ast.dump(ast.parse(text)) != ast.dump(tree)
    except (SyntaxError, ValueError):
        return False


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _FUNCTIONS):
            yield prefix + child.name, child
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def _starts(text: str) -> list[int]:
    found, at = [], 0
    for line in text.splitlines(keepends=True):
        found.append(at)
        at += len(line)
    return found


def _span(text: str, starts: list[int], node: ast.AST) -> tuple[int, int]:
    def place(line: int, column: int) -> int:
        start = starts[line - 1]
        rest = text[start : start + column + 1].encode()[:column]
        return start + len(rest.decode("utf-8", "ignore"))

    return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)


def _with(node: ast.AST, **fields: object) -> str:
    changed = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return ast.unparse(ast.fix_missing_locations(changed))


def _at(node: ast.AST, function: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        yield "comparison", _with(node, ops=[_COMPARISONS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", repr(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int) and abs(node.value) < 1000:
        yield "constant", repr(node.value + 1)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        if not (isinstance(node.op, ast.Mod) and isinstance(node.left, (ast.Constant, ast.JoinedStr))):
            yield "operator", _with(node, op=_OPERATORS[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield "condition", ast.unparse(node.values[0])
        yield "operator", _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "condition", ast.unparse(node.operand)
    elif isinstance(node, ast.Await):
        yield "await", ast.unparse(node.value)
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "return", ast.unparse(node.value)
    elif isinstance(node, ast.If) and not node.orelse and _leaves(node.body[-1]) and len(node.body) < 3:
        yield "guard", "pass"
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from (("variable", other) for other in _others(node, function))
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        yield from _slices(node)
    elif isinstance(node, ast.Call):
        yield from _calls(node)


def _leaves(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break))


def _others(node: ast.Name, function: ast.AST) -> Iterator[str]:
    arguments = [a.arg for a in [*function.args.args, *function.args.kwonlyargs]]
    stored = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    names = [n for n in dict.fromkeys(arguments + stored) if n not in ("self", "cls", "_")]
    if node.id in names and len(names) > 1:
        yield names[(names.index(node.id) + 1) % len(names)]


def _slices(node: ast.Subscript) -> Iterator[tuple[str, str]]:
    lower, upper = node.slice.lower, node.slice.upper
    if lower is not None:
        yield "slice", _with(node, slice=ast.Slice(None, upper, node.slice.step))
        yield "off by one", _with(node, slice=ast.Slice(_plus_one(lower), upper, node.slice.step))
    if upper is not None:
        yield "slice", _with(node, slice=ast.Slice(lower, None, node.slice.step))
        yield "off by one", _with(node, slice=ast.Slice(lower, _plus_one(upper), node.slice.step))


def _plus_one(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(node.value + 1)
    return ast.BinOp(copy.deepcopy(node), ast.Add(), ast.Constant(1))


def _calls(node: ast.Call) -> Iterator[tuple[str, str]]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    plain = not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)
    if plain and len(node.args) == 2 and ast.dump(node.args[0]) != ast.dump(node.args[1]):
        yield "arguments", _with(node, args=node.args[::-1])
    if name in _NEAR:
        func = copy.deepcopy(node.func)
        setattr(func, "id" if isinstance(func, ast.Name) else "attr", _NEAR[name])
        yield "function", _with(node, func=func)
    if isinstance(node.func, ast.Name) and name in _CONVERSIONS and plain and len(node.args) == 1:
        yield "conversion", ast.unparse(node.args[0])
    if isinstance(node.func, ast.Attribute) and name in _CLEANERS and not node.args:
        yield "conversion", ast.unparse(node.func.value)
    if name in ("range", "len") and plain and node.args:
        yield "off by one", _with(node, args=[*node.args[:-1], _plus_one(node.args[-1])]) if name == "range" else (
            f"{ast.unparse(node)} - 1")  # fmt: skip
    if node.keywords and len(node.keywords) > 1:
        yield "arguments", _with(node, keywords=node.keywords[1:])
