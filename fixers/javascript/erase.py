"""TypeScript without its types, every character else at its place: node can run it, offsets and lines stay true.

What only types can be is written over with blanks (the idea of Bloomberg's ts-blank-space). What has a meaning when the
program runs (enums, namespaces, parameter properties, decorators, `import =`) can't be erased: such a file is left to
the repository's own build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightshift.fixers.javascript.grammar import Source, walk

if TYPE_CHECKING:
    from tree_sitter import Node

_BLANKED = frozenset({
    "type_annotation", "type_arguments", "type_parameters", "interface_declaration", "type_alias_declaration",
    "accessibility_modifier", "override_modifier", "implements_clause", "ambient_declaration", "function_signature",
    "abstract_method_signature", "method_signature", "index_signature", "asserts_annotation",
    "type_predicate_annotation", "omitting_type_annotation", "opting_type_annotation",
})  # fmt: skip
_UNERASABLE = frozenset({
    "enum_declaration", "internal_module", "module", "decorator", "import_alias", "import_require_clause",
    "type_assertion",
    "jsx_element", "jsx_self_closing_element", "jsx_fragment",
})  # fmt: skip
_KEYWORDS = frozenset({"readonly", "declare", "abstract", "?", "!"})
_HAVE_KEYWORDS = frozenset({
    "public_field_definition", "required_parameter", "optional_parameter", "abstract_class_declaration",
    "variable_declarator", "method_definition", "index_signature",
})  # fmt: skip


def erased(source: Source) -> str | None:
    """The program without types, as long as before in UTF-16 units; None when there is more than types to it."""
    spans: list[tuple[int, int]] = []
    if not _collect(source.root, spans):
        return None
    spans += _type_imports(source, spans)
    data = source.data
    parts, at = [], 0
    for start, end in sorted(spans):
        if end <= at:
            continue
        start = max(start, at)
        parts += [data[at:start].decode(), _blank(data[start:end].decode(), data[:start].decode())]
        at = end
    return "".join([*parts, data[at:].decode()])


def _blank(text: str, before: str) -> str:
    """Blanks; a semicolon first where a statement went away, so that what stood around it does not join."""
    blank = "".join(c if c in "\r\n" else " " * (2 if ord(c) > 0xFFFF else 1) for c in text)
    statement = text.startswith(("interface", "type ", "declare", "import", "export"))
    return f";{blank[1:]}" if statement and blank[:1] == " " and before[-1:] in ("", "\n", ";", "}") else blank


def _collect(node: Node, spans: list[tuple[int, int]]) -> bool:
    todo = [node]
    while todo:
        at = todo.pop()
        if at.type in _UNERASABLE:
            return False
        if at.type in ("required_parameter", "optional_parameter") and any(
            c.type in ("accessibility_modifier", "readonly", "override_modifier") for c in at.children
        ):
            return False
        span, skip = _span(at)
        if span:
            spans.append(span)
        if not skip:
            todo.extend(at.children)
    return True


def _span(at: Node) -> tuple[tuple[int, int] | None, bool]:
    """What of a node is to be blanked, and whether that was all of it."""
    parent = at.parent
    if at.type == "required_parameter" and at.named_children and at.named_children[0].type == "this":
        return _with_comma(at), True
    if at.type in _BLANKED:
        outer = parent if parent is not None and parent.type == "export_statement" else at
        return (outer.start_byte, outer.end_byte), True
    if at.type in ("as_expression", "satisfies_expression"):
        return (at.named_children[0].end_byte, at.end_byte), False
    if at.type == "non_null_expression":
        return (at.end_byte - 1, at.end_byte), False
    if at.type in _KEYWORDS and parent is not None and parent.type in _HAVE_KEYWORDS:
        return (at.start_byte, at.end_byte), True
    if at.type in ("import_statement", "export_statement") and any(c.type == "type" for c in at.children):
        return (at.start_byte, at.end_byte), True
    if at.type in ("import_specifier", "export_specifier") and at.children and at.children[0].type == "type":
        return _with_comma(at), True
    return None, False


def _with_comma(at: Node) -> tuple[int, int]:
    following = at.next_sibling
    return at.start_byte, following.end_byte if following is not None and following.type == "," else at.end_byte


def _type_imports(source: Source, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Imported names that are used only as types: they are not there when the program runs."""

    def kept(node: Node) -> bool:
        return not any(start <= node.start_byte < end for start, end in spans)

    nodes = [node for node in walk(source.root) if node.type in ("identifier", "shorthand_property_identifier")]
    used: dict[str, int] = {}
    for node in nodes:
        inside = node.parent is not None and node.parent.type in ("import_specifier", "import_clause")
        if not inside and kept(node):
            used[source.text(node)] = used.get(source.text(node), 0) + 1
    found = []
    for node in walk(source.root):
        if node.type == "import_specifier" and kept(node):
            local = node.child_by_field_name("alias") or node.child_by_field_name("name")
            if local is not None and source.text(local) not in used:
                found.append(_with_comma(node))
    return found
