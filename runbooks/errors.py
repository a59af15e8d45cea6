"""What can be wrong with a runbook, said in lines a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class BookError(Exception):
    """Runbooks that don't load, or parameters that don't fit; `problems` are one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ActionFailed(Exception):
    """An action did not do what it was asked to; the message is the reason. Rollback follows."""


class Waiting(Exception):
    """A person has to answer `question` first, within `within_s` seconds; `step` is the key of the step that asks."""

    def __init__(self, question: str, *, step: str, within_s: float) -> None:
        super().__init__(question)
        self.question, self.step, self.within_s = question, step, within_s


def nearest(name: str, valid: Iterable[str]) -> str:
    """`, nearest valid name: 'x'`, or the valid names when none is near."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f", nearest valid name: '{close[0]}'"
    return f", valid names: {', '.join(names)}" if names else ""
