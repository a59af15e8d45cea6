"""Statements that are missing, too many, or in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.fixers.javascript.site import Edit, Site, statement_of

_AUGMENTED = ("+", "-", "*", "/", "%", "**", "&", "|", "^", "<<", ">>", ">>>", "||", "&&", "??")


def missing_break(site: Site) -> Iterator[Edit]:
    """A `break` at the end of a case that falls through; one for `continue`, and the other way."""
    node = site.node
    if node.type in ("switch_case", "switch_default"):
        body = [n for n in node.named_children if n.type != "comment"][1 if node.type == "switch_case" else 0 :]
        following = node.next_named_sibling
        if (
            body
            and following is not None
            and body[-1].type not in ("break_statement", "return_statement", "throw_statement", "continue_statement")
        ):
            line = f"\n{site.indent(body[-1])}break;"
            yield from site.insert(body[-1].end_byte, line, "missing-break", 0.6, "add `break;`")
    elif node.type == "break_statement" and node.parent is not None and node.parent.type == "statement_block":
        yield from site.replace("continue;", "loop-jump", 0.3)
    elif node.type == "continue_statement":
        yield from site.replace("break;", "loop-jump", 0.3)


def removed(site: Site) -> Iterator[Edit]:
    """A statement, or an `else`, too many."""
    node = site.node
    if not statement_of(node) or node.type in ("lexical_declaration", "variable_declaration"):
        return
    start, end = node.start_byte, node.end_byte
    data = site.source.data
    while start > 0 and data[start - 1 : start] in (b" ", b"\t"):
        start -= 1
    if start > 0 and data[start - 1 : start] == b"\n":
        start -= 1
    yield Edit(site.source.path, start, end, "", "remove-statement", 0.14, f"leave out `{site.text()[:50]}`",
               node.start_point[0] + 1)  # fmt: skip


def moved(site: Site) -> Iterator[Edit]:
    """Two statements one after the other change places."""
    node = site.node
    following = node.next_named_sibling
    if not statement_of(node) or following is None or not statement_of(following):
        return
    if node.type == "return_statement":
        return
    between = site.source.data[node.end_byte : following.start_byte].decode()
    text = site.text(following) + between + site.text()
    yield Edit(site.source.path, node.start_byte, following.end_byte, text, "statement-order", 0.2,
               "swap two statements", node.start_point[0] + 1)  # fmt: skip


def counted(site: Site) -> Iterator[Edit]:
    """A counter that is raised elsewhere in the file is lowered here, and the other way round."""
    node = site.node
    if not statement_of(node):
        return
    found: dict[str, None] = {}
    for other in site.source.nodes:
        if other.type == "update_expression":
            text = site.text(other)
            flipped = text.replace("++", "--") if "++" in text else text.replace("--", "++")
            found.setdefault(flipped)
            found.setdefault(text)
    for line in list(found)[:6]:
        text = f"{line};\n{site.indent(node)}"
        yield from site.insert(node.start_byte, text, "count", 0.24, f"add `{line};`")


def assigned(site: Site) -> Iterator[Edit]:
    """A statement of the same function is needed here as well."""
    node = site.node
    if node.type != "return_statement" or not statement_of(node) or site.function is None:
        return
    from nightshift.fixers.javascript.grammar import walk

    texts = dict.fromkeys(
        site.text(n) for n in walk(site.function) if n.type == "expression_statement" and len(site.text(n)) <= 60
    )
    for line in list(texts)[:6]:
        text = f"{line}\n{site.indent(node)}"
        yield from site.insert(node.start_byte, text, "donor-statement", 0.16, f"add `{line}`")


def kept(site: Site) -> Iterator[Edit]:
    """`a + b;` does nothing: `a += b;` does."""
    node = site.node
    inner = node.named_children[0] if node.type == "expression_statement" and node.named_children else None
    if inner is None or inner.type != "binary_expression":
        return
    left, right, operator = (inner.child_by_field_name(name) for name in ("left", "right", "operator"))
    if left is None or right is None or operator is None or site.text(operator) not in _AUGMENTED:
        return
    yield from site.replace(f"{site.text(left)} {site.text(operator)}= {site.text(right)}", "keep", 0.6, node=inner)
