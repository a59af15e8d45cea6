"""Wrong operators: comparisons, arithmetic, logic, negations, and parts of expressions too many."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.fixers.javascript.site import Edit, Site, is_value

_COMPARISONS = {
    "<": ("<=", ">", ">="), "<=": ("<", ">=", ">"), ">": (">=", "<", "<="), ">=": (">", "<=", "<"),
    "===": ("!==", "==", ">=", "<="), "!==": ("===", "!=", ">", "<"), "==": ("===", "!=", ">=", "<="),
    "!=": ("!==", "==", ">", "<"), "instanceof": ("in",), "in": ("instanceof",),
}  # fmt: skip
_ARITHMETIC = {
    "+": ("-", "*"), "-": ("+", "*", "/"), "*": ("/", "+", "-", "**"), "/": ("*", "-", "%"), "%": ("/", "*"),
    "**": ("*",), "&": ("|", "^"), "|": ("&", "^"), "^": ("&", "|"), "<<": (">>",), ">>": ("<<", ">>>"),
    ">>>": (">>", "<<"),
}  # fmt: skip
_LOGIC = {"||": ("??", "&&"), "&&": ("||", "??"), "??": ("||",)}
_ASSIGN = {
    "+=": ("-=", "="),
    "-=": ("+=", "="),
    "*=": ("/=", "+="),
    "/=": ("*=", "-="),
    "||=": ("??=",),
    "&&=": ("||=",),
}


def operators(site: Site) -> Iterator[Edit]:
    """Another operator between the same operands."""
    if site.node.type not in ("binary_expression", "augmented_assignment_expression"):
        return
    node = site.field("operator")
    if node is None:
        return
    old = site.text(node)
    for table, template, weight in (
        (_COMPARISONS, "comparison", 0.6), (_ARITHMETIC, "binary-operator", 0.5), (_LOGIC, "logical-operator", 0.5),
        (_ASSIGN, "assignment-operator", 0.35),
    ):  # fmt: skip
        for rank, other in enumerate(table.get(old, ())):
            yield from site.replace(other, template, weight - 0.08 * rank, f"write `{other}` instead of `{old}`", node)


def update(site: Site) -> Iterator[Edit]:
    """`x++` becomes `x--`; `++` before and after."""
    if site.node.type == "update_expression":
        text = site.text()
        yield from site.replace(text.replace("++", "--") if "++" in text else text.replace("--", "++"), "update", 0.3)
        if text.endswith(("++", "--")):
            yield from site.replace(text[-2:] + text[:-2], "update", 0.2)
        else:
            yield from site.replace(text[2:] + text[:2], "update", 0.2)


def negation(site: Site) -> Iterator[Edit]:
    """A condition and its opposite."""
    node = site.node
    if node.type == "unary_expression" and is_value(node):
        argument, operator = site.field("argument"), site.field("operator")
        if argument is not None and operator is not None and site.text(operator) in ("!", "-"):
            yield from site.replace(site.text(argument), "negation", 0.42)
        return
    parent = node.parent
    if parent is None or not is_value(node):
        return
    decides = parent.type == "parenthesized_expression" and parent.parent is not None and parent.parent.type in (
        "if_statement", "while_statement", "do_statement",
    )  # fmt: skip
    ternary = parent.type == "ternary_expression" and node == parent.child_by_field_name("condition")
    operand = parent.type == "binary_expression" and site.text(parent.child_by_field_name("operator")) in ("&&", "||")
    if decides or ternary or operand or parent.type == "return_statement":
        simple = node.type in ("identifier", "call_expression", "member_expression", "parenthesized_expression")
        weight = 0.34 if decides or ternary else 0.16
        yield from site.replace(f"!{site.text()}" if simple else f"!({site.text()})", "negation", weight)


def subexpression(site: Site) -> Iterator[Edit]:
    """A binary expression becomes one of its sides; its sides are swapped; grouping is moved."""
    node = site.node
    if node.type == "ternary_expression" and is_value(node):
        yes, no = site.field("consequence"), site.field("alternative")
        if yes is not None and no is not None:
            yield from _swap(site, yes, no, "swapped-branches", 0.45)
            yield from site.replace(site.text(yes), "sub-expression", 0.15)
            yield from site.replace(site.text(no), "sub-expression", 0.15)
    if node.type != "binary_expression" or not is_value(node):
        return
    left, right, operator = site.field("left"), site.field("right"), site.field("operator")
    if left is None or right is None or operator is None:
        return
    sign = site.text(operator)
    logical = sign in ("&&", "||", "??")
    for side in (left, right):
        yield from site.replace(site.text(side), "sub-expression", 0.26 if logical else 0.2)
    if sign in ("-", "/", "%", "<", ">", "<=", ">=", "**", "+"):
        made = f"{site.text(right)} {sign} {site.text(left)}"
        yield from site.replace(made, "operand-swap", 0.3 if sign != "+" else 0.08)
    yield from _regrouped(site, sign)


def _regrouped(site: Site, sign: str) -> Iterator[Edit]:
    left, right = site.field("left"), site.field("right")
    assert left is not None
    assert right is not None
    if left.type == "binary_expression":
        a, b = left.child_by_field_name("left"), left.child_by_field_name("right")
        inner = left.child_by_field_name("operator")
        if a is not None and b is not None and inner is not None:
            made = f"{site.text(a)} {site.text(inner)} ({site.text(b)} {sign} {site.text(right)})"
            yield from site.replace(made, "grouping", 0.22)
    if right.type == "binary_expression":
        a, b = right.child_by_field_name("left"), right.child_by_field_name("right")
        inner = right.child_by_field_name("operator")
        if a is not None and b is not None and inner is not None:
            made = f"({site.text(left)} {sign} {site.text(a)}) {site.text(inner)} {site.text(b)}"
            yield from site.replace(made, "grouping", 0.22)


def swapped_if(site: Site) -> Iterator[Edit]:
    """The two branches of an `if` change places."""
    node = site.node
    if node.type != "if_statement":
        return
    yes, other = site.field("consequence"), site.field("alternative")
    no = other.named_children[0] if other is not None and other.named_children else None
    if yes is not None and no is not None and no.type != "if_statement" and yes.type == no.type:
        yield from _swap(site, yes, no, "swapped-branches", 0.34)


def _swap(site: Site, first: object, second: object, template: str, weight: float) -> Iterator[Edit]:
    a, b = first, second
    data = site.source.data
    between = data[a.end_byte : b.start_byte].decode()  # type: ignore[attr-defined]
    text = site.text(b) + between + site.text(a)  # type: ignore[arg-type]
    yield Edit(site.source.path, a.start_byte, b.end_byte, text, template, weight, "swap the two branches",  # type: ignore[attr-defined]
               a.start_point[0] + 1)  # type: ignore[attr-defined]  # fmt: skip


def extended(site: Site) -> Iterator[Edit]:
    """A condition gets another case, made of comparisons this function writes already."""
    node, parent = site.node, site.node.parent
    if parent is None or not is_value(node) or site.statement is None:
        return
    condition = parent.type == "parenthesized_expression" and parent.parent is not None and parent.parent.type in (
        "if_statement", "while_statement",
    )  # fmt: skip
    if not condition and not (parent.type == "return_statement" and node.type == "binary_expression"):
        return
    text = site.text()
    for other in _comparisons(site):
        for sign in ("||", "&&"):
            left = f"({text})" if node.type in ("ternary_expression",) or (sign == "&&" and "||" in text) else text
            yield from site.replace(f"{left} {sign} {other}", "condition-extend", 0.12)


def _comparisons(site: Site) -> list[str]:
    from nightshift.fixers.javascript.grammar import walk

    scope = site.function or site.source.root
    numbers = dict.fromkeys(site.text(n) for n in site.source.nodes if n.type == "number")
    found: dict[str, None] = {}
    for node in walk(scope):
        operator = node.child_by_field_name("operator") if node.type == "binary_expression" else None
        sign = site.text(operator) if operator is not None else ""
        if sign not in _COMPARISONS:
            continue
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            continue
        for other in dict.fromkeys((sign, {"===": "!==", "!==": "==="}.get(sign, sign))):
            found.setdefault(f"{site.text(left)} {other} {site.text(right)}")
            if left.type == "binary_expression":
                a, mid = left.child_by_field_name("left"), left.child_by_field_name("operator")
                for number in [*numbers, "400"] if a is not None and mid is not None else ():
                    found.setdefault(f"{site.text(a)} {site.text(mid)} {number} {other} {site.text(right)}")
    return [text for text in found if text not in site.text()][:24]
