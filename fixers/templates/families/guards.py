"""Guards by exception type, only on the statements a crash went through: the fix a person would make at the crash site."""

from __future__ import annotations

import ast
import builtins
import difflib
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.families.names import attributes_of, known_fields
from nightshift.fixers.templates.site import Clue, Site, is_load, local_names, operand, own_nodes, short
from nightshift.fixers.templates.source import Edit, Function

_QUOTED = re.compile(r"'([^']*)'")


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


def _leaves(site: Site, node: ast.AST) -> list[tuple[str, float]]:
    """Ways to leave: continue in loops, else the values this function or functions in general return."""
    if site.source.loop(node):
        return [("continue", 0.8), ("break", 0.35), ("return None", 0.3)]
    function = site.source.function(node)
    if function is None:
        return []
    found: dict[str, float] = {}
    for inner in own_nodes(function):
        if isinstance(inner, ast.Return) and isinstance(inner.value, (ast.Constant, ast.List, ast.Dict, ast.Tuple)):
            found.setdefault(f"return {site.text(inner.value)}", 0.6)
    kind = ast.unparse(function.returns) if function.returns else ""
    typed = {
        "int": "0",
        "float": "0.0",
        "str": "''",
        "bool": "False",
        "list": "[]",
        "dict": "{}",
        "tuple": "()",
        "set": "set()",
    }
    for prefix, value in typed.items():
        if kind.startswith(prefix):
            found[f"return {value}"] = 0.75
    if "None" in kind:
        found["return None"] = 0.75
    for value in ("None", "0", "[]", "''", "False", "{}", "0.0", "True", "1", "''", "()", "set()"):
        found.setdefault(f"return {value}", 0.5)
    return list(found.items())[:12]


def _guard(site: Site, condition: str, weight: float, template: str = "guard") -> Iterator[Edit]:
    statement = site.source.statement(site.node)
    if statement is None or site.source.function(statement) is None:
        return
    for leave, share in _leaves(site, statement):
        yield from lines.before(site, statement, f"if {condition}:\n\t{leave}", template, weight * share)


def _only_if(site: Site, condition: str, weight: float) -> Iterator[Edit]:
    """The whole statement under a condition."""
    statement = site.source.statement(site.node)
    if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr)) and site.source.function(statement):
        inner = lines.reindented(site, statement, "\t")
        if inner and site.source.alone(statement):
            yield from lines.swap_statement(site, statement, f"if {condition}:\n{inner}", "guard", weight)


def _missing_key(site: Site, clue: Clue) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        base, key = site.text(node.value), site.text(node.slice)
        if is_load(node):
            in_chain = isinstance(site.parent, (ast.Subscript, ast.Attribute))
            options = (("", 1.0), (", 0", 1.0), (", ''", 0.9), (", []", 0.9), (", {}", 1.0 if in_chain else 0.85), (", False", 0.7), (", 0.0", 0.6),
                       (", 1", 0.5), (f", {key}", 0.5), (", ()", 0.4), (", True", 0.4))  # fmt: skip
            for default, weight in options:
                yield from site.replace(f"{base}.get({key}{default})", "guard", 1.2 * weight)
            for name in local_names(site)[:6]:
                yield from site.replace(f"{base}.get({key}, {name})", "guard", 0.4)
            for default in ("[]", "{}", "0", "set()"):
                yield from site.replace(f"{base}.setdefault({key}, {default})", "guard", 0.6)
        yield from _guard(site, f"{operand(key, 7)} not in {base}", 0.7)
        yield from _only_if(site, f"{operand(key, 7)} in {base}", 0.75)
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


def _bad_index(site: Site, clue: Clue) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        base, index = site.text(node.value), site.text(node.slice)
        yield from _guard(site, f"not {operand(base, 5)}", 0.9)
        yield from _guard(site, f"{operand(index, 7)} >= len({base})", 0.8)
        yield from _only_if(site, base, 0.7)
        yield from _only_if(site, f"{operand(index, 7)} < len({base})", 0.7)
        for value in ("None", "0", "''", "[]"):
            yield from site.replace(f"{base}[{index}] if {base} else {value}", "guard", 0.75)
            yield from site.replace(f"{base}[{index}] if {operand(index, 7)} < len({base}) else {value}", "guard", 0.6)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("pop", "popleft"):
        yield from _guard(site, f"not {site.text(node.func.value)}", 0.9)
        yield from _only_if(site, site.text(node.func.value), 0.7)
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
            yield from _guard(site, f"{text} is None", 1.0)
            yield from _only_if(site, f"{text} is not None", 0.9)
        for default in ("''", "{}", "[]", "0", "()"):
            yield from site.replace(f"({text} or {default})", "guard", 0.85, node=subject)
    if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, (ast.Name, ast.Attribute)):
        whole = _maximal(site, node)
        for value in ("None", "''", "0", "[]", "False"):
            yield from site.replace(
                f"{site.text(whole)} if {site.text(node.value)} is not None else {value}", "guard", 0.9, node=whole
            )


def _maximal(site: Site, node: ast.expr) -> ast.expr:
    """The whole chain of calls, attributes and subscripts that starts at a node."""
    current: ast.expr = node
    while True:
        parent = site.source.parents.get(current)
        if (isinstance(parent, (ast.Attribute, ast.Subscript)) and site.source.fields[current] == "value") or (isinstance(parent, ast.Call) and site.source.fields[current] == "func"):
            current = parent
        else:
            return current


def _division(site: Site, clue: Clue) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod)):
        right, whole = site.text(node.right), site.text()
        zero = (
            f"not {operand(right, 5)}"
            if isinstance(node.right, (ast.Name, ast.Attribute))
            else f"{operand(right, 7)} == 0"
        )
        yield from _guard(site, zero, 1.2)
        inner = node.right
        if isinstance(inner, ast.Call) and getattr(inner.func, "id", "") in ("len", "sum") and inner.args:
            if not isinstance(inner.args[0], ast.GeneratorExp):
                yield from _guard(site, f"not {site.text(inner.args[0])}", 1.3)
        for value in ("0", "0.0", "None", "1"):
            yield from site.replace(f"{whole} if {right} else {value}", "guard", 1.1 if value == "0" else 0.8)
        yield from site.replace(f"max({right}, 1)", "guard", 0.6, node=node.right)
        yield from site.replace(f"({right} or 1)", "guard", 0.6, node=node.right)
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod)):
        yield from _only_if(site, site.text(node.value), 1.0)


def _unknown_name(site: Site, clue: Clue) -> Iterator[Edit]:
    node = site.node
    wanted = (_QUOTED.findall(clue.message) or [""])[0]
    if isinstance(node, ast.Name) and node.id == wanted:
        pool = [*local_names(site), *_module_names(site), *dir(builtins)]
        for rank, name in enumerate(
            difflib.get_close_matches(wanted, [n for n in dict.fromkeys(pool) if n != wanted], n=6, cutoff=0.5)
        ):
            yield from site.replace(name, "name", 1.3 / (1 + 0.2 * rank))
        if wanted in attributes_of(site, "self") or wanted in _methods(site):
            yield from site.replace(f"self.{wanted}", "name", 1.3)
        yield from _import(site, wanted)
    if (
        isinstance(node, Function)
        and wanted
        and any(isinstance(n, ast.Name) and n.id == wanted for n in own_nodes(node))
    ):
        yield from _initialise(site, node, wanted)


def _initialise(site: Site, node: ast.FunctionDef | ast.AsyncFunctionDef, wanted: str) -> Iterator[Edit]:
    """A local that is not always assigned before it is read."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1:
        first = node.body[1]
    inner = Site(site.source, first, site.clues, site.cache)
    for value in ("0", "None", "[]", "''", "False", "{}", "set()", "0.0", "1", "True"):
        yield from lines.before(inner, first, f"{wanted} = {value}", "name", 0.9)
    if any(
        getattr(t, "id", "") == wanted for s in site.source.tree.body if isinstance(s, ast.Assign) for t in s.targets
    ):
        yield from lines.before(inner, first, f"global {wanted}", "name", 1.1)
    else:
        yield from lines.before(inner, first, f"nonlocal {wanted}", "name", 0.8)


def _module_names(site: Site) -> list[str]:
    found: list[str] = []
    for node in site.source.tree.body:
        if isinstance(node, (*Function, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found += [(a.asname or a.name).split(".")[0] for a in node.names]
        elif isinstance(node, ast.Assign):
            found += [t.id for t in node.targets if isinstance(t, ast.Name)]
    return found


_MODULES = ("re", "os", "sys", "json", "math", "time", "datetime", "random", "itertools", "functools", "collections", "copy", "logging", "string",
            "decimal", "operator", "hashlib", "heapq", "bisect", "uuid", "csv", "io", "pathlib", "statistics", "textwrap", "contextlib")  # fmt: skip
_MEMBERS = {"defaultdict": "collections", "Counter": "collections", "OrderedDict": "collections", "deque": "collections", "namedtuple": "collections",
            "Path": "pathlib", "Decimal": "decimal", "timedelta": "datetime", "date": "datetime", "partial": "functools", "reduce": "functools",
            "chain": "itertools", "dataclass": "dataclasses", "field": "dataclasses", "Enum": "enum", "Optional": "typing", "Any": "typing",
            "timezone": "datetime", "lru_cache": "functools", "wraps": "functools", "contextmanager": "contextlib", "sqrt": "math", "ceil": "math",
            "floor": "math", "Fraction": "fractions", "deepcopy": "copy", "groupby": "itertools", "product": "itertools"}  # fmt: skip


def _import(site: Site, wanted: str) -> Iterator[Edit]:
    code = (
        f"import {wanted}"
        if wanted in _MODULES
        else f"from {_MEMBERS[wanted]} import {wanted}"
        if wanted in _MEMBERS
        else ""
    )
    body = site.source.tree.body
    target = next(
        (s for s in body if isinstance(s, (ast.Import, ast.ImportFrom)) and getattr(s, "module", "") != "__future__"),
        None,
    )
    target = target or next(
        (s for s in body if not isinstance(s, ast.Expr) and getattr(s, "module", "") != "__future__"), None
    )
    if code and target is not None:
        yield from lines.before(site, target, code, "name", 1.4)


def _unknown_attribute(site: Site, clue: Clue) -> Iterator[Edit]:
    node = site.node
    quoted = _QUOTED.findall(clue.message)
    wanted = quoted[-1] if quoted else ""
    if not isinstance(node, ast.Attribute) or node.attr != wanted or "NoneType" in clue.message:
        return
    base = site.text(node.value)
    kind = {
        "str": str,
        "list": list,
        "dict": dict,
        "set": set,
        "tuple": tuple,
        "int": int,
        "bytes": bytes,
        "float": float,
    }.get(quoted[0])
    pool = dir(kind) if kind else [*attributes_of(site, base), *_methods(site), *known_fields(site)]
    public = [n for n in dict.fromkeys(pool) if n != wanted and not n.startswith("__")]
    for rank, name in enumerate(difflib.get_close_matches(wanted, public, n=6, cutoff=0.45)):
        yield from site.replace(f"{base}.{name}", "name", 1.3 / (1 + 0.2 * rank))
    if hasattr(str, wanted):
        yield from site.replace(f"str({base})", "conversion", 0.9, node=node.value)
    if hasattr(list, wanted):
        yield from site.replace(f"list({base})", "conversion", 0.8, node=node.value)
    yield from site.replace(f"getattr({base}, {wanted!r}, None)", "guard", 0.5)


def _methods(site: Site) -> list[str]:
    return [n.name for n in ast.walk(site.source.tree) if isinstance(n, Function)]


def _wrong_type(site: Site, clue: Clue) -> Iterator[Edit]:
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
    if "unhashable" in message and isinstance(node, ast.Name) and is_load(node):
        yield from site.replace(f"tuple({node.id})", "conversion", 1.0)


def _bad_value(site: Site, clue: Clue) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.Call) and node.args:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        first = node.args[0]
        if isinstance(first, (ast.Starred, ast.GeneratorExp)):
            return
        text = site.text(first)
        if name in ("int", "float"):
            for value in ("0", "None", "0.0"):
                yield from site.replace(f"{site.text()} if {text} else {value}", "guard", 0.9)
            yield from site.replace(f"{text} or 0", "guard", 1.0, node=first)
            yield from site.replace(f"{text}.strip() or 0", "guard", 0.6, node=first)
            yield from site.replace(f"{text}.replace(',', '')", "guard", 0.6, node=first)
            yield from site.replace(f"float({text})", "conversion", 0.6)
            yield from site.replace(f"int(float({text}))", "conversion", 0.6)
            yield from _guard(site, f"not {operand(text, 5)}", 0.8)
            if not text.endswith((".isdigit()", ")")):
                yield from _guard(site, f"not {operand(text, 18)}.isdigit()", 0.6)
        elif name in ("min", "max") and len(node.args) == 1:
            for value in ("0", "None", "0.0", "''"):
                inner = ", ".join([text, *(f"{k.arg}={site.text(k.value)}" for k in node.keywords if k.arg)])
                yield from site.replace(f"{site.text(node.func)}({inner}, default={value})", "guard", 1.1)
            yield from _guard(site, f"not {operand(text, 5)}", 1.0)
        elif name in ("remove", "index"):
            base = site.text(node.func.value) if isinstance(node.func, ast.Attribute) else text
            yield from _guard(site, f"{operand(text, 7)} not in {base}", 0.9)
            yield from _only_if(site, f"{operand(text, 7)} in {base}", 1.0)
            if name == "index":
                yield from site.replace(f"{base}.find", "guard", 0.8, node=node.func)
        elif name == "split" or name == "rsplit":
            base = site.text(node.func.value) if isinstance(node.func, ast.Attribute) else text
            yield from site.replace(f"{site.text(node.func)}({text}, 1)", "guard", 1.2)
            yield from _guard(site, f"{text} not in {base}", 0.8)
        elif name in ("sqrt", "log", "log10", "log2"):
            yield from _guard(site, f"{operand(text, 7)} <= 0", 0.8)
            yield from site.replace(f"abs({text})", "guard", 0.5, node=first)
    elif isinstance(node, ast.stmt):
        statement_text = site.text()
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and ".split(" in statement_text:
            names = [site.text(e) for e in node.targets[0].elts]
            if len(names) >= 2 and "*" not in names[-1]:
                yield from site.replace(", ".join([*names[:-1], "*" + names[-1]]), "guard", 0.4, node=node.targets[0])


def _no_base_case(site: Site, clue: Clue) -> Iterator[Edit]:
    function = site.source.function(site.node)
    statement = site.source.statement(site.node)
    if function is None or statement is not site.node or statement not in function.body[:3]:
        return
    names = [a.arg for a in function.args.args if a.arg not in ("self", "cls")]
    for name in names[:4]:
        for condition in (
            f"not {name}",
            f"{name} <= 0",
            f"{name} <= 1",
            f"{name} is None",
            f"len({name}) <= 1",
            f"{name} < 0",
        ):
            for value in (*names[:2], "0", "1", "[]", "None", "''", "True", "False"):
                yield from lines.before(site, statement, f"if {condition}:\n\treturn {value}", "guard", 0.6)


def _bad_bytes(site: Site, clue: Clue) -> Iterator[Edit]:
    node = site.node
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if name not in ("decode", "open", "encode", "read_text", "write_text", "str"):
        return
    inner = [site.text(a) for a in node.args] + [f"{k.arg}={site.text(k.value)}" for k in node.keywords if k.arg]
    present = {k.arg for k in node.keywords}
    for extra, weight in (("errors='replace'", 1.0), ("errors='ignore'", 0.7), ("encoding='utf-8'", 1.1), ("encoding='latin-1'", 0.6),
                          ("encoding='utf-8-sig'", 0.5), ("encoding='utf-8', errors='replace'", 0.8)):  # fmt: skip
        if extra.split("=")[0] not in present:
            yield from site.replace(f"{site.text(node.func)}({', '.join([*inner, extra])})", "guard", weight)
    if name in ("decode", "encode") and node.args:
        for encoding in ("'utf-8'", "'latin-1'", "'utf-16'", "'cp1252'"):
            yield from site.replace(encoding, "guard", 0.9, node=node.args[0])


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
        inner = lines.reindented(site, node, "\t")  # type: ignore[arg-type]
        for leave, share in _leaves(site, node):
            if inner:
                yield from lines.swap_statement(
                    site, node, f"try:\n{inner}\nexcept {exception}:\n\t{leave}", "guard-catch", 0.3 * share
                )  # type: ignore[arg-type]


_BY_EXCEPTION = {
    "KeyError": (_missing_key,),
    "IndexError": (_bad_index,),
    "AttributeError": (_nothing, _unknown_attribute, _wrong_type),
    "TypeError": (_nothing, _wrong_type),
    "ZeroDivisionError": (_division,),
    "NameError": (_unknown_name,),
    "UnboundLocalError": (_unknown_name,),
    "ValueError": (_bad_value,),
    "RecursionError": (_no_base_case,),
    "UnicodeDecodeError": (_bad_bytes,),
    "UnicodeEncodeError": (_bad_bytes,),
    "StopIteration": (),
}
