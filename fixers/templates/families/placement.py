"""Statements on the wrong level of indentation, whole blocks included: in or out of a loop, behind a jump."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit, Function, first_line

TEMPLATE = "statement-move"
_BLOCKS = (ast.For, ast.While, ast.If, ast.With, ast.AsyncFor, ast.AsyncWith)
_LOOPS = (ast.For, ast.While, ast.AsyncFor)
_JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def edits(site: Site) -> Iterator[Edit]:
    """Move what follows a jump or ends a block out of it, what follows a block into it, first values over a loop."""
    node = site.node
    if not isinstance(node, ast.stmt) or isinstance(node, (*Function, ast.ClassDef)):
        return
    if site.source.function(node) is None or lines.is_docstring(node):
        return
    if isinstance(node, _BLOCKS):
        for block in (node.body, getattr(node, "orelse", [])):
            yield from _behind_jump(site, block)
            yield from _ends(site, node, block)
        yield from _into(site, node)
        if isinstance(node, _LOOPS):
            yield from _over_loop(site, node)
            yield from _too_early(site, node)


def _too_early(site: Site, loop: ast.For | ast.While | ast.AsyncFor) -> Iterator[Edit]:
    """`else: return False` at the end of a loop answers after one round: the return belongs behind the loop."""
    last = loop.body[-1]
    if (
        not isinstance(last, ast.If)
        or loop.orelse
        or len(last.orelse) != 1
        or not isinstance(last.orelse[0], ast.Return)
    ):
        return
    answer = last.orelse[0]
    if not site.source.alone(answer) or not isinstance(last.body[-1], ast.Return):
        return
    start = site.source.starts[last.body[-1].end_lineno or 0]
    _, end = _stretch(site, answer)
    text = f"{site.source.indent(loop)}{site.text(answer)}{site.source.newline}"
    yield site.edit(start, min(end, len(site.source.text)), text, TEMPLATE, 0.9, "answer after the loop, not in it")


def _moved(site: Site, some: Sequence[ast.stmt], levels: int, weight: float, note: str) -> Iterator[Edit]:
    """Neighbours shifted by levels, in place."""
    parts = [lines.shifted(site, s, levels) for s in some]
    if not some or not all(parts):
        return
    start = site.source.starts[first_line(some[0]) - 1]
    own = [_stretch(site, s) for s in some]
    gaps = [site.source.text[a[1] : b[0]] for a, b in itertools.pairwise(own)]
    text = "".join(f"{part}{gap}" for part, gap in zip(parts, [*gaps, ""], strict=True) if part)
    yield site.edit(start, min(own[-1][1], len(site.source.text)), text, TEMPLATE, weight, note)


def _stretch(site: Site, statement: ast.stmt) -> tuple[int, int]:
    start = site.source.starts[first_line(statement) - 1]
    return start, start + len("".join(lines.raw_lines(site, statement)))


def _behind_jump(site: Site, block: list[ast.stmt]) -> Iterator[Edit]:
    """Nothing runs behind `return`: what stands there belongs one level out."""
    for at, statement in enumerate(block[:-1]):
        if isinstance(statement, _JUMPS):
            yield from _moved(site, block[at + 1 :], -1, 1.1, "run what stands behind the jump after the block")
            return


def _ends(site: Site, node: ast.stmt, block: list[ast.stmt]) -> Iterator[Edit]:
    """The last two statements out of the block; the last one by two levels; a block's only statement out of a loop."""
    if not block or block[-1].end_lineno != node.end_lineno:
        return
    if len(block) > 2:
        yield from _moved(site, block[-2:], -1, 0.3, "run the last two statements after the block, not in it")
    outer = site.source.parents.get(node)
    if isinstance(outer, _BLOCKS) and outer.end_lineno == node.end_lineno and len(block) > 1:
        yield from _moved(site, block[-1:], -2, 0.4, "run the last statement after the outer block")


def _into(site: Site, node: ast.stmt) -> Iterator[Edit]:
    """What follows a block, as its end: compound statements, two statements, two levels in, the else part."""
    block = lines.block_of(site, node)
    rest = block[block.index(node) + 1 :] if node in block else []
    if not rest or (node.end_lineno or 0) + 1 != first_line(rest[0]) or isinstance(rest[0], (*Function, ast.ClassDef)):
        return
    tail = (getattr(node, "orelse", []) or getattr(node, "body", []))[-1:]
    if tail and isinstance(tail[0], _JUMPS):
        return
    note = "run the statement inside the block above it"
    if isinstance(rest[0], _BLOCKS):
        yield from _moved(site, rest[:1], 1, 0.45, note)
    elif getattr(node, "orelse", None):
        yield from _moved(site, rest[:1], 1, 0.25, note)
    if len(rest) > 1:
        yield from _moved(site, rest[:2], 1, 0.3, "run the two statements inside the block above them")
    last = node.body[-1] if isinstance(node, _BLOCKS) else node
    if isinstance(last, _BLOCKS) and last.end_lineno == node.end_lineno:
        yield from _moved(site, rest[:1], 2, 0.3, "run the statement inside the inner block above it")


def _over_loop(site: Site, loop: ast.For | ast.While | ast.AsyncFor) -> Iterator[Edit]:
    """A first value set in every round belongs before the loop, one set before it into each round."""
    first = loop.body[0]
    if isinstance(first, ast.Assign) and len(loop.body) > 1:
        moved = lines.shifted(site, first, -1)
        top, (start, end) = site.source.starts[first_line(loop) - 1], _stretch(site, first)
        if moved:
            text = moved + site.source.text[top:start]
            yield site.edit(top, end, text, TEMPLATE, 0.5, "set the first value before the loop, not in every round")
    block = lines.block_of(site, loop)
    at = block.index(loop) if loop in block else 0
    for before in reversed(block[max(0, at - 3) : at]):
        moved = lines.shifted(site, before, 1) if isinstance(before, ast.Assign) else None
        if moved and site.source.alone(first):
            start, end = _stretch(site, before)
            top = site.source.starts[first_line(first) - 1]
            text = site.source.text[end:top] + moved
            yield site.edit(start, top, text, TEMPLATE, 0.3, "set the first value anew in every round")
