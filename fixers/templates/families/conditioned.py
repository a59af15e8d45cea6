"""Statements done always that belong under a condition: the other end of a range, an end that counts from the back."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit, first_line

TEMPLATE = "insert-condition"
_MIRROR = {ast.Gt: "<", ast.GtE: "<=", ast.Lt: ">", ast.LtE: ">="}
_LONGEST_RUN = 4


def edits(site: Site) -> Iterator[Edit]:
    """A run beside an `if` that does the same kind of thing, under the mirrored condition; `x = x[a:-n]` if `n`."""
    node = site.node
    if site.source.function(node) is None:
        return
    if isinstance(node, ast.If):
        yield from _other_end(site, node)
    elif isinstance(node, ast.Assign):
        yield from _from_the_back(site, node)


def _other_end(site: Site, node: ast.If) -> Iterator[Edit]:
    """`if page > 1:` sets the links back, so `if page < last:` sets those ahead."""
    shape = _shape(site, node.body[0])
    if node.orelse or not shape or any(_shape(site, s) != shape for s in node.body):
        return
    conditions = _mirrored(site, node.test)
    block = lines.block_of(site, node)
    at = block.index(node) if node in block else -1
    if at < 0 or not conditions:
        return
    below, above = _run(site, block[at + 1 :], shape), _run(site, block[:at][::-1], shape)[::-1]
    for run, weight in ((below, 0.8), (above, 0.6)):
        for rank, condition in enumerate(conditions if run else ()):
            yield from _under(site, run, condition, weight / (1 + 0.15 * rank))


def _shape(site: Site, statement: ast.stmt) -> str:
    """What a simple statement does, and to what: `targets[]`, `out.append`; '' for anything else."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return site.text(statement.value.func) if isinstance(statement.value.func, ast.Attribute) else ""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    return f"{site.text(target.value)}[]" if isinstance(target, ast.Subscript) else ""


def _run(site: Site, some: Sequence[ast.stmt], shape: str) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for statement in some:
        if _shape(site, statement) != shape or not site.source.alone(statement):
            break
        found.append(statement)
    return found if len(found) <= _LONGEST_RUN else []


def _mirrored(site: Site, test: ast.expr) -> list[str]:
    """`page > 1` as `page < last`, for the other parameters that may be numbers."""
    function = site.source.function(site.node)
    if function is None or not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return []
    sign = _MIRROR.get(type(test.ops[0]))
    if sign is None:
        return []
    left, right = site.text(test.left), site.text(test.comparators[0])
    used = {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}
    given = [a.arg for a in function.args.args if a.arg not in ("self", "cls", *used)]
    ends = [n for n in given if site.known.get(n, frozenset({"int"})) <= {"int", "float"}][:3]
    return [f"{left} {sign} {name}" for name in ends if name != right]


def _from_the_back(site: Site, node: ast.Assign) -> Iterator[Edit]:
    """`xs = xs[n:-n]` empties `xs` for 0, where nothing was to be cut."""
    value = node.value
    if not isinstance(value, ast.Subscript) or not isinstance(value.slice, ast.Slice) or value.slice.step:
        return
    upper = value.slice.upper
    if (
        not isinstance(upper, ast.UnaryOp)
        or not isinstance(upper.op, ast.USub)
        or isinstance(upper.operand, ast.Constant)
    ):
        return
    if site.text(node.targets[0]) == site.text(value.value):
        yield from _under(site, [node], site.text(upper.operand), 0.9)


def _under(site: Site, run: list[ast.stmt], condition: str, weight: float) -> Iterator[Edit]:
    moved = [lines.shifted(site, s, 1) for s in run]
    if not all(moved):
        return
    start = site.source.starts[first_line(run[0]) - 1]
    head = f"{site.source.indent(run[0])}if {condition}:{site.source.newline}"
    text, at = head, start
    for statement, part in zip(run, moved, strict=True):
        begins = site.source.starts[first_line(statement) - 1]
        text += site.source.text[at:begins] + (part or "")
        at = min(begins + len("".join(lines.raw_lines(site, statement))), len(site.source.text))
    yield site.edit(start, at, text, TEMPLATE, weight, f"only if `{condition}`")
