"""Wrong configuration, told in one line each: file, line, place, what is wrong, and the nearest valid name."""

from __future__ import annotations

from collections.abc import Sequence
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
