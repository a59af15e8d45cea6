"""The table of repair templates. Explicit: a family is tried because it stands here.

Yields and overfit-proneness are those measured by a prototype on two sets of one-function bugs; families weigh their
own edits, this table says how much a kind of edit deserves to be believed against the other kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nightshift.fixers.templates.families import (
    borrowed,
    bounds,
    calls,
    checks,
    cleanup,
    conditioned,
    conditions,
    counters,
    falsy,
    fluent,
    formats,
    from_end,
    grouping,
    guards,
    handlers,
    indexing,
    inherited,
    keys,
    leftovers,
    likewise,
    literals,
    members,
    mirrored,
    names,
    off_by_one,
    operators,
    order,
    placement,
    positional,
    recombined,
    regrouped,
    remembered,
    repeated,
    retries,
    rounding,
    shadowed,
    sharing,
    slices,
    stale,
    statements,
    subexpression,
    ties,
    waiting,
)
from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit

FAMILIES: Mapping[str, Callable[[Site], Iterator[Edit]]] = {
    "literals": literals.edits,
    "off_by_one": off_by_one.edits,
    "operators": operators.edits,
    "names": names.edits,
    "slices": slices.edits,
    "calls": calls.edits,
    "conditions": conditions.edits,
    "subexpression": subexpression.edits,
    "statements": statements.edits,
    "order": order.edits,
    "borrowed": borrowed.edits,
    "sharing": sharing.edits,
    "waiting": waiting.edits,
    "handlers": handlers.edits,
    "formats": formats.edits,
    "grouping": grouping.edits,
    "bounds": bounds.edits,
    "rounding": rounding.edits,
    "leftovers": leftovers.edits,
    "indexing": indexing.edits,
    "placement": placement.edits,
    "stale": stale.edits,
    "mirrored": mirrored.edits,
    "checks": checks.edits,
    "recombined": recombined.edits,
    "guards": guards.edits,
    "positional": positional.edits,
    "shadowed": shadowed.edits,
    "counters": counters.edits,
    "inherited": inherited.edits,
    "ties": ties.edits,
    "falsy": falsy.edits,
    "regrouped": regrouped.edits,
    "repeated": repeated.edits,
    "from_end": from_end.edits,
    "likewise": likewise.edits,
    "members": members.edits,
    "keys": keys.edits,
    "remembered": remembered.edits,
    "fluent": fluent.edits,
    "retries": retries.edits,
    "cleanup": cleanup.edits,
    "conditioned": conditioned.edits,
}

TRUST: Mapping[str, float] = {
    "constant": 0.92, "off-by-one": 1.0, "comparison": 1.05, "variable": 0.95, "slice": 0.85, "operator": 1.08,
    "boolean": 1.08, "regroup": 1.0, "operand-swap": 1.0, "argument-swap": 1.08, "element-swap": 1.0,
    "branch-swap": 0.9, "sub-expression": 0.95, "function": 1.02, "attribute": 0.95, "target": 0.8,
    "insert-collect": 0.8, "insert-return": 0.9, "insert-assignment": 0.8, "insert-borrowed": 0.75,
    "insert-copy": 0.9, "statement": 0.85,
    "statement-move": 0.95, "statement-drop": 0.8, "condition-negate": 1.05, "condition-drop": 0.85,
    "condition-extend": 0.75, "condition-replace": 0.5, "wrap": 0.75, "wrap-limit": 0.75, "unwrap": 0.85,
    "extend": 0.7, "donor": 0.7, "empty-literal": 0.75, "element-drop": 0.7, "argument-add": 0.9,
    "argument-drop": 0.8, "return-value": 0.6, "insert-guard": 0.6, "guard": 1.0, "guard-catch": 0.6,
    "name": 1.1, "conversion": 0.95, "await": 1.0, "call": 0.9, "unshare": 0.95, "bind": 1.0, "handler": 0.95,
    "donor-pattern": 0.95, "bound": 0.9,
    "index": 0.9, "format": 0.9, "rounding": 0.85, "condition-compare": 0.85, "argument-rename": 0.85,
    "accumulate": 0.9, "mask": 0.85, "rename": 1.0, "room": 0.9,
    "sort-key": 0.85, "falsy": 1.0, "insert-super": 0.9, "at-once": 1.0,
    "repeat": 0.95, "from-end": 1.0, "likewise": 0.95, "member": 1.0,
    "insert-raise": 0.95, "insert-finally": 0.95, "insert-condition": 0.9,
}  # fmt: skip
"""Share of right ones among the plausible, roughly; a kind not named here counts 0.7."""


def edits_at(site: Site) -> Iterator[Edit]:
    """What every family proposes at one place."""
    for family in FAMILIES.values():
        yield from family(site)
