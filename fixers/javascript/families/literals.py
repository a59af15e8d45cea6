"""Wrong constants: numbers, texts, true and false, and values that are one too many or too few."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.fixers.javascript.site import Edit, Site, is_value

_ARITHMETIC = ("+", "-", "*", "/", "%", "**", "<<", ">>", ">>>", "&", "|", "^")


def constants(site: Site) -> Iterator[Edit]:
    """Another number: neighbours, signs, and the numbers this file and its tests write."""
    node = site.node
    if node.type == "number" and is_value(node):
        text = site.text()
        try:
            value = int(text, 0) if not text.lstrip("-").isdigit() else int(text)
        except ValueError:
            return
        near = dict.fromkeys([value + 1, value - 1, 0, 1, 2, -1, -value])
        for rank, other in enumerate(n for n in near if n != value):
            yield from site.replace(_number(other), "constant", 0.55 - 0.02 * rank)
        for other_text in _others(site, ("number",)):
            yield from site.replace(other_text, "constant", 0.38)
    elif node.type in ("true", "false"):
        yield from site.replace("false" if node.type == "true" else "true", "constant", 0.6)
    elif node.type == "string" and is_value(node):
        for other_text in (*_others(site, ("string",)), *(e for e in site.failing.expected if e[:1] in "'\"")):
            yield from site.replace(other_text, "constant", 0.22)


def off_by_one(site: Site) -> Iterator[Edit]:
    """`e` becomes `e + 1` or `e - 1`, and the other way round."""
    node, parent = site.node, site.node.parent
    if parent is None or not is_value(node):
        return
    if node.type == "binary_expression":
        right, left = site.field("right"), site.field("left")
        if right is not None and left is not None and site.text(right) == "1" and _operator(site) in ("+", "-"):
            yield from site.replace(site.text(left), "off-by-one", 0.5)
    if node.type not in ("identifier", "member_expression", "call_expression", "binary_expression"):
        return
    weight = _off_by_one_weight(site)
    if weight:
        text = site.text()
        enclosed = node.type == "binary_expression" and _operator(site) not in ("*", "/", "%", "**")
        multiplied = parent.type == "binary_expression" and _operator(site, parent) in ("*", "/", "%", "**")
        for sign in ("-", "+"):
            made = f"({text}) {sign} 1" if enclosed and multiplied else f"{text} {sign} 1"
            plain = parent.type in ("arguments", "subscript_expression", "variable_declarator",
                                    "parenthesized_expression",
                                    "template_substitution", "assignment_expression", "return_statement") or (
                parent.type == "binary_expression" and not multiplied)  # fmt: skip
            yield from site.replace(made if plain else f"({made})", "off-by-one", weight)


def _off_by_one_weight(site: Site) -> float:
    node, parent = site.node, site.node.parent
    if parent is None or node == parent.child_by_field_name("function"):
        return 0.0
    if parent.type == "subscript_expression" and node == parent.child_by_field_name("index"):
        return 0.5
    if parent.type == "binary_expression":
        return 0.42 if _operator(site, parent) in ("<", ">", "<=", ">=", *_ARITHMETIC) else 0.1
    if parent.type == "arguments":
        return 0.36
    if parent.type in ("variable_declarator", "assignment_expression", "return_statement", "ternary_expression"):
        return 0.3
    return 0.15 if parent.type in ("augmented_assignment_expression", "arrow_function", "pair") else 0.0


def empty_literal(site: Site) -> Iterator[Edit]:
    """`return null` becomes `return []`, `{}`, `''`, `0`, and what the tests expect."""
    node, parent = site.node, site.node.parent
    if parent is None or parent.type not in ("return_statement", "variable_declarator", "assignment_expression"):
        return
    if node.type not in ("null", "undefined", "array", "object", "string", "number", "identifier", "true", "false"):
        return
    if not is_value(node):
        return
    if node.type != "identifier":
        for other in ("[]", "{}", "''", "0", "null", "undefined", "true", "false", *site.failing.expected):
            yield from site.replace(other, "empty-literal", 0.16)
    elif parent.type == "return_statement":
        for other in site.failing.expected:
            yield from site.replace(other, "empty-literal", 0.08)


def _others(site: Site, kinds: tuple[str, ...]) -> list[str]:
    texts = dict.fromkeys(site.text(n) for n in site.source.nodes if n.type in kinds)
    return [text for text in texts if text != site.text() and len(text) <= 30][:16]


def _number(value: int) -> str:
    return str(value)


def _operator(site: Site, node: object = None) -> str:
    found = site.field("operator", node if node is not None else site.node)  # type: ignore[arg-type]
    return site.text(found) if found is not None else ""
