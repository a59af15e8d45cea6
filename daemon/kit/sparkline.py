"""Counts over time as one line of eight heights, for lists that people skim."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_QUIET = "·"
MINUTE_MS = 60_000


def sparkline(counts: Sequence[tuple[int, int]], width: int = 16) -> str:
    """(beginning in ms, count) in order → at most `width` characters from the first to the last; `·` is none at all.

    A count of one minute is drawn in its minute; the highest column is full, any other at least the lowest bar.
    """
    if not counts:
        return ""
    start, end = counts[0][0], counts[-1][0] + MINUTE_MS
    columns = max(1, min(width, (end - start) // MINUTE_MS))
    sums = [0] * columns
    for at_ms, count in counts:
        sums[min(columns - 1, (at_ms - start) * columns // (end - start))] += count
    top = max(sums) or 1
    return "".join(_BARS[(len(_BARS) - 1) * n // top] if n else _QUIET for n in sums)
