"""Values of the wrong type or shape: the missing conversion, the missing await, text that is no number, wrong bytes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Clue, Site, is_load, operand
from nightshift.fixers.templates.source import Edit
from nightshift.fixers.templates.ways_around import guard, only_if

_READINGS = (
    ("encoding='utf-8'", 1.1), ("errors='replace'", 1.0), ("encoding='utf-8', errors='replace'", 0.8),
    ("errors='ignore'", 0.7), ("encoding='latin-1'", 0.6), ("encoding='utf-8-sig'", 0.5),
)  # fmt: skip


def wrong_type(site: Site, clue: Clue) -> Iterator[Edit]:
    node, message = site.node, clue.message
    if "coroutine" in message and isinstance(node, ast.Call) and not isinstance(site.parent, ast.Await):
        yield from site.replace(f"await {site.text()}", "await", 1.3)
    if isinstance(node, (ast.BinOp, ast.Compare)):
        sides = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.left, *node.comparators]
        for side in sides:
            for name in ("str", "int", "float", "list", "len"):
                mentioned = f"'{name}'" in message or name + " " in message
                yield from site.replace(
                    f"{name}({site.text(side)})", "conversion", 1.1 if mentioned else 0.6, node=side
                )
    elif isinstance(node, ast.Call):
        for argument in node.args[:3]:
            if isinstance(argument, (ast.Starred, ast.GeneratorExp)):
                continue
            for name in ("str", "int", "list", "float", "tuple", "map(str, {})"):
                new = name.format(site.text(argument)) if "{" in name else f"{name}({site.text(argument)})"
                yield from site.replace(
                    new, "conversion", 0.8 if name in ("str", "map(str, {})") else 0.6, node=argument
                )
    elif isinstance(node, (ast.Subscript, ast.For)):
        inner = node.slice if isinstance(node, ast.Subscript) else node.iter
        for name in ("int", "str", "tuple", "list", "range"):
            if not isinstance(inner, (ast.Slice, ast.Constant)):
                yield from site.replace(f"{name}({site.text(inner)})", "conversion", 0.7, node=inner)
    elif isinstance(node, ast.AugAssign):
        for name in ("str", "int", "float", "list"):
            yield from site.replace(f"{name}({site.text(node.value)})", "conversion", 0.9, node=node.value)
    if "bytes" in message or "encoded" in message or "bytearray" in message:
        yield from _text_or_bytes(site, node)
    if "unhashable" in message and isinstance(node, ast.Name) and is_load(node):
        yield from site.replace(f"tuple({node.id})", "conversion", 1.0)


def _text_or_bytes(site: Site, node: ast.AST) -> Iterator[Edit]:
    """`x.encode()` where bytes are wanted, `x.decode()` where text is."""
    subjects: list[ast.expr] = []
    if isinstance(node, ast.Call):
        subjects = [*node.args[:3], *(k.value for k in node.keywords)]
    elif isinstance(node, ast.BinOp):
        subjects = [node.left, node.right]
    elif isinstance(node, ast.Compare):
        subjects = [node.left, *node.comparators]
    elif isinstance(node, ast.AugAssign):
        subjects = [node.value]
    for subject in subjects:
        if isinstance(subject, ast.Constant) and isinstance(subject.value, str):
            yield from site.replace("b" + site.text(subject), "conversion", 1.0, node=subject)
        elif isinstance(subject, ast.Constant) and isinstance(subject.value, bytes):
            yield from site.replace(site.text(subject).lstrip("bB"), "conversion", 1.0, node=subject)
        elif not isinstance(subject, (ast.Constant, ast.Starred, ast.GeneratorExp)):
            text = operand(site.text(subject), 18)
            yield from site.replace(f"{text}.encode()", "conversion", 1.1, node=subject)
            yield from site.replace(f"{text}.decode()", "conversion", 1.0, node=subject)


def bad_value(site: Site, _: Clue) -> Iterator[Edit]:
    """ValueError: text that is no number, empty sequences, things not found, too many or too few parts."""
    node = site.node
    if isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], (ast.Starred, ast.GeneratorExp)):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ("int", "float"):
            yield from _numbers(site, node.args[0])
        elif name in ("min", "max") and len(node.args) == 1:
            yield from _extremes(site, node)
        elif name in ("remove", "index", "split", "rsplit"):
            yield from _parts(site, node, name)
        elif name in ("sqrt", "log", "log10", "log2"):
            text = site.text(node.args[0])
            yield from guard(site, f"{operand(text, 7)} <= 0", 0.8)
            yield from site.replace(f"abs({text})", "guard", 0.5, node=node.args[0])
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and ".split(" in site.text(node.value):
        names = [site.text(e) for e in node.targets[0].elts]
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            base = operand(site.text(node.value.func.value), 18)
            yield from guard(site, f"not {base}.strip()", 1.0)
            yield from guard(site, f"not {base}", 1.1)
        if len(names) >= 2 and "*" not in names[-1]:
            yield from site.replace(", ".join([*names[:-1], "*" + names[-1]]), "guard", 0.4, node=node.targets[0])


def _numbers(site: Site, argument: ast.expr) -> Iterator[Edit]:
    text = site.text(argument)
    for value in ("0", "None", "0.0"):
        yield from site.replace(f"{site.text()} if {text} else {value}", "guard", 0.9)
    yield from site.replace(f"{text} or 0", "guard", 1.0, node=argument)
    yield from site.replace(f"{text}.strip() or 0", "guard", 0.6, node=argument)
    yield from site.replace(f"{text}.replace(',', '')", "guard", 0.6, node=argument)
    yield from site.replace(f"float({text})", "conversion", 0.6)
    yield from site.replace(f"int(float({text}))", "conversion", 0.6)
    yield from guard(site, f"not {operand(text, 5)}", 0.8)
    if not text.endswith(")"):
        yield from guard(site, f"not {operand(text, 18)}.isdigit()", 0.6)


def _extremes(site: Site, node: ast.Call) -> Iterator[Edit]:
    text = site.text(node.args[0])
    inner = ", ".join([text, *(f"{k.arg}={site.text(k.value)}" for k in node.keywords if k.arg)])
    for value in ("0", "None", "0.0", "''"):
        yield from site.replace(f"{site.text(node.func)}({inner}, default={value})", "guard", 1.1)
    yield from guard(site, f"not {operand(text, 5)}", 1.0)


def _parts(site: Site, node: ast.Call, name: str) -> Iterator[Edit]:
    text = site.text(node.args[0])
    base = site.text(node.func.value) if isinstance(node.func, ast.Attribute) else text
    absent = f"{operand(text, 7)} not in {base}"
    if name in ("split", "rsplit"):
        yield from site.replace(f"{site.text(node.func)}({text}, 1)", "guard", 1.2)
        yield from guard(site, absent, 1.0)
        return
    yield from guard(site, absent, 0.9)
    yield from only_if(site, f"{operand(text, 7)} in {base}", 1.0)
    if name == "index":
        yield from site.replace(f"{base}.find", "guard", 0.8, node=node.func)


def bad_bytes(site: Site, _: Clue) -> Iterator[Edit]:
    node = site.node
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if name not in ("decode", "open", "encode", "read_text", "write_text", "str"):
        return
    inner = [site.text(a) for a in node.args] + [f"{k.arg}={site.text(k.value)}" for k in node.keywords if k.arg]
    present = {k.arg for k in node.keywords}
    for extra, weight in _READINGS:
        if extra.split("=")[0] not in present:
            yield from site.replace(f"{site.text(node.func)}({', '.join([*inner, extra])})", "guard", weight)
    if name in ("decode", "encode") and node.args:
        for encoding in ("'utf-8'", "'latin-1'", "'utf-16'", "'cp1252'"):
            yield from site.replace(encoding, "guard", 0.9, node=node.args[0])
