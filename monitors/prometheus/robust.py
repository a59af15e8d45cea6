"""Statistics that a few wild points can't mislead, small enough to be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAD_TO_SIGMA = 1.4826
"""What makes the median absolute deviation of normal noise its standard deviation."""


def median(values: Sequence[float]) -> float:
    """The middle; of an even number the mean of both. Raises ValueError for nothing."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("the median of nothing")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def spread(values: Sequence[float]) -> float:
    """The standard deviation as the median absolute deviation estimates it."""
    middle = median(values)
    return MAD_TO_SIGMA * median([abs(value - middle) for value in values])


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share does not exceed. Raises ValueError for nothing."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a quantile of nothing")
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A line through points: `slope` per unit of x, `low` the lower end of its 95 % confidence, `last` where the line
    stands at the last x."""

    slope: float
    low: float
    last: float


def theil_sen(points: Sequence[tuple[float, float]]) -> Trend | None:
    """The median of the slopes between all pairs, with Sen's confidence interval; None for fewer than four points.

    Theil (1950); Sen, 'Estimates of the Regression Coefficient Based on Kendall's Tau', JASA 63 (1968).
    """
    count = len(points)
    slopes = sorted(
        (y2 - y1) / (x2 - x1) for n, (x1, y1) in enumerate(points) for x2, y2 in points[n + 1 :] if x2 != x1
    )
    if count < 4 or not slopes:
        return None
    slope = median(slopes)
    half = 1.96 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = slopes[max(0, math.floor((len(slopes) - half) / 2))]
    level = median([y - slope * x for x, y in points])
    return Trend(slope=slope, low=low, last=level + slope * points[-1][0])


def chance_of_at_least(hits: float, trials: float, share: float) -> float:
    """An upper bound of the probability of so many hits or more in independent trials (Chernoff: exp(-n·KL))."""
    if trials <= 0 or hits / trials <= share:
        return 1.0
    seen = min(1.0, hits / trials)
    share = max(share, 1e-12)
    divergence = seen * math.log(seen / share)
    if seen < 1.0:
        divergence += (1 - seen) * math.log((1 - seen) / (1 - share))
    return math.exp(-trials * divergence)
