"""Part of an expression instead of the whole, or an expression that already stands elsewhere in the file (a donor)."""

from __future__ import annotations

import ast
import builtins
import difflib
from collections.abc import Iterator
from functools import lru_cache

from nightshift.fixers.templates.families.mirrored import mirrored
from nightshift.fixers.templates.families.names import use
from nightshift.fixers.templates.site import Site, around, in_annotation, is_load, local_names, own_nodes
from nightshift.fixers.templates.source import Edit, Function, Source

_INSTEAD_OF_EMPTY = (
    ("[[]]", 0.35), ("{}", 0.3), ("set()", 0.3), ("''", 0.3), ("None", 0.3), ("0", 0.25), ("[0]", 0.2), ("['']", 0.15),
)  # fmt: skip
_AFAR, _COMPARED, _MOST = 5, 40, 200
_DONORS = (ast.Call, ast.Subscript, ast.BinOp, ast.Attribute)


def edits(site: Site) -> Iterator[Edit]:
    """Drop an operand, take a branch of a conditional expression, borrow an expression of the same use."""
    node = site.node
    if not isinstance(node, ast.expr) or in_annotation(site.source, node):
        return
    if isinstance(node, ast.BinOp):
        shift = isinstance(node.op, (ast.Add, ast.Sub)) and getattr(node.right, "value", None) in (1, -1)
        yield from site.replace(site.text(node.left), "sub-expression", 0.9 if shift else 0.45)
        yield from site.replace(site.text(node.right), "sub-expression", 0.4)
    elif isinstance(node, ast.IfExp):
        body, other, test = site.text(node.body), site.text(node.orelse), site.text(node.test)
        yield from site.replace(f"{other} if {test} else {body}", "branch-swap", 0.5)
        yield from site.replace(body, "sub-expression", 0.35)
        yield from site.replace(other, "sub-expression", 0.35)
    elif isinstance(node, ast.Compare) and len(node.ops) > 1:
        yield from _chains(site, node)
    elif isinstance(node, (ast.List, ast.Tuple, ast.Dict)) and is_load(node):
        yield from _containers(site, node)
    if isinstance(node, (*_DONORS, ast.Name)) and is_load(node) and site.place != "func":
        yield from _donors(site)


def _chains(site: Site, node: ast.Compare) -> Iterator[Edit]:
    first_end, last_start = site.source.span(node.comparators[-2])[1], site.source.span(node.left)[0]
    if site.source.exact(node):
        yield from site.replace(site.source.text[last_start:first_end], "sub-expression", 0.35)
        start, end = site.source.span(node.comparators[0])[0], site.source.span(node)[1]
        yield from site.replace(site.source.text[start:end], "sub-expression", 0.35)


def _containers(site: Site, node: ast.List | ast.Tuple | ast.Dict) -> Iterator[Edit]:
    if isinstance(node, ast.List) and not node.elts:
        for text, weight in _INSTEAD_OF_EMPTY:
            yield from site.replace(text, "empty-literal", weight)
    elif isinstance(node, ast.Dict) and not node.keys:
        for text in ("set()", "[]", "None"):
            yield from site.replace(text, "empty-literal", 0.3)
    elif isinstance(node, ast.List) and len(node.elts) == 1 and not isinstance(node.elts[0], ast.Starred):
        yield from site.replace("[]", "empty-literal", 0.3)
        yield from site.replace(site.text(node.elts[0]), "empty-literal", 0.3)
        yield from site.replace(f"list({site.text(node.elts[0])})", "empty-literal", 0.25)
    if isinstance(node, (ast.List, ast.Tuple)) and 1 < len(node.elts) <= 5 and site.source.exact(node):
        texts = [site.text(e) for e in node.elts]
        for at in range(len(texts)):
            rest = texts[:at] + texts[at + 1 :]
            start, end = site.source.span(node.elts[0])[0], site.source.span(node.elts[-1])[1]
            comma = "," if len(rest) == 1 and isinstance(node, ast.Tuple) else ""
            yield site.edit(start, end, ", ".join(rest) + comma, "element-drop", 0.2, f"drop `{texts[at]}`")


def _donors(site: Site) -> Iterator[Edit]:
    mine, own = use(site.source, site.node), site.text()
    scope = around(site)
    key = ("donors", scope)
    if key not in site.cache:
        site.cache[key] = [
            (use(site.source, n), site.text(n)) for n in own_nodes(scope)
            if isinstance(n, _DONORS) and is_load(n) and site.source.fields.get(n) != "func" and site.source.exact(n)
        ]  # fmt: skip
    pool: list[tuple[str, str]] = site.cache[key]  # type: ignore[assignment]
    options = {t: k == mine for k, t in pool if t != own and len(t) <= 60 and "\n" not in t}
    ranked = sorted(options, key=lambda t: (not options[t], -difflib.SequenceMatcher(None, t, own).quick_ratio()))
    for rank, text in enumerate(ranked[:12]):
        yield from site.replace(text, "donor", 0.3 * (1.0 if options[text] else 0.6) / (1 + 0.1 * rank))
    known = set(local_names(site))
    for rank, text in enumerate(t for t in options if options[t]):
        for turned in mirrored(text, known):
            if turned != own and turned not in options and _names(turned) & _names(own):
                yield from site.replace(turned, "donor", 0.5 / (1 + 0.15 * rank))
    yield from _from_afar(site, own, mine, {*options, own})


def _from_afar(site: Site, own: str, mine: str, known: set[str]) -> Iterator[Edit]:
    """Donors of the rest of the file, then of the other files: of the same use, made of names there are here."""
    if "donors" not in site.cache:
        site.cache["donors"] = ingredients(site.source)
    near: list[tuple[str, str]] = site.cache["donors"]  # type: ignore[assignment]
    far: list[tuple[str, str]] = site.cache.get("donors elsewhere", [])  # type: ignore[assignment]
    names = {*local_names(site), *_top(site)}
    for pool, weight in ((near, 0.2), (far, 0.14)):
        fits = [t for k, t in pool if k == mine and t not in known and _names(t) <= names]
        ranked = sorted(
            dict.fromkeys(fits[:_COMPARED]), key=lambda t: -difflib.SequenceMatcher(None, t, own).quick_ratio()
        )
        for rank, text in enumerate(ranked[:_AFAR]):
            yield from site.replace(text, "donor", weight / (1 + 0.1 * rank))


def ingredients(source: Source) -> list[tuple[str, str]]:
    """Use and text of the short expressions of a file, each once."""
    found = {
        (use(source, n), source.segment(n)): None
        for n in ast.walk(source.tree)
        if isinstance(n, _DONORS) and is_load(n) and source.fields.get(n) not in ("func", "annotation", "returns")
        and source.statement(n) is not None and source.exact(n)
    }  # fmt: skip
    return [(kind, text) for kind, text in found if len(text) <= 60 and "\n" not in text][:_MOST]


@lru_cache(maxsize=8192)
def _names(text: str) -> frozenset[str]:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return frozenset({text})
    return frozenset(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not hasattr(builtins, n.id))


def _top(site: Site) -> set[str]:
    """Names of the module, self included."""
    if "top" not in site.cache:
        made = [n.name for n in site.source.tree.body if isinstance(n, (*Function, ast.ClassDef))]
        imported = [
            (a.asname or a.name).split(".")[0] for n in site.source.tree.body
            if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names
        ]  # fmt: skip
        assigned = [n for n in site.source.tree.body if isinstance(n, (ast.Assign, ast.AnnAssign))]
        targets = [t for n in assigned for t in (n.targets if isinstance(n, ast.Assign) else [n.target])]
        at_top = [t.id for t in targets if isinstance(t, ast.Name)]
        site.cache["top"] = {*made, *imported, *at_top, "self"}
    names: set[str] = site.cache["top"]  # type: ignore[assignment]
    return names
