"""Syntax trees of JavaScript and TypeScript. The only module that imports tree-sitter, and only when it is needed:
repositories in other languages pay nothing for it.
"""

from __future__ import annotations

import functools
import os
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

JAVASCRIPT = (".js", ".mjs", ".cjs", ".jsx")
TYPESCRIPT = (".ts", ".mts", ".cts", ".tsx")
FUNCTIONS = frozenset({
    "function_declaration", "function_expression", "arrow_function", "method_definition",
    "generator_function_declaration", "generator_function",
})  # fmt: skip
_MISSING = "tree-sitter is not installed: pip install tree-sitter tree-sitter-javascript tree-sitter-typescript"


class NoGrammar(Exception):
    """The parser is not installed; the message says what to install."""


def is_script(path: str) -> bool:
    """Whether a path is a source in JavaScript or TypeScript; declarations of types alone are none."""
    return path.endswith(JAVASCRIPT + TYPESCRIPT) and not path.endswith((".d.ts", ".d.mts", ".d.cts", ".min.js"))


@functools.cache
def parser(extension: str) -> Parser:
    """The parser for an extension. Raises NoGrammar."""
    try:
        from tree_sitter import Language, Parser

        if extension in JAVASCRIPT:
            import tree_sitter_javascript

            return Parser(Language(tree_sitter_javascript.language()))
        import tree_sitter_typescript

        which = (
            tree_sitter_typescript.language_tsx if extension == ".tsx" else tree_sitter_typescript.language_typescript
        )
        return Parser(Language(which()))
    except ImportError as error:
        raise NoGrammar(f"{_MISSING} ({error})") from error


class Source:
    """One parsed file. Offsets of nodes are bytes; `unit` gives those of JavaScript strings (UTF-16)."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path, self.data = path, data
        self.tree = parser(os.path.splitext(path)[1]).parse(data)

    @property
    def root(self) -> Node:
        """The program."""
        return self.tree.root_node

    @property
    def typed(self) -> bool:
        """Whether this is TypeScript."""
        return self.path.endswith(TYPESCRIPT)

    def text(self, node: Node) -> str:
        """A node as it is written."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def line(self, offset: int) -> int:
        """The line (from 1) of a byte offset."""
        return bisect_right(self._starts, offset)

    def line_text(self, line: int) -> str:
        """One line without its end."""
        lines = self.data.split(b"\n")
        return lines[line - 1].decode("utf-8", "replace").rstrip("\r") if 0 < line <= len(lines) else ""

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(at + 1 for at, byte in enumerate(self.data) if byte == 10)]

    @cached_property
    def _ascii(self) -> bool:
        return self.data.isascii()

    def unit(self, offset: int) -> int:
        """The offset in UTF-16 units of a byte offset."""
        return offset if self._ascii else len(self.data[:offset].decode("utf-8", "replace").encode("utf-16-le")) // 2

    @cached_property
    def nodes(self) -> list[Node]:
        """Every named node, outer ones first."""
        return list(walk(self.root))


def walk(node: Node) -> Iterator[Node]:
    """A node and every named node under it, outer ones first."""
    todo = [node]
    while todo:
        at = todo.pop()
        yield at
        todo.extend(reversed(at.named_children))


def parses(path: str, data: bytes) -> bool:
    """Whether a text has no syntax error that the parser sees. Raises NoGrammar."""
    return not parser(os.path.splitext(path)[1]).parse(data).root_node.has_error


def syntax_error(path: str, data: bytes) -> str:
    """Where a text is no program, or ''. Raises NoGrammar."""
    root = parser(os.path.splitext(path)[1]).parse(data).root_node
    if not root.has_error:
        return ""
    todo = [root]
    while todo:
        node = todo.pop()
        if node.type == "ERROR" or node.is_missing:
            return f"line {node.start_point[0] + 1}"
        todo.extend(reversed(node.children))
    return "somewhere"
