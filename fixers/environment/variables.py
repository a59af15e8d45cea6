"""Reading a variable with a default: the subscripts of `os.environ` in Python source, rewritten in place."""

from __future__ import annotations

import ast
from collections.abc import Iterator

Edit = tuple[int, int, str]
"""Start and end (characters) in a text, and what comes there instead."""


def subscripts(text: str, name: str) -> list[tuple[int, int, str]]:
    """(start, end, source of the mapping) of every read of ``os.environ[name]``; [] when it is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return sorted(_found(tree, text, name))


def with_default(text: str, name: str, value: str) -> str:
    """The text with every such read given a default."""
    for start, end, mapping in reversed(subscripts(text, name)):
        text = f"{text[:start]}{mapping}.get({_quoted(name)}, {_quoted(value)}){text[end:]}"
    return text


def _found(tree: ast.AST, text: str, name: str) -> Iterator[tuple[int, int, str]]:
    lines = [0]
    for line in text.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_environ(node.value):
            key = node.slice
            if isinstance(key, ast.Constant) and key.value == name:
                yield (
                    _at(text, lines, node.lineno, node.col_offset),
                    _at(text, lines, node.end_lineno or node.lineno, node.end_col_offset or 0),
                    ast.get_source_segment(text, node.value) or "",
                )


def _is_environ(node: ast.expr) -> bool:
    last = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return last in ("environ", "env")


def _at(text: str, lines: list[int], line: int, column_bytes: int) -> int:
    row = text[lines[line - 1] : lines[line] - 1]
    return lines[line - 1] + len(row.encode()[:column_bytes].decode("utf-8", "replace"))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
