"""What people want done otherwise, in their words, as far as a machine can follow: which fixers to use."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.model import Event

_WITHOUT = r"\b(?:without|not|no|skip|avoid)\s+(?:the\s+)?{}\b"
_WITH = r"\b(?:use|only|try|with)\s+(?:the\s+)?(?:only\s+)?{}\b"


def wishes(events: Sequence[Event]) -> tuple[str, ...]:
    """What was said to redirect the mission, oldest first."""
    return tuple(str(event.data["redirect"]) for event in events if "redirect" in event.data)


def steered(fixers: Sequence[str], said: Sequence[str]) -> list[str]:
    """The fixers that are left, in their order: ``without X`` drops one, ``use X`` leaves only those that are named.

    The last word on each counts. Words that name no fixer change nothing here, and when nothing would be left over
    everything is tried: a wish must not end a mission by being misread.
    """
    wanted: dict[str, bool] = {}
    for text in said:
        for name in fixers:
            if re.search(_WITHOUT.format(re.escape(name)), text, re.IGNORECASE):
                wanted[name] = False
            elif re.search(_WITH.format(re.escape(name)), text, re.IGNORECASE):
                wanted[name] = True
    chosen = any(wanted.values())
    left = [name for name in fixers if wanted.get(name, not chosen)]
    return left or list(fixers)
