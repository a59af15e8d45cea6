"""Autonomy is earned: how probable it is that a merge of this kind lasts, from those that did and did not.

The share of merges that last is taken as a Beta distribution, updated by each merge with exponential forgetting: the
beta reputation system of Jøsang and Ismail (The Beta Reputation System, Bled 2002), with a uniform prior. Its tail is
the regularised incomplete beta function, by Lentz's continued fraction (Press et al., Numerical Recipes, 6.4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nightshift.daemon.missions.policy.settings import Earning

DAY_MS = 24 * 3600 * 1000
_ROUNDS = 300
_TINY = 1e-300


@dataclass(frozen=True, kw_only=True)
class Merge:
    """One merge: when, and when it was reverted (0 = it was not), in Unix milliseconds."""

    at_ms: int
    reverted_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Trust:
    """A track record. `lasted` and `reverted` are weighed by age, `since_revert` are those that lasted after the last
    revert, `young` merges count neither way yet. `probability` is that of lasting at least as often as the target."""

    lasted: float
    reverted: float
    since_revert: float
    young: int
    ever_reverted: bool
    probability: float

    @property
    def mean(self) -> float:
        """The expected share of merges that last."""
        return (1 + self.lasted) / (2 + self.lasted + self.reverted)


def trust_of(merges: Sequence[Merge], now_ms: int, earning: Earning) -> Trust:
    """The track record of some merges of one (service, fixer, kind), as it stands now."""
    span_ms = earning.days * DAY_MS
    bad = [m for m in merges if m.reverted_ms and m.reverted_ms - m.at_ms <= span_ms]
    good = [m for m in merges if m not in bad and now_ms - m.at_ms >= span_ms]
    last = max((m.reverted_ms for m in bad), default=0)
    weigh = _weigher(now_ms, earning)
    lasted, reverted = sum(map(weigh, good)), sum(map(weigh, bad))
    return Trust(
        lasted=lasted, reverted=reverted, since_revert=sum(weigh(m) for m in good if m.at_ms > last),
        young=len(merges) - len(bad) - len(good), ever_reverted=bool(bad),
        probability=1.0 - incomplete_beta(1 + lasted, 1 + reverted, earning.target),
    )  # fmt: skip


def earned(trust: Trust, earning: Earning) -> tuple[bool, str]:
    """Whether a record is enough for `earned` autonomy, and why."""
    words = f"{trust.lasted:.1f} lasted {earning.days} days, {trust.reverted:.1f} reverted, {trust.young} younger"
    if trust.since_revert < earning.evidence:
        since = " since the last revert" if trust.ever_reverted else ""
        return False, f"{words}; {earning.evidence:g} that lasted{since} are needed"
    sure = f"P(≥ {earning.target:.0%} last) = {trust.probability:.2f}"
    enough = trust.probability >= earning.confidence
    return enough, f"{words}; {sure}, {'at least' if enough else 'less than'} {earning.confidence:g}"


def lost(trust: Trust, earning: Earning) -> str:
    """Why autonomy that was given is lost; '' while it is not."""
    if not trust.ever_reverted or trust.since_revert >= earning.evidence:
        return ""
    return (
        f"a merge of this kind was reverted; {trust.since_revert:.1f} lasted {earning.days} days since,"
        f" {earning.evidence:g} are needed"
    )


def _weigher(now_ms: int, earning: Earning) -> Callable[[Merge], float]:
    def weigh(merge: Merge) -> float:
        age_days = max(0, now_ms - merge.at_ms) / DAY_MS
        return float(0.5 ** (age_days / earning.half_life_days))

    return weigh


def incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b): the probability that a Beta(a, b) variable is below x."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(scale) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _ROUNDS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1.0 / _away(1.0 + term * d), _away(1.0 + term / c)
            value *= d * c
        if abs(d * c - 1.0) < 1e-12:
            break
    return value


def _away(value: float) -> float:
    """Not zero."""
    return value if abs(value) > _TINY else _TINY
