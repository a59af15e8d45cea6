"""Wrong names: variables, properties and methods mixed up, arguments in the wrong order."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nightshift.fixers.javascript.site import Edit, Site, is_value

if TYPE_CHECKING:
    from tree_sitter import Node

_SIBLINGS = (
    ("some", "every"), ("find", "filter"), ("find", "findLast"), ("indexOf", "lastIndexOf"), ("push", "unshift"),
    ("pop", "shift"), ("shift", "pop"), ("map", "flatMap"), ("map", "filter"), ("map", "forEach"), ("forEach", "map"),
    ("floor", "ceil"), ("ceil", "floor"), ("floor", "round"), ("round", "floor"), ("round", "ceil"), ("floor", "trunc"),
    ("trunc", "floor"), ("min", "max"), ("keys", "values"), ("values", "keys"), ("keys", "entries"),
    ("values", "entries"), ("splice", "slice"), ("slice", "splice"), ("startsWith", "endsWith"),
    ("startsWith", "includes"), ("padStart", "padEnd"), ("trimStart", "trimEnd"), ("toLowerCase", "toUpperCase"),
    ("replace", "replaceAll"), ("match", "matchAll"), ("getDate", "getDay"), ("getUTCDate", "getUTCDay"),
    ("getMonth", "getDate"), ("getFullYear", "getYear"), ("parseInt", "parseFloat"), ("charAt", "charCodeAt"),
    ("charCodeAt", "codePointAt"), ("isNaN", "isFinite"), ("all", "allSettled"), ("race", "any"), ("get", "has"),
    ("has", "get"), ("add", "delete"), ("setTimeout", "setInterval"), ("reduce", "reduceRight"),
    ("fromCharCode", "fromCodePoint"),
    ("getTime", "getTimezoneOffset"), ("sort", "toSorted"), ("reverse", "toReversed"), ("concat", "push"),
    ("assign", "freeze"), ("stringify", "parse"), ("hasOwn", "keys"), ("substring", "slice"), ("substr", "slice"),
    ("substr", "substring"), ("log10", "log2"), ("log2", "log10"), ("every", "some"), ("max", "min"),
    ("filter", "find"), ("unshift", "push"), ("lastIndexOf", "indexOf"), ("endsWith", "startsWith"),
    ("padEnd", "padStart"), ("toUpperCase", "toLowerCase"), ("includes", "startsWith"), ("includes", "endsWith"),
    ("entries", "values"), ("isFinite", "isNaN"), ("allSettled", "all"), ("getDay", "getDate"), ("ceil", "round"),
)  # fmt: skip
METHODS: dict[str, tuple[str, ...]] = {
    name: tuple(dict.fromkeys(b for a, b in _SIBLINGS if a == name)) for name, _ in _SIBLINGS
}


def variables(site: Site) -> Iterator[Edit]:
    """Another variable that can be seen here; near names first."""
    node = site.node
    if node.type != "identifier" or not is_value(node) or node.parent is None:
        return
    old, called = site.text(), node == node.parent.child_by_field_name("function")
    unknown = old not in site.names and site.failing.says(f"{old} is not defined")
    others = [name for name in site.names if name != old][:24]
    for rank, name in enumerate(others):
        near = difflib.SequenceMatcher(None, old, name).ratio() if unknown else 0.0
        weight = (0.3 + 0.4 * near) if unknown else (0.14 if called else 0.4 - 0.008 * rank)
        yield from site.replace(name, "variable", weight)


def members(site: Site) -> Iterator[Edit]:
    """A variable instead of a member, a member of the same object instead of another, sibling methods."""
    node = site.node
    if node.type in ("property_identifier", "private_property_identifier"):
        yield from _property(site)
    elif node.type == "identifier" and node.parent is not None and node == node.parent.child_by_field_name("function"):
        for other in METHODS.get(site.text(), ()):
            yield from site.replace(other, "function", 0.4)
    elif node.type == "member_expression" and is_value(node) and not _is_called(node):
        for name in site.names[:6]:
            yield from site.replace(name, "expression-to-variable", 0.1)


def _is_called(node: Node) -> bool:
    return node.parent is not None and node == node.parent.child_by_field_name("function")


def _property(site: Site) -> Iterator[Edit]:
    parent = site.node.parent
    if parent is None or parent.type != "member_expression":
        return
    old = site.text()
    called = parent.parent is not None and parent == parent.parent.child_by_field_name("function")
    for rank, other in enumerate(METHODS.get(old, ())):
        yield from site.replace(other, "function", 0.42 - 0.02 * rank)
    owner = parent.child_by_field_name("object")
    owned = site.text(owner) if owner is not None else ""
    missing = site.failing.says(f"{old} is not a function", f"reading '{old}'", f"undefined (reading '{old}'")
    for name, same in _properties(site.source.nodes, site, owned, called):
        if name != old:
            near = difflib.SequenceMatcher(None, old, name).ratio()
            yield from site.replace(
                name, "property", (0.34 if same else 0.12) + (0.25 * near if missing else 0.06 * near)
            )


def _properties(nodes: list[Node], site: Site, owner: str, called: bool) -> list[tuple[str, bool]]:
    """Property names of this file with whether the same object is asked for them; calls for calls."""
    found: dict[str, bool] = {}
    for node in nodes:
        if node.type in ("property_identifier", "private_property_identifier") and node.parent is not None:
            parent, name = node.parent, site.text(node)
            if parent.type == "member_expression":
                is_call = parent.parent is not None and parent == parent.parent.child_by_field_name("function")
                if is_call == called:
                    of = parent.child_by_field_name("object")
                    found[name] = found.get(name, False) or (of is not None and site.text(of) == owner)
            elif (parent.type == "method_definition") == called:
                found[name] = found.get(name, False) or owner == "this"
    return list(found.items())[:40]


def arguments(site: Site) -> Iterator[Edit]:
    """Two arguments change places, one is left out, one is added."""
    if site.node.type != "arguments":
        return
    given = [n for n in site.node.named_children if n.type != "comment"]
    texts = [site.text(n) for n in given]
    for i, j in itertools.combinations(range(len(texts)), 2):
        swapped = list(texts)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        yield from site.replace(f"({', '.join(swapped)})", "argument-swap", 0.34 if j == i + 1 else 0.26)
    if len(texts) > 1:
        for i in range(len(texts)):
            yield from site.replace(f"({', '.join(texts[:i] + texts[i + 1 :])})", "argument-drop", 0.1)
    if len(texts) <= 2 and all(len(t) <= 60 for t in texts):
        for name in (*site.names[:8], "1", "0", "10"):
            if name not in texts:
                yield from site.replace(f"({', '.join([*texts, name])})", "argument-add", 0.1)


def unwrapped(site: Site) -> Iterator[Edit]:
    """A call becomes its only argument, or the object it is called on."""
    node, parent = site.node, site.node.parent
    if node.type != "call_expression" or parent is None or not is_value(node) or parent.type == "expression_statement":
        return
    given, function = site.field("arguments"), site.field("function")
    if given is not None and given.type == "arguments" and len(given.named_children) == 1:
        yield from site.replace(site.text(given.named_children[0]), "call-unwrap", 0.16)
    if function is not None and function.type == "member_expression":
        yield from site.replace(site.text(function.child_by_field_name("object")), "call-unwrap", 0.16)


def indexed(site: Site) -> Iterator[Edit]:
    """Another index: the first, the last, a variable."""
    node = site.node
    if node.type != "subscript_expression":
        return
    index, owner = site.field("index"), site.field("object")
    if index is None or owner is None:
        return
    for other in ("0", "1", f"{site.text(owner)}.length - 1"):
        yield from site.replace(other, "element", 0.2, node=index)
