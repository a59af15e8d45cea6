"""Waiting between tries, so that a world that is down is neither hammered nor tried in step by every node."""

from __future__ import annotations

from random import Random


class Backoff:
    """Exponential waits with full jitter: 'Exponential Backoff And Jitter', AWS architecture blog, 2015.

    The n-th wait is drawn from [half, whole] of ``min(most_s, first_s * 2**n)``, so that it never is almost zero.
    """

    def __init__(self, *, first_s: float = 0.5, most_s: float = 60.0, random: Random | None = None) -> None:
        self._first_s, self._most_s, self._random = first_s, most_s, random or Random()
        self.tries = 0

    def next_s(self) -> float:
        """Seconds to wait before the next try; grows with each call."""
        whole = min(self._most_s, self._first_s * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return whole * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It works again: the next wait is the first one."""
        self.tries = 0
