"""One place of a program, as templates see it, and the edits they propose there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from nightshift.fixers.javascript.grammar import FUNCTIONS, Source, walk

if TYPE_CHECKING:
    from tree_sitter import Node

_VALUES = frozenset({
    "identifier", "member_expression", "subscript_expression", "call_expression", "number", "string",
    "template_string", "binary_expression", "unary_expression", "ternary_expression", "parenthesized_expression",
    "array", "object", "this", "true", "false", "null", "undefined", "await_expression", "new_expression",
    "arrow_function", "function_expression", "assignment_expression", "update_expression", "regex", "super",
    "augmented_assignment_expression", "non_null_expression", "as_expression", "yield_expression",
})  # fmt: skip
STATEMENTS = frozenset({
    "expression_statement", "return_statement", "if_statement", "for_statement", "for_in_statement",
    "while_statement", "do_statement", "lexical_declaration", "variable_declaration", "throw_statement",
    "break_statement", "continue_statement", "switch_statement", "try_statement",
})  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """Bytes `start:end` of a file become `text`. `weight` is the template's own estimate that this is the fix."""

    path: str
    start: int
    end: int
    text: str
    template: str
    weight: float
    note: str
    line: int

    def applied(self, data: bytes) -> bytes:
        """The file after the edit."""
        return data[: self.start] + self.text.encode() + data[self.end :]


@dataclass(frozen=True)
class Failing:
    """What the failing tests say: names and messages of errors, and literals the tests compare with."""

    errors: tuple[tuple[str, str], ...] = ()
    expected: tuple[str, ...] = ()

    def says(self, *words: str) -> bool:
        """Whether some error's message has one of the words."""
        return any(word in message for _, message in self.errors for word in words)


@dataclass(frozen=True)
class Site:
    """A node of a source, with what is known of its surroundings."""

    source: Source
    node: Node
    failing: Failing = field(default_factory=Failing)
    exports: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def text(self, node: Node | None = None) -> str:
        """A node's text (this one's by default)."""
        return self.source.text(node if node is not None else self.node)

    def replace(
        self, text: str, template: str, weight: float, note: str = "", node: Node | None = None
    ) -> Iterator[Edit]:
        """The edit that writes `text` instead of a node; nothing when that changes nothing."""
        target = node if node is not None else self.node
        old = self.text(target)
        if old == text:
            return
        told = note or f"write `{_short(text)}` instead of `{_short(old)}`"
        yield Edit(self.source.path, target.start_byte, target.end_byte, text, template, weight, told,
                   target.start_point[0] + 1)  # fmt: skip

    def insert(self, at: int, text: str, template: str, weight: float, note: str) -> Iterator[Edit]:
        """The edit that adds `text` at a byte offset."""
        yield Edit(self.source.path, at, at, text, template, weight, note, self.source.line(at))

    def field(self, name: str, node: Node | None = None) -> Node | None:
        """A field of the node."""
        return (node if node is not None else self.node).child_by_field_name(name)

    @cached_property
    def function(self) -> Node | None:
        """The innermost function around the node."""
        at = self.node.parent
        while at is not None and at.type not in FUNCTIONS:
            at = at.parent
        return at

    @cached_property
    def in_async(self) -> bool:
        """Whether `await` may stand here."""
        if self.function is None:
            return self.source.path.endswith((".mjs", ".mts"))
        return any(child.type == "async" for child in self.function.children)

    @cached_property
    def statement(self) -> Node | None:
        """The innermost statement around the node, itself included."""
        at: Node | None = self.node
        while at is not None and at.type not in STATEMENTS:
            at = at.parent
        return at

    def indent(self, node: Node) -> str:
        """The blanks a node's line begins with."""
        line = self.source.line_text(node.start_point[0] + 1)
        return line[: len(line) - len(line.lstrip())]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Variables that can be seen here, nearest first: parameters and declarations before the node."""
        found: dict[str, None] = {}
        scope = self.function
        while True:
            for name in _declared(self.source, scope, self.node.start_byte):
                found.setdefault(name)
            if scope is None:
                return tuple(found)
            at = scope.parent
            while at is not None and at.type not in FUNCTIONS:
                at = at.parent
            scope = at


def _declared(source: Source, scope: Node | None, before: int) -> list[str]:
    root = scope if scope is not None else source.root
    found = []
    todo = [root]
    while todo:
        node = todo.pop()
        if node is not root and node.type in FUNCTIONS:
            name = node.child_by_field_name("name")
            if name is not None and node.type == "function_declaration":
                found.append(source.text(name))
            continue
        if node.start_byte < before:
            found += _bound(source, node, root)
        todo.extend(reversed(node.named_children))
    return found


def _bound(source: Source, node: Node, scope: Node) -> list[str]:
    """Names a node itself declares."""
    pattern = None
    if node.type == "variable_declarator":
        pattern = node.child_by_field_name("name")
    elif node.type in ("formal_parameters", "catch_clause"):
        pattern = node if node.type == "formal_parameters" else node.child_by_field_name("parameter")
    elif node.type == "for_in_statement":
        pattern = node.child_by_field_name("left")
    elif node == scope and node.type == "arrow_function":
        pattern = node.child_by_field_name("parameter")
    if pattern is None:
        return []
    kinds = ("identifier", "shorthand_property_identifier_pattern")
    return [source.text(n) for n in walk(pattern) if n.type in kinds and not _is_default(n)]


def _is_default(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type == "assignment_pattern" and node == parent.child_by_field_name("right")


def is_value(node: Node) -> bool:
    """Whether a node is an expression that is read, not the target of an assignment or a name being declared."""
    parent = node.parent
    if node.type not in _VALUES or parent is None:
        return False
    if parent.type in ("assignment_expression", "augmented_assignment_expression", "for_in_statement"):
        return node != parent.child_by_field_name("left")
    if parent.type in ("variable_declarator", "required_parameter", "optional_parameter", "assignment_pattern"):
        return node == parent.child_by_field_name("value") or node == parent.child_by_field_name("right")
    return parent.type not in (
        "formal_parameters", "array_pattern", "object_pattern", "import_specifier", "import_clause",
        "update_expression",
        "labeled_statement", "export_specifier", "catch_clause", "function_declaration", "class_declaration",
        "namespace_import", "rest_pattern", "import_statement", "export_statement", "class_heritage", "pair_pattern",
    ) and not (parent.type in FUNCTIONS and node != parent.child_by_field_name("body"))  # fmt: skip


def statement_of(node: Node) -> bool:
    """Whether a node is a statement in a block (one can stand before it)."""
    return node.type in STATEMENTS and node.parent is not None and node.parent.type in (
        "statement_block", "program", "switch_case", "switch_default",
    )  # fmt: skip


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else f"{flat[:57]}..."
