"""Every template for JavaScript, in one table: a template exists because it stands here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nightshift.fixers.javascript.families import calls, guards, literals, names, operators, statements
from nightshift.fixers.javascript.site import Edit, Site

TEMPLATES: tuple[Callable[[Site], Iterator[Edit]], ...] = (
    literals.constants, literals.off_by_one, literals.empty_literal,
    operators.operators, operators.update, operators.negation, operators.subexpression, operators.swapped_if,
    operators.extended,
    names.variables, names.members, names.arguments, names.unwrapped, names.indexed,
    guards.optional_chain, guards.nullish, guards.early_return, guards.wrapped_statement, guards.default_parameter,
    guards.reduce_start,
    calls.awaited, calls.returned, calls.lost_this, calls.sorting, calls.copied, calls.converted, calls.bounds,
    calls.extremes,
    statements.missing_break, statements.removed, statements.moved, statements.counted, statements.assigned,
    statements.kept,
)  # fmt: skip


def edits_at(site: Site) -> Iterator[Edit]:
    """What every template says at one place."""
    for template in TEMPLATES:
        yield from template(site)
