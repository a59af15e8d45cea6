"""Calls gone wrong: another function was meant, arguments swapped, missing or too many, a wrapper too few or many."""

from __future__ import annotations

import ast
import difflib
import itertools
from collections.abc import Iterator

from nightshift.fixers.templates.families.names import uses
from nightshift.fixers.templates.site import Site, in_annotation, is_load, local_names, operand
from nightshift.fixers.templates.source import Edit, Function

_FAMILIES = (
    "min max", "any all", "sorted reversed list", "list tuple set sorted", "int float round", "str repr",
    "floor ceil round trunc", "append extend", "append add", "append insert", "append appendleft", "pop popleft",
    "add discard remove update", "lstrip rstrip strip", "lower upper casefold title capitalize swapcase",
    "startswith endswith", "find rfind index rindex", "split rsplit splitlines", "partition rpartition",
    "keys values items", "get setdefault pop", "issubset issuperset isdisjoint",
    "union intersection difference symmetric_difference", "isdigit isalpha isalnum isnumeric isspace isdecimal",
    "isupper islower istitle", "removeprefix removesuffix lstrip rstrip", "days seconds total_seconds",
    "now utcnow today", "isoformat strftime", "isoweekday weekday", "encode decode", "read readline readlines",
    "match search fullmatch", "findall finditer", "heappush heappop heappushpop heapreplace", "nlargest nsmallest",
    "bisect bisect_left bisect_right", "insort insort_left insort_right", "zip zip_longest",
    "combinations permutations combinations_with_replacement product", "ljust rjust center zfill", "deepcopy copy",
    "loads dumps load dump", "sum max min len", "most_common elements", "mean median mode", "log log2 log10",
    "sin cos tan", "isinstance issubclass", "sort reverse", "timestamp timetuple", "setdefault update", "ord chr",
    "map filter", "range enumerate", "hex oct bin",
)  # fmt: skip
_KIN: dict[str, list[str]] = {}
for _family in _FAMILIES:
    for _name in _family.split():
        _KIN.setdefault(_name, []).extend(n for n in _family.split() if n != _name and n not in _KIN.get(_name, []))
_WRAPPED_IN = (
    ast.Return, ast.Assign, ast.Call, ast.Compare, ast.BinOp, ast.For, ast.comprehension, ast.AugAssign, ast.keyword,
    ast.Subscript, ast.FormattedValue, ast.Dict, ast.Tuple, ast.List, ast.UnaryOp, ast.BoolOp, ast.If, ast.While,
    ast.IfExp,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
_WRAPS = (
    "len",
    "abs",
    "int",
    "str",
    "list",
    "sorted",
    "set",
    "sum",
    "max",
    "min",
    "float",
    "tuple",
    "reversed",
    "bool",
    "round",
    "dict",
)
_OPTIONS = {
    "sorted": ("reverse=True", "key=len"), "sort": ("reverse=True",), "max": ("default=0", "key=len"),
    "min": ("default=0", "key=len"), "split": ("maxsplit=1",), "open": ("encoding='utf-8'", "newline=''"),
    "dumps": ("sort_keys=True", "ensure_ascii=False", "default=str"), "decode": ("errors='replace'",),
    "enumerate": ("start=1",), "zip": ("strict=True",), "parse_qs": ("keep_blank_values=True",),
}  # fmt: skip
_TAKERS = ("tuple", "list", "set", "sum", "max", "min", "sorted", "join", "frozenset", "any", "all")
_WRAP_WEIGHT = {
    "abs": 0.35,
    "int": 0.35,
    "str": 0.35,
    "list": 0.35,
    "sorted": 0.35,
    "set": 0.3,
    "len": 0.3,
    "reversed": 0.25,
}


def edits(site: Site) -> Iterator[Edit]:
    """Replace, swap, drop, wrap, unwrap."""
    node = site.node
    if not isinstance(node, ast.expr) or in_annotation(site.source, node) or not is_load(node):
        return
    if isinstance(node, ast.Call):
        yield from _replace_function(site, node)
        yield from _arguments(site, node)
        yield from _keywords(site, node)
        yield from _unwrap(site, node)
    yield from _wrap(site)
    yield from _extend(site)


def _replace_function(site: Site, node: ast.Call) -> Iterator[Edit]:
    if isinstance(node.func, ast.Attribute):
        name = node.func.attr
        base = site.text(node.func.value)
        for rank, other in enumerate(_KIN.get(name, [])):
            yield from site.replace(f"{base}.{other}", "function", 0.55 / (1 + 0.15 * rank), node=node.func)
        if base in ("self", "cls"):
            for rank, other in enumerate(_methods(site, name)[:10]):
                yield from site.replace(f"{base}.{other}", "function", 0.45 / (1 + 0.12 * rank), node=node.func)
        if name == "pop" and not node.args:
            yield from site.replace(f"{base}.pop(0)", "function", 0.5)
        elif name == "pop" and len(node.args) == 1:
            yield from site.replace(f"{base}.pop()", "function", 0.5)
        elif name == "append" and len(node.args) == 1:
            yield from site.replace(f"{base}.insert(0, {site.text(node.args[0])})", "function", 0.35)
        elif name == "insert" and len(node.args) == 2:
            yield from site.replace(f"{base}.append({site.text(node.args[1])})", "function", 0.55)
        elif name == "split" and node.args:
            yield from site.replace(f"{base}.split()", "function", 0.35)
        elif name == "split":
            yield from site.replace(f"{base}.split(' ')", "function", 0.25)
    elif isinstance(node.func, ast.Name):
        name = node.func.id
        same_file = _functions(site, name, len(node.args))
        for rank, other in enumerate([*_KIN.get(name, []), *same_file][:14]):
            yield from site.replace(other, "function", 0.55 / (1 + 0.12 * rank), node=node.func)


def _functions(site: Site, name: str, arguments: int) -> list[str]:
    """Functions of the same file that take as many arguments, most similar name first."""
    found = [
        n.name for n in site.source.tree.body
        if isinstance(n, Function) and n.name != name
        and len(n.args.args) - len(n.args.defaults) <= arguments <= len(n.args.args)
    ]  # fmt: skip
    return sorted(found, key=lambda n: -difflib.SequenceMatcher(None, n, name).ratio())[:8]


def _methods(site: Site, name: str) -> list[str]:
    current: ast.AST | None = site.node
    while current is not None and not isinstance(current, ast.ClassDef):
        current = site.source.parents.get(current)
    if current is None:
        return []
    found = [n.name for n in current.body if isinstance(n, Function) and n.name != name and not n.name.startswith("__")]
    return sorted(found, key=lambda n: -difflib.SequenceMatcher(None, n, name).ratio())


def _arguments(site: Site, node: ast.Call) -> Iterator[Edit]:
    arguments = node.args
    if any(isinstance(a, (ast.Starred, ast.GeneratorExp)) for a in arguments) or not site.source.exact(node):
        return
    texts = [site.text(a) for a in arguments]
    for left in range(len(texts)):
        for right in range(left + 1, min(len(texts), left + 3)):
            if texts[left] == texts[right]:
                continue
            new = list(texts)
            new[left], new[right] = new[right], new[left]
            yield _span_edit(
                site, arguments, new, "argument-swap", 0.6, f"swap the arguments `{texts[left]}` and `{texts[right]}`"
            )
    if len(texts) > 1 and not node.keywords:
        for at in range(len(texts)):
            rest = texts[:at] + texts[at + 1 :]
            yield _span_edit(site, arguments, rest, "argument-drop", 0.3, f"don't pass `{texts[at]}`")
    yield from _own_recursion(site, node, texts)


def _span_edit(site: Site, arguments: list[ast.expr], new: list[str], template: str, weight: float, note: str) -> Edit:
    start, end = site.source.span(arguments[0])[0], site.source.span(arguments[-1])[1]
    return site.edit(start, end, ", ".join(new), template, weight, note)


def by_name(site: Site) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """The file's functions and methods by name."""
    if "functions" not in site.cache:
        site.cache["functions"] = {n.name: n for n in ast.walk(site.source.tree) if isinstance(n, Function)}
    found: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = site.cache["functions"]  # type: ignore[assignment]
    return found


def _own_recursion(site: Site, node: ast.Call, texts: list[str]) -> Iterator[Edit]:
    """A recursive call, or one of a function of this file, that forgets a parameter."""
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    callee = by_name(site).get(name)
    if callee is None:
        return
    parameters = [a.arg for a in callee.args.args if a.arg not in ("self", "cls")]
    given = {k.arg for k in node.keywords}
    missing = [p for p in parameters[len(texts) :] if p not in given]
    for parameter in missing[:3]:
        for value in [parameter, *(n for n in local_names(site) if n != parameter)][:5]:
            if value in local_names(site):
                new = ", ".join(
                    [*texts, *(site.text(k.value) and f"{k.arg}={site.text(k.value)}" for k in node.keywords if k.arg)]
                )
                joined = f"{new}, {parameter}={value}" if new else f"{parameter}={value}"
                weight = 0.6 if value == parameter else 0.25
                yield from site.replace(f"{site.text(node.func)}({joined})", "argument-add", weight)


def _keywords(site: Site, node: ast.Call) -> Iterator[Edit]:
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    present = {k.arg for k in node.keywords}
    yield from _swapped_keywords(site, node)
    for word in node.keywords:
        if word.arg and site.source.exact(node) and len(node.keywords) + len(node.args) > 1:
            yield from _drop_keyword(site, node, word)
    for option in _OPTIONS.get(name, ()):
        if (option.split("=")[0] not in present and node.args) or name in ("sort", "split"):
            inner = [site.text(a) for a in node.args] + [
                f"{k.arg}={site.text(k.value)}" for k in node.keywords if k.arg
            ]
            if not any(isinstance(a, ast.GeneratorExp) for a in node.args):
                yield from site.replace(f"{site.text(node.func)}({', '.join([*inner, option])})", "argument-add", 0.35)
    if (
        name == "sorted"
        and len(node.args) == 1
        and "key" not in present
        and not isinstance(node.args[0], ast.GeneratorExp)
    ):
        for key in ("lambda item: item[1]", "lambda item: item[0]", "lambda item: -item[1]", "str.lower"):
            yield from site.replace(f"sorted({site.text(node.args[0])}, key={key})", "argument-add", 0.2)


def _swapped_keywords(site: Site, node: ast.Call) -> Iterator[Edit]:
    """`f(a=x, b=y)` as `f(a=y, b=x)`."""
    words = [k for k in node.keywords if k.arg]
    if not site.source.exact(node):
        return
    for one, other in itertools.pairwise(words):
        (s1, e1), (s2, e2) = site.source.span(one.value), site.source.span(other.value)
        a, b = site.text(one.value), site.text(other.value)
        if a != b:
            text = b + site.source.text[e1:s2] + a
            yield site.edit(s1, e2, text, "argument-swap", 0.5, f"swap the values of `{one.arg}` and `{other.arg}`")


def _drop_keyword(site: Site, node: ast.Call, word: ast.keyword) -> Iterator[Edit]:
    inner = [site.text(a) for a in node.args]
    inner += [f"{k.arg}={site.text(k.value)}" for k in node.keywords if k.arg and k is not word]
    if all(k.arg for k in node.keywords) and not any(isinstance(a, ast.GeneratorExp) for a in node.args):
        yield from site.replace(f"{site.text(node.func)}({', '.join(inner)})", "argument-drop", 0.35)


def _unwrap(site: Site, node: ast.Call) -> Iterator[Edit]:
    """`f(x)` as `x`, `x.m()` as `x`."""
    if isinstance(site.parent, ast.Expr):
        return
    for argument in node.args[:2]:
        if not isinstance(argument, (ast.GeneratorExp, ast.Starred)):
            yield from site.replace(site.text(argument), "unwrap", 0.35)
    if isinstance(node.func, ast.Attribute):
        yield from site.replace(site.text(node.func.value), "unwrap", 0.35)


def _wrap(site: Site) -> Iterator[Edit]:
    node, parent, place = site.node, site.parent, site.place
    if (
        isinstance(node, (ast.Constant, ast.Starred, ast.GeneratorExp, ast.Lambda, ast.Slice, ast.JoinedStr))
        or place == "func"
    ):
        return
    if not isinstance(parent, _WRAPPED_IN):
        return
    if isinstance(parent, ast.Subscript) and place == "value":
        return
    text = site.text()
    base = 1.0 if isinstance(parent, (ast.Return, ast.Assign, ast.Compare, ast.BinOp, ast.For)) else 0.6
    for name in _WRAPS:
        if not text.startswith(f"{name}("):
            yield from site.replace(f"{name}({text})", "wrap", base * _WRAP_WEIGHT.get(name, 0.2))
    if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
        for method in (
            "strip()",
            "lower()",
            "upper()",
            "copy()",
            "split()",
            "items()",
            "keys()",
            "values()",
            "rstrip()",
            "encode()",
            "decode()",
        ):
            yield from site.replace(
                f"{text}.{method}", "wrap", base * (0.28 if method in ("strip()", "lower()", "copy()") else 0.15)
            )
    yield from _each_converted(site, node, text, base)
    yield from site.replace(f"-{operand(text, 13)}", "wrap", base * 0.3)
    if not isinstance(node, (ast.List, ast.Tuple, ast.Dict)):
        yield from site.replace(f"[{text}]", "wrap", base * 0.2)


def _each_converted(site: Site, node: ast.AST, text: str, base: float) -> Iterator[Edit]:
    """`tuple(parts)` as `tuple(map(int, parts))`, `x.split()` as `list(map(int, x.split()))`."""
    parent = site.parent
    if isinstance(parent, ast.Call) and site.place == "args" and len(parent.args) == 1:
        taker = getattr(parent.func, "id", getattr(parent.func, "attr", ""))
        if taker in _TAKERS:
            for kind in ("str", "int", "float") if taker == "join" else ("int", "float", "str"):
                yield from site.replace(f"map({kind}, {text})", "wrap", 0.45 if kind in ("int", "str") else 0.3)
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("split", "splitlines", "findall", "groups"):
        for kind, weight in (("int", 0.4), ("float", 0.25)):
            yield from site.replace(f"list(map({kind}, {text}))", "wrap", base * weight)


def _concat(site: Site, names: list[str], known: dict[str, set[str]], base: float) -> Iterator[Edit]:
    """`e + v[k:]` for the containers and indexes of the function."""
    if not isinstance(site.parent, (ast.Return, ast.Assign)):
        return
    containers = [n for n in names if "container" in known.get(n, set())][:4]
    indexes = [n for n in names if known.get(n, set()) & {"index", "arithmetic"} and n not in containers][:4]
    for container in containers:
        for index in indexes:
            yield from site.replace(f"{operand(site.text())} + {container}[{index}:]", "extend", 0.42 * base)


def _is_element(site: Site, node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return False
    return isinstance(node, (ast.Subscript, ast.Attribute)) and is_load(node) and site.source.fields.get(node) != "func"


def _limited(site: Site, text: str, base: float) -> Iterator[Edit]:
    """`max(e, x[i])` and `min(e, x[i])` for elements the statement or its condition already looks at."""
    statement = site.source.statement(site.node)
    near = [
        n for n in (statement, site.source.parents.get(statement) if statement else None) if isinstance(n, ast.stmt)
    ]
    tests = [
        n.test if isinstance(n, (ast.If, ast.While)) else n for n in near if not isinstance(n, (ast.For, *Function))
    ]
    found = dict.fromkeys(site.text(n) for t in tests for n in ast.walk(t) if _is_element(site, n))
    for rank, other in enumerate([o for o in found if o != text and len(o) <= 40][:6]):
        fade = base / (1 + 0.1 * rank)
        yield from site.replace(f"max({other}, {text})", "wrap-limit", 0.4 * fade)
        yield from site.replace(f"min({other}, {text})", "wrap-limit", 0.35 * fade)


def _extend(site: Site) -> Iterator[Edit]:
    """`e op v` with names in scope, `max(e, v)`, `min(e, v)`."""
    node, parent = site.node, site.parent
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp)) or site.place == "func":
        return
    if not isinstance(
        parent,
        (ast.Return, ast.Assign, ast.AugAssign, ast.Compare, ast.Call, ast.BinOp, ast.Tuple, ast.Slice, ast.Subscript),
    ):
        return
    if isinstance(parent, ast.Subscript) and site.place == "value":
        return
    text = site.text()
    base = 1.0 if isinstance(parent, (ast.Return, ast.Assign, ast.AugAssign)) else 0.6
    known = uses(site)
    names = [n for n in local_names(site) if n not in ("self", "cls", text)]
    ranked = sorted(names, key=lambda n: "arithmetic" not in known.get(n, set()))[:7]
    for rank, name in enumerate(ranked):
        fade = base / (1 + 0.12 * rank)
        for symbol, weight in (("+", 0.3), ("-", 0.28), ("*", 0.22), ("//", 0.1), ("%", 0.14), ("/", 0.1)):
            yield from site.replace(f"{operand(text, 12)} {symbol} {name}", "extend", weight * fade)
        yield from site.replace(f"max({text}, {name})", "wrap-limit", 0.22 * fade)
        yield from site.replace(f"min({text}, {name})", "wrap-limit", 0.22 * fade)
    yield from _concat(site, names, known, base)
    yield from _limited(site, text, base)
    for limit in ("max({}, 0)", "max({}, 1)", "min({}, 0)", "min({}, 1)"):
        yield from site.replace(limit.format(text), "wrap-limit", 0.25 * base if "max" in limit else 0.12 * base)
    for symbol in (
        "* 2",
        "// 2",
        "/ 2",
        "% 2",
        "* 100",
        "/ 100",
        "* 1000",
        "/ 1000",
        "* 60",
        "/ 60",
        "or 1",
        "or 0",
        "or []",
        "or ''",
    ):
        yield from site.replace(f"{operand(text, 12)} {symbol}", "extend", 0.15 * base)
