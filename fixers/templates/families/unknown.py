"""Names and attributes that do not exist: the nearest one that does, an import, a first value."""

from __future__ import annotations

import ast
import builtins
import difflib
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.families.names import attributes_of, known_fields
from nightshift.fixers.templates.site import Clue, Site, local_names, own_nodes
from nightshift.fixers.templates.source import Edit, Function

_QUOTED = re.compile(r"'([^']*)'")
_MODULES = (
    "re", "os", "sys", "json", "math", "time", "datetime", "random", "itertools", "functools", "collections", "copy",
    "logging", "string", "decimal", "operator", "hashlib", "heapq", "bisect", "uuid", "csv", "io", "pathlib",
    "statistics", "textwrap", "contextlib",
)  # fmt: skip
_MEMBERS = {
    name: module
    for module, members in {
        "collections": "defaultdict Counter OrderedDict deque namedtuple",
        "contextlib": "contextmanager suppress",
        "copy": "deepcopy",
        "dataclasses": "dataclass field replace",
        "datetime": "timedelta date timezone",
        "decimal": "Decimal",
        "enum": "Enum",
        "fractions": "Fraction",
        "functools": "partial reduce lru_cache wraps",
        "itertools": "chain groupby product",
        "math": "sqrt ceil floor",
        "pathlib": "Path",
        "typing": "Optional Any",
    }.items()
    for name in members.split()
}


def unknown_name(site: Site, clue: Clue) -> Iterator[Edit]:
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
    inner = Site(site.source, first, site.clues, site.expected, site.cache)
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


def _import(site: Site, wanted: str) -> Iterator[Edit]:
    code = (
        f"import {wanted}"
        if wanted in _MODULES
        else f"from {_MEMBERS[wanted]} import {wanted}"
        if wanted in _MEMBERS
        else ""
    )
    body = [s for s in site.source.tree.body if getattr(s, "module", "") != "__future__"]
    imports = [s for s in body if isinstance(s, (ast.Import, ast.ImportFrom))]
    others = [s for s in body if not isinstance(s, ast.Expr)]
    target = next(iter([*imports, *others]), None)
    if code and target is not None:
        yield from lines.before(site, target, code, "name", 1.4)


def unknown_attribute(site: Site, clue: Clue) -> Iterator[Edit]:
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


def misspelt_key(site: Site, _: Clue) -> Iterator[Edit]:
    """A literal key that almost is one that the file writes elsewhere."""
    node = site.node
    if (
        not isinstance(node, ast.Constant)
        or not isinstance(node.value, str)
        or not isinstance(site.parent, ast.Subscript)
    ):
        return
    strings = [n.value for n in ast.walk(site.source.tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    words = [n.arg for n in ast.walk(site.source.tree) if isinstance(n, ast.keyword) and n.arg]
    pool = [w for w in dict.fromkeys([*strings, *words, *site.words]) if w != node.value]
    for rank, word in enumerate(difflib.get_close_matches(node.value, pool, n=5, cutoff=0.5)):
        yield from site.replace(repr(word), "name", 1.3 / (1 + 0.2 * rank))
