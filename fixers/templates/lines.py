"""Whole lines in and out: statements put before, after or around others in the file's own indentation and line ends."""

from __future__ import annotations

import ast

from nightshift.fixers.templates.site import Site, short
from nightshift.fixers.templates.source import Edit, first_line


def is_docstring(statement: ast.stmt) -> bool:
    """Whether a statement is a string by itself."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def before(site: Site, statement: ast.stmt, code: str, template: str, weight: float, note: str = "") -> list[Edit]:
    """Put lines above a statement; nothing where it shares its line or is a docstring's place."""
    if not site.source.alone(statement):
        return []
    at = site.source.starts[first_line(statement) - 1]
    text = "".join(site.source.indent(statement) + line + site.source.newline for line in _lines(site, code))
    return [site.edit(at, at, text, template, weight, note or f"add `{short(code)}` before `{_head(site, statement)}`")]


def after(site: Site, statement: ast.stmt, code: str, template: str, weight: float, *, deeper: int = 0) -> list[Edit]:
    """Put lines below a statement, `deeper` levels further in (negative: out)."""
    if not site.source.alone(statement):
        return []
    last = statement.end_lineno or statement.lineno
    indent = site.source.indent(statement)
    unit = site.source.indent_unit
    indent = indent + unit * deeper if deeper >= 0 else indent.removesuffix(unit * -deeper)
    lines = [indent + line for line in _lines(site, code)]
    newline, note = site.source.newline, f"add `{short(code)}` after `{_head(site, statement)}`"
    if last < len(site.source.starts):
        at = site.source.starts[last]
        return [site.edit(at, at, "".join(line + newline for line in lines), template, weight, note)]
    end = len(site.source.text)
    return [site.edit(end, end, newline + newline.join(lines), template, weight, note)]


def swap_statement(
    site: Site, statement: ast.stmt, code: str, template: str, weight: float, note: str = ""
) -> list[Edit]:
    """Put other code in place of a whole statement (decorators included)."""
    start, end = site.source.whole(statement)
    indent = site.source.indent(statement)
    lines = _lines(site, code)
    text = (site.source.newline + indent).join(lines)
    note = note or f"`{short(code)}` instead of `{_head(site, statement)}`"
    return [site.edit(start, end, text, template, weight, note)]


def remove(site: Site, statement: ast.stmt, template: str, weight: float) -> list[Edit]:
    """Take a statement out, with its lines where it has them for itself; `pass` when it is the only one."""
    parent = site.source.parents.get(statement)
    block = next((b for b in _blocks(parent) if statement in b), [])
    note = f"drop `{_head(site, statement)}`"
    if len(block) < 2 or not site.source.alone(statement):
        return swap_statement(site, statement, "pass", template, weight, note)
    start = site.source.starts[first_line(statement) - 1]
    last = statement.end_lineno or statement.lineno
    end = site.source.starts[last] if last < len(site.source.starts) else len(site.source.text)
    return [site.edit(start, end, "", template, weight, note)]


def shifted(site: Site, statement: ast.stmt, levels: int) -> str | None:
    """The full lines of a statement, moved in or out by indentation levels; None where that can't be done."""
    if not site.source.alone(statement) or _has_multiline_string(statement):
        return None
    unit = site.source.indent_unit
    lines = raw_lines(site, statement)
    if levels < 0:
        if any(line.strip() and not line.startswith(unit * -levels) for line in lines):
            return None
        return "".join(line.removeprefix(unit * -levels) for line in lines)
    return "".join(unit * levels + line if line.strip() else line for line in lines)


def raw_lines(site: Site, statement: ast.stmt) -> list[str]:
    """The physical lines of a statement with their ends; the last one gets one if the file ends without."""
    first, last = first_line(statement), statement.end_lineno or statement.lineno
    bounds = [*site.source.starts[first - 1 :], len(site.source.text)]
    lines = [site.source.text[bounds[i] : bounds[i + 1]] for i in range(last - first + 1)]
    if not lines[-1].endswith(("\n", "\r")):
        lines[-1] += site.source.newline
    return lines


def reindented(site: Site, statement: ast.stmt, extra: str) -> str | None:
    """A statement's text as lines relative to its own indentation, each after the first prefixed by `extra`."""
    if _has_multiline_string(statement):
        return None
    indent = site.source.indent(statement)
    start, end = site.source.whole(statement)
    first, *rest = site.source.text[start:end].splitlines()
    return "\n".join([extra + first, *(extra + line.removeprefix(indent) for line in rest)])


def _has_multiline_string(statement: ast.stmt) -> bool:
    return any(
        isinstance(n, (ast.Constant, ast.JoinedStr)) and n.end_lineno != n.lineno
        and not (isinstance(n, ast.Constant) and not isinstance(n.value, (str, bytes)))
        for n in ast.walk(statement)
    )  # fmt: skip


def _blocks(parent: ast.AST | None) -> list[list[ast.stmt]]:
    return [b for b in (getattr(parent, n, None) for n in ("body", "orelse", "finalbody")) if isinstance(b, list)]


def block_of(site: Site, statement: ast.stmt) -> list[ast.stmt]:
    """The list of statements this one stands in."""
    return next((b for b in _blocks(site.source.parents.get(statement)) if statement in b), [])


def _lines(site: Site, code: str) -> list[str]:
    return [line.replace("\t", site.source.indent_unit) for line in code.split("\n")]


def _head(site: Site, statement: ast.stmt) -> str:
    start, end = site.source.span(statement)
    return short(site.source.text[start:end].splitlines()[0], 50)
