"""Generators behind `with` that clean up only after a block that ends well: the rest belongs in a `finally`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit, first_line

TEMPLATE = "insert-finally"
_MANAGERS = ("contextmanager", "asynccontextmanager")


def edits(site: Site) -> Iterator[Edit]:
    """`try: yield` and what follows it as `finally`, in a function that is a context manager."""
    node, function = site.node, site.source.function(site.node)
    if function is None or not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Yield):
        return
    if not any(site.text(d).rpartition(".")[2] in _MANAGERS for d in function.decorator_list):
        return
    block = lines.block_of(site, node)
    rest = block[block.index(node) + 1 :] if node in block else []
    if not rest or not all(site.source.alone(s) for s in (node, *rest)):
        return
    cleaning = rest[:-1] if isinstance(rest[-1], ast.Return) and rest[-1].value is None else rest
    if cleaning:
        yield from _protected(site, [node, *cleaning])


def _protected(site: Site, some: list[ast.stmt]) -> Iterator[Edit]:
    indent, unit, newline = site.source.indent(some[0]), site.source.indent_unit, site.source.newline
    moved = [lines.shifted(site, s, 1) for s in some]
    if not all(moved):
        return
    text, at = f"{indent}try:{newline}{moved[0]}{indent}finally:{newline}", _end(site, some[0])
    for statement, part in zip(some[1:], moved[1:], strict=True):
        gap = site.source.text[at : site.source.starts[first_line(statement) - 1]]
        text += "".join(unit + line if line.strip() else line for line in gap.splitlines(keepends=True)) + (part or "")
        at = _end(site, statement)
    start = site.source.starts[first_line(some[0]) - 1]
    yield site.edit(
        start, at, text, TEMPLATE, 1.2, "clean up after the `yield` also when the block under `with` raised"
    )


def _end(site: Site, statement: ast.stmt) -> int:
    own = site.source.starts[first_line(statement) - 1] + len("".join(lines.raw_lines(site, statement)))
    return min(own, len(site.source.text))
