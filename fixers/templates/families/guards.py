"""Guards by exception type, only on statements a crash went through: what a person would do at the crash site."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.families.checks import without_nothing
from nightshift.fixers.templates.families.conversions import bad_bytes, bad_value, wrong_type
from nightshift.fixers.templates.families.outside import changed_meanwhile, exhausted, no_file
from nightshift.fixers.templates.families.unknown import misspelt_key, unknown_attribute, unknown_name
from nightshift.fixers.templates.families.unset import unset_name
from nightshift.fixers.templates.site import Clue, Site, is_load, local_names, operand, short
from nightshift.fixers.templates.source import Edit, Function
from nightshift.fixers.templates.ways_around import FALLBACKS, guard, in_front, leaves, only_if


def edits(site: Site) -> Iterator[Edit]:
    """What the exceptions seen on this line suggest."""
    for clue in site.clues:
        name = clue.exception.rsplit(".", 1)[-1]
        share = 1.0 if clue.depth == 0 else 0.5
        for handle in _BY_EXCEPTION.get(name, ()):
            for edit in handle(site, clue):
                yield Edit(**{**edit.__dict__, "weight": edit.weight * share})
        if clue.depth == 0 and isinstance(site.node, ast.stmt):
            yield from _swallow(site, name)


def _missing_key(site: Site, _: Clue) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        base, key = site.text(node.value), site.text(node.slice)
        if is_load(node):
            table = 1.0 if isinstance(site.parent, (ast.Subscript, ast.Attribute)) else 0.85
            options = (
                ("", 1.0), (", 0", 1.0), (", ''", 0.9), (", []", 0.9), (", {}", table), (", False", 0.7),
                (", 0.0", 0.6),
                (", 1", 0.5), (f", {key}", 0.5), (", ()", 0.4), (", True", 0.4),
            )  # fmt: skip
            compared = 0.5 if isinstance(site.parent, ast.Compare) else 1.0  # a made-up value would be compared
            for default, weight in options:
                yield from site.replace(
                    f"{base}.get({key}{default})", "guard", 1.2 * weight * (compared if default else 1.0)
                )
            yield from in_front(site, f"{operand(key, 7)} in {base}", 0.95)
            for name in local_names(site)[:6]:
                meant = any(word in name for word in FALLBACKS)
                yield from site.replace(f"{base}.get({key}, {name})", "guard", 1.3 if meant else 0.4)
            for default in ("[]", "{}", "0", "set()"):
                yield from site.replace(f"{base}.setdefault({key}, {default})", "guard", 0.6)
        yield from guard(site, f"{operand(key, 7)} not in {base}", 0.7)
        yield from only_if(site, f"{operand(key, 7)} in {base}", 0.75)
        statement = site.source.statement(node)
        if isinstance(statement, ast.AugAssign) and statement.target is node:
            operator = short(site.source.text[site.source.span(node)[1] : site.source.span(statement.value)[0]]).rstrip(
                "="
            )
            for zero in ("0", "[]", "''", "1", "0.0"):
                code = f"{base}[{key}] = {base}.get({key}, {zero}) {operator} {operand(site.text(statement.value), 12)}"
                yield from lines.swap_statement(site, statement, code, "guard", 1.0 if zero == "0" else 0.6)
        elif statement is not None and site.source.function(statement):
            for default in ("[]", "{}", "0", "set()"):
                yield from lines.before(site, statement, f"{base}.setdefault({key}, {default})", "guard", 0.6)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "pop" and len(node.args) == 1:
            for default in ("None", "0", "[]", "''"):
                yield from site.replace(f"{site.text(node.func)}({site.text(node.args[0])}, {default})", "guard", 1.0)
        elif node.func.attr == "remove" and len(node.args) == 1:
            yield from site.replace(f"{site.text(node.func.value)}.discard({site.text(node.args[0])})", "guard", 1.1)


def _bad_index(site: Site, _: Clue) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        base, index = site.text(node.value), site.text(node.slice)
        yield from in_front(site, f"{operand(index, 7)} < len({base})", 0.9)
        yield from in_front(site, base, 0.7)
        yield from guard(site, f"not {operand(base, 5)}", 0.9)
        yield from guard(site, f"{operand(index, 7)} >= len({base})", 0.8)
        yield from only_if(site, base, 0.7)
        yield from only_if(site, f"{operand(index, 7)} < len({base})", 0.7)
        for value in ("None", "0", "''", "[]"):
            yield from site.replace(f"{base}[{index}] if {base} else {value}", "guard", 0.75)
            yield from site.replace(f"{base}[{index}] if {operand(index, 7)} < len({base}) else {value}", "guard", 0.6)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("pop", "popleft"):
        yield from guard(site, f"not {site.text(node.func.value)}", 0.9)
        yield from only_if(site, site.text(node.func.value), 0.7)
    if isinstance(node, ast.While) and is_load(node.test):
        for inner in ast.walk(node.test):
            if isinstance(inner, ast.Subscript) and not isinstance(inner.slice, ast.Slice):
                index, base = site.text(inner.slice), site.text(inner.value)
                test = operand(site.text(node.test), 5)
                yield from site.replace(f"{operand(index, 7)} < len({base}) and {test}", "guard", 1.0, node=node.test)
                yield from site.replace(f"{operand(index, 7)} >= 0 and {test}", "guard", 0.8, node=node.test)
                yield from site.replace(f"{base} and {test}", "guard", 0.9, node=node.test)


def _nothing(site: Site, clue: Clue) -> Iterator[Edit]:
    """AttributeError or TypeError on None."""
    if "NoneType" not in clue.message:
        return
    node = site.node
    subjects: list[ast.expr] = []
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        subjects = [node.value]
    elif isinstance(node, ast.BinOp):
        subjects = [node.left, node.right]
    elif isinstance(node, ast.Compare):
        subjects = [node.left, *node.comparators]
    elif isinstance(node, (ast.For, ast.comprehension)):
        subjects = [node.iter]
    elif isinstance(node, ast.Call):
        subjects = list(node.args[:2])
    elif isinstance(node, ast.AugAssign):
        subjects = [node.value]
    for subject in subjects:
        if isinstance(subject, (ast.Constant, ast.Starred, ast.GeneratorExp)):
            continue
        text = site.text(subject)
        if isinstance(subject, (ast.Name, ast.Attribute, ast.Subscript)):
            yield from guard(site, f"{text} is None", 1.0)
            first = isinstance(node, ast.Subscript)  # nothing has no first element, and neither has what is empty
            yield from only_if(site, f"{text} is not None", 0.85 if first else 0.9)
            yield from only_if(site, text, 0.9 if first else 0.85)
            yield from guard(site, f"not {text}", 0.8)
        for default in ("''", "{}", "[]", "0", "()"):
            yield from site.replace(f"{text} or {default}", "guard", 0.85, node=subject)
    if isinstance(node, ast.BinOp):
        yield from _without(site, node)
    if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, (ast.Name, ast.Attribute)):
        whole = _maximal(site, node)
        for value in ("None", "''", "0", "[]", "False"):
            yield from site.replace(
                f"{site.text(whole)} if {site.text(node.value)} is not None else {value}", "guard", 0.9, node=whole
            )


def _left_out(site: Site, clue: Clue) -> Iterator[Edit]:
    """Nothing among the values: the function goes over the rest."""
    if "NoneType" in clue.message:
        yield from without_nothing(site)


def _without(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    """`a + b` with a missing `a`: only `b`, where the sum as a whole may end in more."""
    whole: ast.expr = node
    while isinstance(site.source.parents.get(whole), ast.BinOp):
        whole = site.source.parents[whole]  # type: ignore[assignment]
    if not isinstance(whole, ast.BinOp):
        return
    for gone in (node.left, node.right):
        for kept in dict.fromkeys((node.left, node.right, whole.left, whole.right)):
            if isinstance(gone, (ast.Name, ast.Attribute, ast.Subscript)) and gone not in ast.walk(kept):
                text = f"{site.text(whole)} if {site.text(gone)} is not None else {site.text(kept)}"
                yield from site.replace(text, "guard", 0.9, node=whole)


def _maximal(site: Site, node: ast.expr) -> ast.expr:
    """The whole chain of calls, attributes and subscripts that starts at a node."""
    current: ast.expr = node
    while True:
        parent = site.source.parents.get(current)
        if (isinstance(parent, (ast.Attribute, ast.Subscript)) and site.source.fields[current] == "value") or (
            isinstance(parent, ast.Call) and site.source.fields[current] == "func"
        ):
            current = parent
        else:
            return current


def _division(site: Site, _: Clue) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant):
        return
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod)):
        right, whole = site.text(node.right), site.text()
        zero = (
            f"not {operand(right, 5)}"
            if isinstance(node.right, (ast.Name, ast.Attribute))
            else f"{operand(right, 7)} == 0"
        )
        yield from guard(site, zero, 1.2)
        inner = node.right
        counted = isinstance(inner, ast.Call) and getattr(inner.func, "id", "") in ("len", "sum") and inner.args
        if isinstance(inner, ast.Call) and counted and not isinstance(inner.args[0], ast.GeneratorExp):
            yield from guard(site, f"not {site.text(inner.args[0])}", 1.3)
        for value in ("0", "0.0", "None", "1"):
            meant = value in site.expected or (value == "0" and not site.expected)
            yield from site.replace(f"{whole} if {right} else {value}", "guard", 1.1 if meant else 0.8)
        yield from site.replace(f"max({right}, 1)", "guard", 0.6, node=node.right)
        yield from site.replace(f"{right} or 1", "guard", 0.6, node=node.right)
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod)):
        yield from only_if(site, site.text(node.value), 1.0)


def _no_base_case(site: Site, _: Clue) -> Iterator[Edit]:
    """A recursion that does not end: leave before the statement that calls again."""
    function = site.source.function(site.node)
    statement = site.source.statement(site.node)
    if function is None or statement is not site.node or isinstance(statement, Function):
        return
    again = _calls(statement, function.name)
    if statement not in function.body[:3] and not again:
        return
    parameters = [a.arg for a in function.args.args if a.arg not in ("self", "cls")][:4]
    locals_ = [n for n in local_names(site) if n not in (*parameters, "self", "cls")][:3] if again else []
    for name in [*locals_, *parameters]:
        for condition in _ends(function, name):
            for value in dict.fromkeys((name, *parameters[:2], "0", "1", "[]", "None", "''", "True", "False")):
                leave = f"return {value}"
                yield from lines.before(site, statement, f"if {condition}:\n\t{leave}", "guard", 0.6)


def _calls(statement: ast.stmt, name: str) -> bool:
    """Whether a statement's own text calls a function of this name."""
    if isinstance(statement, (ast.For, ast.While, ast.If, ast.With, ast.Try)):
        return False
    calls = (n.func for n in ast.walk(statement) if isinstance(n, ast.Call))
    return any(name == getattr(f, "id", getattr(f, "attr", "")) for f in calls)


def _ends(function: ast.AST, name: str) -> list[str]:
    """Conditions under which a recursion on `name` could end; numbers of the function are bounds."""
    numbers = [n.value for n in ast.walk(function) if isinstance(n, ast.Constant) and type(n.value) is int]
    bounds = [n for n in dict.fromkeys(numbers) if n > 1][:2]
    return [
        f"not {name}", f"{name} <= 0", f"{name} <= 1", f"{name} is None", f"len({name}) <= 1", f"{name} < 0",
        *(f"{name} < {bound}" for bound in bounds),
    ]  # fmt: skip


def _swallow(site: Site, exception: str) -> Iterator[Edit]:
    """Catch exactly this exception around the statement; the last resort."""
    node = site.node
    known = isinstance(getattr(builtins, exception, None), type)
    if not known or exception in (
        "AssertionError",
        "Exception",
        "BaseException",
        "NameError",
        "UnboundLocalError",
        "SyntaxError",
    ):
        return
    if (
        isinstance(node, (ast.Assign, ast.Expr, ast.Return, ast.AugAssign))
        and site.source.function(node)
        and site.source.alone(node)
    ):
        inner = lines.reindented(site, node, "\t")
        for leave, share in leaves(site, node):
            if inner:
                yield from lines.swap_statement(
                    site, node, f"try:\n{inner}\nexcept {exception}:\n\t{leave}", "guard-catch", 0.3 * share
                )


_BY_EXCEPTION = {
    "KeyError": (_missing_key, misspelt_key),
    "IndexError": (_bad_index,),
    "AttributeError": (_nothing, _left_out, unknown_attribute, wrong_type),
    "TypeError": (_nothing, _left_out, wrong_type),
    "ZeroDivisionError": (_division,),
    "NameError": (unknown_name, unset_name),
    "UnboundLocalError": (unknown_name, unset_name),
    "ValueError": (bad_value,),
    "RecursionError": (_no_base_case,),
    "UnicodeDecodeError": (bad_bytes,),
    "UnicodeEncodeError": (bad_bytes,),
    "UnicodeError": (bad_bytes,),
    "StopIteration": (exhausted,),
    "RuntimeError": (changed_meanwhile, exhausted),
    "FileNotFoundError": (no_file,),
    "FileExistsError": (no_file,),
    "JSONDecodeError": (bad_value,),
    "OverflowError": (_division,),
    "InvalidOperation": (bad_value,),
}
