"""Advice of creators that no patch can carry (set a variable where the service is deployed): it reaches people with the
end of the mission instead of being lost in a log."""

from __future__ import annotations

from collections.abc import Iterable

from nightshift.daemon.model import Event
from nightshift.daemon.ports import PROPOSAL, Note

_MOST = 3


def advice(text: str) -> str:
    """The advice a note gives, '' when it is only progress."""
    return text.removeprefix(PROPOSAL) if text.startswith(PROPOSAL) else ""


def written(events: Iterable[Event]) -> list[str]:
    """The advice in a mission's journal, each once."""
    return list(dict.fromkeys(str(e.data["proposal"]) for e in events if e.data.get("proposal")))


def with_advice(reason: str, given: Iterable[str]) -> str:
    """A reason for people, with what they can do."""
    lines = list(given)[:_MOST]
    return f"{reason}. What you can do: {'; '.join(lines)}" if lines else reason


def heard(note: Note, given: list[str]) -> Note:
    """A note that also remembers the advice it hears."""

    def said(text: str) -> None:
        note(text)
        if (told := advice(text)) and told not in given:
            given.append(told)

    return said
