"""How natural the code after an edit would read: tests can't tell edits apart that all pass, habits of people can.

Every parameter is there to be read, nobody compares a thing with itself, a line is not written twice, and what runs
past the end of a sequence is shortened rather than guarded. The factors are multiplied with the score of a candidate;
they were set on mutants of programs that no template was written for.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass

from nightshift.fixers.templates.families.stale import unused
from nightshift.fixers.templates.site import own_nodes
from nightshift.fixers.templates.source import Edit, Source

_NAME = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*")
_TWICE = re.compile(r"(?<![\w.\])])([A-Za-z_]\w*) (?:==|!=|<=|>=|<|>|-|//|/|%|in|is|and|or) \1(?![\w.(\[])")
_SAME_ARGUMENTS = re.compile(r"\((\w+), \1\)")
_PAST_THE_END = re.compile(r"(len\([\w.]+\)) \+ 1")
_USES_IDLE, _MAKES_IDLE, _ITSELF, _WITHIN = 1.8, 0.6, 0.3, 4.0


@dataclass(frozen=True)
class Habits:
    """How often each name is read in a function, and which of its names nothing reads."""

    reads: Counter[str]
    idle: frozenset[str]


def habits(function: ast.AST) -> Habits:
    """Counted once per function."""
    nodes = [n for n in own_nodes(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    return Habits(reads=Counter(n.id for n in nodes), idle=frozenset(unused(function)))


def naturalness(source: Source, edit: Edit, habit: Habits) -> float:
    """A factor around 1 for one edit within the function that `habit` describes."""
    old, factor = source.text[edit.start : edit.end], 1.0
    before, after = Counter(_NAME.findall(old)), Counter(_NAME.findall(edit.text))
    if habit.idle and any(n in habit.idle and after[n] > before[n] for n in after):
        factor *= _USES_IDLE
    if any(habit.reads[n] and after[n] < count and habit.reads[n] <= count - after[n] for n, count in before.items()):
        factor *= _MAKES_IDLE
    if (_TWICE.search(edit.text) and not _TWICE.search(old)) or (
        _SAME_ARGUMENTS.search(edit.text) and not _SAME_ARGUMENTS.search(old)
    ):
        factor *= _ITSELF
    return factor * (_WITHIN if _comes_within(source, edit, old) else 1.0)


def _comes_within(source: Source, edit: Edit, old: str) -> bool:
    """Whether a loop over the places of a sequence and one more loses the one more."""
    past = _PAST_THE_END.fullmatch(old)
    return past is not None and edit.text == past[1] and source.text.endswith("range(", 0, edit.start)
