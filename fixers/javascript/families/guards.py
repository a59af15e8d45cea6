"""Guards against what crashes: undefined and null, missing defaults, empty lists, wrong types of values."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.fixers.javascript.site import Edit, Site, is_value, statement_of

_READING = ("Cannot read properties of undefined", "Cannot read properties of null", "Cannot read property")
_UNDEFINED = (*_READING, "is not iterable", "undefined or null", "Cannot destructure", "Cannot set properties of",
              "is not a function", "is undefined", "is null")  # fmt: skip
_CHAIN = ("member_expression", "subscript_expression", "call_expression")
_DEFAULTS = ("[]", "{}", "''", "0")


def optional_chain(site: Site) -> Iterator[Edit]:
    """`a.b` becomes `a?.b`, with and without a default behind it."""
    node = site.node
    if node.type not in ("member_expression", "subscript_expression"):
        return
    owner = site.field("object")
    parent = node.parent
    if owner is None or parent is None or owner.type in ("this", "super") or site.field("optional_chain") is not None:
        return
    target = parent.type in (
        "assignment_expression",
        "augmented_assignment_expression",
    ) and node == parent.child_by_field_name("left")
    if target or parent.type == "update_expression":
        return
    crashes = site.failing.says(*_UNDEFINED)
    link = "?." if node.type == "subscript_expression" else "?"
    notes = f"`{site.text(owner)}` may be missing"
    yield from site.insert(owner.end_byte, link, "optional-chain", 0.7 if crashes else 0.1, notes)
    if not crashes:
        return
    chain = node
    while chain.parent is not None and chain.parent.type in _CHAIN and (
        chain in (chain.parent.child_by_field_name("object"), chain.parent.child_by_field_name("function"))
    ):  # fmt: skip
        chain = chain.parent
    if chain.parent is None or not is_value(chain) or chain.parent.type == "expression_statement":
        return
    cut = owner.end_byte - chain.start_byte
    whole = site.text(chain).encode()
    text = whole[:cut].decode() + link + whole[cut:].decode()
    for rank, default in enumerate(dict.fromkeys((*_wanted(site), "0", "''", "[]", "false", "true", "null", "{}"))):
        made = f"{text} ?? {default}"
        bare = chain.parent.type in ("variable_declarator", "return_statement", "arguments", "assignment_expression",
                                     "pair",
                                     "arrow_function", "template_substitution", "array")  # fmt: skip
        yield from site.replace(made if bare else f"({made})", "optional-default", 0.6 - 0.03 * rank, node=chain)


def nullish(site: Site) -> Iterator[Edit]:
    """A value that may be missing gets a default: `e ?? []`."""
    node, parent = site.node, site.node.parent
    if (
        parent is None
        or not is_value(node)
        or node.type not in ("identifier", "member_expression", "subscript_expression", "call_expression")
    ):
        return
    crashes = site.failing.says(*_UNDEFINED)
    spread = parent.type == "spread_element"
    iterated = parent.type == "for_in_statement" or spread
    holder = parent.type in (
        "variable_declarator",
        "return_statement",
        "arguments",
        "assignment_expression",
        "pair",
        "arrow_function",
    )
    owner = parent.type in ("member_expression", "subscript_expression") and node == parent.child_by_field_name(
        "object"
    )
    operand = parent.type in ("binary_expression", "template_substitution", "augmented_assignment_expression")
    if not (iterated or holder or owner or operand) or (not crashes and not holder and not operand):
        return
    weight = 0.5 if crashes and (iterated or owner) else 0.3 if crashes else 0.14
    for rank, default in enumerate(dict.fromkeys((*_DEFAULTS, *(_wanted(site) if not iterated else ())))):
        made = f"{site.text()} ?? {default}"
        yield from site.replace(f"({made})" if owner or operand else made, "nullish-default", weight - 0.03 * rank)


def early_return(site: Site) -> Iterator[Edit]:
    """`if (!x) return …;` before a statement that uses x."""
    node = site.node
    if not statement_of(node) or site.function is None:
        return
    crashes = site.failing.says(*_UNDEFINED)
    values = dict.fromkeys(("", *_wanted(site), "undefined", "null", "false", "0", "''", "[]", "{}"))
    for subject in _subjects(site)[:6]:
        for rank, value in enumerate(values):
            tested = f"!{subject}"
            line = f"if ({tested}) return{f' {value}' if value else ''};"
            yield from _before(site, line, "early-return", (0.42 if crashes else 0.1) - 0.02 * rank)
        if crashes and any(n.type in ("for_in_statement", "for_statement", "while_statement") for n in _around(site)):
            yield from _before(site, f"if (!{subject}) continue;", "skip", 0.3)
    if crashes or site.failing.says("NaN", "Invalid array length", "empty array"):
        for subject in _subjects(site)[:4]:
            for rank, value in enumerate(values):
                line = f"if ({subject}.length === 0) return{f' {value}' if value else ''};"
                yield from _before(site, line, "early-return", 0.24 - 0.01 * rank)


def wrapped_statement(site: Site) -> Iterator[Edit]:
    """A call is made only when what it is made on is there."""
    node = site.node
    if node.type != "expression_statement" or not statement_of(node):
        return
    for subject in _subjects(site)[:4]:
        weight = 0.34 if site.failing.says(*_UNDEFINED) else 0.08
        yield from site.replace(f"if ({subject}) {site.text()}", "guarded-statement", weight)


def default_parameter(site: Site) -> Iterator[Edit]:
    """A parameter gets a default."""
    node, parent = site.node, site.node.parent
    if node.type not in ("identifier", "object_pattern", "array_pattern") or parent is None:
        return
    if parent.type == "formal_parameters":
        weight = 0.36 if site.failing.says(*_UNDEFINED) else 0.12
        for rank, default in enumerate(("{}", "[]", "''", "0", "1", "null", "true", "false", *_wanted(site))):
            yield from site.replace(f"{site.text()} = {default}", "default-parameter", weight - 0.02 * rank)


def reduce_start(site: Site) -> Iterator[Edit]:
    """`reduce` gets the value an empty list has."""
    node = site.node
    function, given = site.field("function"), site.field("arguments")
    if node.type != "call_expression" or function is None or given is None or given.type != "arguments":
        return
    name = function.child_by_field_name("property")
    if name is None or site.text(name) not in ("reduce", "reduceRight") or len(given.named_children) != 1:
        return
    weight = 0.7 if site.failing.says("empty array with no initial value") else 0.2
    only = given.named_children[0]
    for rank, start in enumerate(dict.fromkeys((*_wanted(site), "0", "''", "[]", "{}", "null", "1"))):
        made = f"({site.text(only)}, {start})"
        yield from site.replace(made, "reduce-start", weight - 0.03 * rank, node=given)


def _wanted(site: Site) -> tuple[str, ...]:
    return site.failing.expected[:5]


def _subjects(site: Site) -> list[str]:
    """What a statement takes members of: names and short chains."""
    from nightshift.fixers.javascript.grammar import FUNCTIONS

    found: dict[str, None] = {}
    todo = [site.node]
    while todo:
        node = todo.pop()
        if node.type in FUNCTIONS or (node is not site.node and node.type == "statement_block"):
            continue
        if node.type in ("member_expression", "subscript_expression"):
            owner = node.child_by_field_name("object")
            if owner is not None and owner.type in ("identifier", "member_expression") and len(site.text(owner)) <= 40:
                found.setdefault(site.text(owner))
        if node.type == "variable_declarator" and (value := node.child_by_field_name("value")) is not None:
            name = node.child_by_field_name("name")
            if name is not None and name.type == "object_pattern" and value.type in ("identifier", "member_expression"):
                found.setdefault(site.text(value))
        if node.type == "arguments":
            for given in node.named_children:
                if given.type == "identifier":
                    found.setdefault(site.text(given))
        todo.extend(node.named_children)
    return [
        text
        for text in found
        if text not in ("Math", "Object", "JSON", "Number", "String", "Array", "console", "Promise", "process")
    ]


def _around(site: Site) -> list:  # type: ignore[type-arg]
    found, at = [], site.node.parent
    while at is not None and at != site.function:
        found.append(at)
        at = at.parent
    return found


def _before(site: Site, line: str, template: str, weight: float) -> Iterator[Edit]:
    text = f"{line}\n{site.indent(site.node)}"
    yield from site.insert(site.node.start_byte, text, template, weight, f"add `{line}`")
