"""Source text and its syntax tree, bound together by exact character ranges.

Every template edits text, never a tree: comments, quotes, indentation and line ends of the untouched rest stay
byte for byte as people wrote them. `ast` counts columns in UTF-8 bytes; all offsets here are characters.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from functools import cached_property

_NEWLINE = re.compile(r"\r\n|\r|\n")
Function = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*Function, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Replace characters `start:end` of `path` by `text`. `note` reads well after "in `f`, "; `weight` in 0..1+."""

    path: str
    start: int
    end: int
    text: str
    template: str
    weight: float
    note: str
    line: int

    def applied(self, source: str) -> str:
        """The whole text after the edit."""
        return source[: self.start] + self.text + source[self.end :]


def decode(data: bytes) -> tuple[str, str]:
    """Text and encoding of Python source (PEP 263, byte order mark); raises SyntaxError or UnicodeDecodeError.

    Line ends are not translated. A byte order mark stays as the first character, so that encoding gives it back.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode("utf-8" if encoding == "utf-8-sig" else encoding), encoding


def encode(text: str, encoding: str) -> bytes:
    """The inverse of `decode`; raises UnicodeEncodeError when an edit brought characters the file can't hold."""
    return text.encode("utf-8" if encoding == "utf-8-sig" else encoding)


class Source:
    """One parsed file. Raises SyntaxError, ValueError or RecursionError when this interpreter can't parse it."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self._shift = 1 if text.startswith("\ufeff") else 0
        self.tree = ast.parse(text[self._shift :])
        self.parents: dict[ast.AST, ast.AST] = {}
        self.fields: dict[ast.AST, str] = {}
        for parent in ast.walk(self.tree):
            for name, value in ast.iter_fields(parent):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.parents[child] = parent
                        self.fields[child] = name

    @cached_property
    def starts(self) -> list[int]:
        """Character offset of the start of each line (line 1 first)."""
        return [self._shift, *(m.end() for m in _NEWLINE.finditer(self.text))]

    @cached_property
    def newline(self) -> str:
        """The line end this file uses most."""
        found = _NEWLINE.findall(self.text)
        return max(set(found), key=found.count) if found else "\n"

    @cached_property
    def indent_unit(self) -> str:
        """One level of indentation as this file has it."""
        for node in ast.walk(self.tree):
            if isinstance(node, (*Function, ast.ClassDef, ast.If, ast.For, ast.While)):
                inner = self.indent(node.body[0])
                outer = self.indent(node)
                if len(inner) > len(outer) and inner.startswith(outer):
                    return inner[len(outer) :]
        return "    "

    def line_text(self, line: int) -> str:
        """One line without its line end."""
        end = self.starts[line] if line < len(self.starts) else len(self.text)
        return self.text[self.starts[line - 1] : end].rstrip("\r\n")

    def offset(self, line: int, column: int) -> int:
        """Character offset of a line and a column in UTF-8 bytes."""
        start = self.starts[line - 1]
        text = self.line_text(line)
        if text.isascii():
            return start + column
        return start + len(text.encode("utf-8")[:column].decode("utf-8", "ignore"))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Start and end of a node in characters."""
        at: ast.expr = node  # type: ignore[assignment]
        return self.offset(at.lineno, at.col_offset), self.offset(at.end_lineno or at.lineno, at.end_col_offset or 0)

    def segment(self, node: ast.AST) -> str:
        """The node as written."""
        start, end = self.span(node)
        return self.text[start:end]

    def exact(self, node: ast.AST) -> bool:
        """Whether the range really holds the node: inside f-strings, Python before 3.12 gives wrong positions."""
        if not self.in_fstring(node):
            return True
        try:
            return ast.dump(ast.parse(f"({self.segment(node)})", mode="eval").body) == ast.dump(node)
        except (SyntaxError, ValueError, IndexError):
            return False

    def in_fstring(self, node: ast.AST | None) -> bool:
        """Whether a node is an f-string or stands within one."""
        while node is not None and not isinstance(node, ast.stmt):
            if isinstance(node, ast.JoinedStr):
                return True
            node = self.parents.get(node)
        return False

    def indent(self, statement: ast.AST) -> str:
        """White space before a statement; of its line, when others stand before it on the same line."""
        text = self.line_text(first_line(statement))
        return text[: len(text) - len(text.lstrip(" \t\f"))]

    def alone(self, statement: ast.AST) -> bool:
        """Whether the statement has its lines for itself, so that others can be put above or below it."""
        start, end = self.whole(statement)
        before = self.text[self.starts[first_line(statement) - 1] : start]
        last = getattr(statement, "end_lineno", 1)
        tail = self.text[end : self.starts[last - 1] + len(self.line_text(last))].strip()
        return not before.strip() and (not tail or tail.startswith("#"))

    def whole(self, statement: ast.AST) -> tuple[int, int]:
        """Like `span`, decorators included."""
        start, end = self.span(statement)
        decorators = getattr(statement, "decorator_list", [])
        if decorators:
            line = decorators[0].lineno
            start = self.starts[line - 1] + len(self.indent(statement))
        return start, end

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The nearest statement a node belongs to (itself, if it is one)."""
        while not isinstance(node, ast.stmt):
            if node not in self.parents:
                return None
            node = self.parents[node]
        return node

    def function(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The function around a node (not a lambda), or None at module and class level."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, Function):
                return node
        return None

    def qualname(self, node: ast.AST) -> str:
        """Dotted name of the function or class around (or at) a node; '' at module level."""
        names: list[str] = []
        current: ast.AST | None = node
        while current is not None:
            if isinstance(current, (*Function, ast.ClassDef)):
                names.append(current.name)
            current = self.parents.get(current)
        return ".".join(reversed(names))

    def loop(self, node: ast.AST) -> ast.For | ast.AsyncFor | ast.While | None:
        """The innermost loop around a node within its own function."""
        while node in self.parents and not isinstance(node, _SCOPES):
            node = self.parents[node]
            if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
                return node
        return None


def first_line(statement: ast.AST) -> int:
    """First line of a statement, decorators included."""
    decorators = getattr(statement, "decorator_list", [])
    line: int = decorators[0].lineno if decorators else statement.lineno  # type: ignore[attr-defined]
    return line


def header_end(statement: ast.stmt) -> int:
    """Last line of a statement's own text: of a compound statement the header only."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
        return max(statement.lineno, first_line(body[0]) - 1)
    cases = getattr(statement, "cases", None)
    if cases:
        return max(statement.lineno, int(cases[0].pattern.lineno) - 1)
    last: int = statement.end_lineno or statement.lineno
    return last
