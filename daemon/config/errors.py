"""Wrong configuration, told in one line each: file, line, place, what is wrong, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Place = tuple[str | int, ...]


class ConfigError(Exception):
    """The configuration can't be used. `lines` has one line per problem, in the order of the file."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong at one place of the configuration."""

    place: Place
    text: str


def spell(place: Place) -> str:
    """A place as people write it: ``services[0].check``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(name: str, valid: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the closest valid name, else the list of a few valid ones, else nothing."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; valid here: {', '.join(names)}" if 0 < len(names) <= 25 else ""
