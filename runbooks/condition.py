"""`when`: look-ups, comparisons with a literal or another look-up, joined by `and`. No more, on purpose.

A condition is taken apart before its holes are filled, so a value can't add a comparison of its own.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from .template import TemplateError, Values, fill, split, truth

_FORM = re.compile(
    r"\s*(?P<no>not\s+)?(?P<left>\$\{\{[^{}]{1,200}\}\})\s*"
    r"(?:(?P<how>==|!=|>=|<=|>|<)\s*(?P<right>\$\{\{[^{}]{1,200}\}\}|'[^'$]{0,200}'|\"[^\"$]{0,200}\"|[\w.%:/+-]{1,200}))?\s*"
)
_ORDERED: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


def check(condition: str | bool) -> None:
    """Raises TemplateError when it is no condition."""
    if isinstance(condition, str):
        _clauses(condition)


def met(condition: str | bool, values: Values) -> bool:
    """Whether it holds. Raises TemplateError for what can't be looked up or compared."""
    if isinstance(condition, bool):
        return condition
    return all(_met(clause, values) for clause in _clauses(condition))


def _clauses(condition: str) -> list[re.Match[str]]:
    split(condition)
    if not condition.strip():
        raise TemplateError("an empty condition")
    found = []
    for text in re.split(r"\s+and\s+", condition.strip()):
        match = _FORM.fullmatch(text)
        if not match or (match["no"] and match["how"]):
            form = "${{ a.b }}, not ${{ a.b }}, or ${{ a.b }} == value (!=, <, <=, >, >=), joined by `and`"
            raise TemplateError(f"'{text}' is no condition; write {form}")
        found.append(match)
    return found


def _met(clause: re.Match[str], values: Values) -> bool:
    left = fill(clause["left"], values)
    if not clause["how"]:
        return truth(left) != bool(clause["no"])
    right = clause["right"]
    return compare(left, clause["how"], fill(right, values) if "${{" in right else right.strip("'\""))


def compare(left: Any, how: str, right: Any) -> bool:
    """Numbers as numbers, anything else as text, which has no order. Raises TemplateError."""
    numbers = _number(left), _number(right)
    if how in ("==", "!="):
        same = numbers[0] == numbers[1] if None not in numbers else _text(left) == _text(right)
        return same == (how == "==")
    if numbers[0] is None or numbers[1] is None:
        raise TemplateError(f"'{_text(left)[:50]}' {how} '{_text(right)[:50]}' does not compare two numbers")
    return _ORDERED[how](numbers[0], numbers[1])


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not re.fullmatch(r"\s*[+-]?\d{1,18}(\.\d{1,18})?(e[+-]?\d{1,3})?\s*", str(value)):
        return None
    return float(value)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
