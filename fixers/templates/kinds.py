"""What values really were while the tests ran, and which candidates make no sense for them.

The instrumented run notes the type names of every function's names. From these and from literals the types of small
expressions follow; an edit that would surely raise TypeError or AttributeError on all of them is not worth a run.
Only built-in types are judged: what a class of the program can do is not known here.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping
from functools import lru_cache

Kinds = frozenset[str]
Known = Mapping[str, Kinds]
"""Type names by the name of a variable."""

_NUMBERS = frozenset({"int", "float", "bool", "complex"})
_SEQUENCES = frozenset({"str", "bytes", "list", "tuple"})
_CONTAINERS = _SEQUENCES | {"dict", "set", "frozenset", "range"}
_JUDGED = _NUMBERS | _CONTAINERS | {"NoneType"}
_TYPES: dict[str, type] = {
    t.__name__: t for t in (int, float, bool, complex, str, bytes, list, tuple, dict, set, frozenset, range, type(None))
}
_GIVES = {
    "len": "int", "int": "int", "float": "float", "str": "str", "repr": "str", "list": "list", "sorted": "list",
    "tuple": "tuple", "set": "set", "dict": "dict", "bool": "bool", "range": "range", "ord": "int", "chr": "str",
    "frozenset": "frozenset", "isinstance": "bool", "any": "bool", "all": "bool", "format": "str",
}  # fmt: skip
_METHODS = {
    **dict.fromkeys(("strip", "lower", "upper", "replace", "join", "title", "lstrip", "rstrip", "zfill"), "str"),
    **dict.fromkeys(("split", "splitlines"), "list"), **dict.fromkeys(("find", "count", "index"), "int"),
    **dict.fromkeys(("startswith", "endswith", "isdigit", "isalpha"), "bool"), "encode": "bytes",
}  # fmt: skip
_WALKING = ("sorted", "list", "tuple", "set", "sum", "any", "all", "enumerate", "reversed", "frozenset")


def nonsense(text: str, known: Known, node: ast.AST | None = None, parent: ast.AST | None = None) -> bool:
    """Whether an expression (in the place of `node` under `parent`) fails for every type seen."""
    tree = _parsed(text)
    if tree is None:
        return False
    if any(_fails(inner, known) for inner in ast.walk(tree)):
        return True
    return node is not None and parent is not None and _fails(_placed(tree, node, parent), known)


@lru_cache(maxsize=32768)
def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _placed(tree: ast.expr, node: ast.AST, parent: ast.AST) -> ast.AST:
    """The parent with the new expression instead of the node, one level deep."""
    made = copy.copy(parent)
    for name, value in ast.iter_fields(parent):
        if value is node:
            setattr(made, name, tree)
        elif isinstance(value, list) and any(v is node for v in value):
            setattr(made, name, [tree if v is node else v for v in value])
    return made


def kinds_of(node: ast.AST | None, known: Known) -> Kinds | None:
    """The types an expression can have; None where that is not known."""
    if isinstance(node, ast.Constant):
        return frozenset({type(node.value).__name__})
    if isinstance(node, ast.Name):
        return known.get(node.id)
    simple = _SIMPLE.get(type(node))
    if simple:
        return frozenset({simple})
    if isinstance(node, ast.Call):
        return _called(node, known)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return kinds_of(node.value, known)
    if isinstance(node, ast.BinOp):
        return _combined(node, known)
    return None


_SIMPLE: dict[type, str] = {
    ast.JoinedStr: "str", ast.List: "list", ast.ListComp: "list", ast.Tuple: "tuple", ast.Dict: "dict",
    ast.DictComp: "dict", ast.Set: "set", ast.SetComp: "set", ast.Compare: "bool",
}  # fmt: skip


def _called(node: ast.Call, known: Known) -> Kinds | None:
    if isinstance(node.func, ast.Name):
        given = _GIVES.get(node.func.id)
        return frozenset({given}) if given and node.func.id not in known else None
    if isinstance(node.func, ast.Attribute) and kinds_of(node.func.value, known) == frozenset({"str"}):
        given = _METHODS.get(node.func.attr)
        return frozenset({given}) if given else None
    return None


def _combined(node: ast.BinOp, known: Known) -> Kinds | None:
    left, right = kinds_of(node.left, known), kinds_of(node.right, known)
    if left is None or right is None or len(left) != 1 or len(right) != 1:
        return None
    if left == right and isinstance(node.op, ast.Add):
        return frozenset({"int"}) if left == {"bool"} else left
    if left | right <= {"int", "float"}:
        real = isinstance(node.op, ast.Div) or "float" in left | right
        return frozenset({"float" if real else "int"}) if not isinstance(node.op, ast.Pow) else None
    return frozenset({"str"}) if left == {"str"} and isinstance(node.op, ast.Mod) else None


def _fails(node: ast.AST, known: Known) -> bool:
    judge = _JUDGES.get(type(node))
    return judge(node, known) if judge else False


def _all_pairs(left: Kinds | None, right: Kinds | None, bad: Callable[[str, str], bool]) -> bool:
    """Whether every combination is bad; unknown and foreign types never are."""
    if not left or not right or not (left | right) <= _JUDGED:
        return False
    return all(bad(a, b) for a in left for b in right)


def _operator(node: ast.BinOp, known: Known) -> bool:
    def bad(a: str, b: str) -> bool:
        if a in _NUMBERS and b in _NUMBERS:
            return "float" in (a, b) and isinstance(
                node.op, (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
            )
        if isinstance(node.op, ast.Mod) and a in ("str", "bytes"):
            return False
        if isinstance(node.op, ast.Mult):
            return not ((a in _SEQUENCES and b in ("int", "bool")) or (b in _SEQUENCES and a in ("int", "bool")))
        if isinstance(node.op, ast.Add):
            return a != b or a not in _SEQUENCES
        sets = a in ("set", "frozenset") and b in ("set", "frozenset")
        return not (sets or (a == b == "dict" and isinstance(node.op, ast.BitOr)))

    return _all_pairs(kinds_of(node.left, known), kinds_of(node.right, known), bad)


def _comparison(node: ast.Compare, known: Known) -> bool:
    def unordered(a: str, b: str) -> bool:
        return not ((a in _NUMBERS and b in _NUMBERS) or (a == b and a not in ("dict", "NoneType", "complex", "range")))

    def no_member(a: str, b: str) -> bool:
        return b not in _CONTAINERS or (b == "str" and a != "str")

    operands = [node.left, *node.comparators]
    for left, symbol, right in zip(operands, node.ops, operands[1:], strict=False):
        one, other = kinds_of(left, known), kinds_of(right, known)
        if isinstance(symbol, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) and _all_pairs(one, other, unordered):
            return True
        if isinstance(symbol, (ast.In, ast.NotIn)) and _all_pairs(one or frozenset({"str"}), other, no_member):
            return one is not None or not (other or frozenset()) & _CONTAINERS
    return False


def _subscript(node: ast.Subscript, known: Known) -> bool:
    def bad(a: str, b: str) -> bool:
        if a not in _CONTAINERS or a in ("set", "frozenset"):
            return True
        if a == "dict":
            return b in ("list", "dict", "set")
        return b not in ("int", "bool")

    base = kinds_of(node.value, known)
    index = frozenset({"int"}) if isinstance(node.slice, ast.Slice) else kinds_of(node.slice, known)
    return _all_pairs(base, index or frozenset({"int"}), bad) and (
        index is not None or not (base or set()) & _CONTAINERS
    )


def _judged(node: ast.AST, known: Known) -> Kinds:
    """The types of an expression where all are known and built in, else none."""
    of = kinds_of(node, known) or frozenset()
    return of if of <= _JUDGED else frozenset()


def _attribute(node: ast.Attribute, known: Known) -> bool:
    base = _judged(node.value, known)
    return bool(base) and not any(hasattr(_TYPES[k], node.attr) for k in base)


def _call(node: ast.Call, known: Known) -> bool:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if _judged(node.func, known):
        return True
    first = _judged(node.args[0], known) if node.args and name not in known else frozenset()
    if not first:
        return False
    if name == "len" or name in _WALKING or (name in ("min", "max") and len(node.args) == 1):
        return not first & _CONTAINERS
    if name in ("abs", "round"):
        return not first & _NUMBERS
    return name in ("int", "float") and not first & (_NUMBERS | {"str", "bytes"})


def _negated(node: ast.UnaryOp, known: Known) -> bool:
    of = _judged(node.operand, known)
    return isinstance(node.op, (ast.USub, ast.UAdd)) and bool(of) and not of & _NUMBERS


def _walked(node: ast.For | ast.comprehension, known: Known) -> bool:
    of = _judged(node.iter, known)
    return bool(of) and not of & _CONTAINERS


_JUDGES: dict[type, Callable[..., bool]] = {
    ast.BinOp: _operator, ast.Compare: _comparison, ast.Subscript: _subscript, ast.Attribute: _attribute,
    ast.Call: _call, ast.UnaryOp: _negated, ast.For: _walked, ast.comprehension: _walked,
}  # fmt: skip
