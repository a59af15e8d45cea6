"""Before and after: how much a metric moved, and how sure that is. No data is never good news.

Levels are compared by the Hodges-Lehmann shift, the median of all differences after − before, with the interval that
belongs to the Wilcoxon-Mann-Whitney test and needs no distribution (Hollander, Wolfe, Chicken: Nonparametric
Statistical Methods, 3rd ed., 4.2-4.3; normal approximation). Samples whose windows overlap are fewer than they look:
the interval is widened by the root of the overlap. Counts are compared by the conditional binomial test of two Poisson
rates (Przyborowski, Wilenski: Homogeneity of Results in Testing Samples from Poisson Series, Biometrika 31, 1940).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

LEAST_SAMPLES = 5
_Z95 = 1.959964
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A metric before and after. `before`, `after` and `change` (its share of `before`) are None when not known; `low`
    and `high` bound the shift, in the metric's unit, with `confidence`. `verdict`: no worse | worse | unclear | no
    data."""

    name: str
    verdict: str
    unit: str = ""
    before: float | None = None
    after: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = CONFIDENCE
    method: str = "Hodges-Lehmann, Mann-Whitney interval"
    samples: tuple[int, int] = (0, 0)

    def as_json(self) -> Mapping[str, Any]:
        """For the outcome's evidence; `said` is the figure in a line."""
        told = {**asdict(self), "samples": list(self.samples)}
        return {**told, "said": spoken(told)}


def compared(
    name: str, before: Sequence[float], after: Sequence[float], *, tolerance: float, floor: float = 0.0,
    worse: str = "higher", unit: str = "", overlap: float = 1.0,
) -> Figure:  # fmt: skip
    """Whether a level got worse by more than `tolerance` (a share of the level before) plus `floor` (in its unit)."""
    before, after = _finite(before), _finite(after)
    samples = (len(before), len(after))
    if min(samples) < LEAST_SAMPLES:
        return Figure(name=name, unit=unit, verdict="no data", samples=samples,
                      before=median(before) if before else None, after=median(after) if after else None)  # fmt: skip
    level = median(before)
    shift, low, high = shifted(before, after, overlap)
    allowed = tolerance * abs(level) + floor
    least, most = (low, high) if worse == "higher" else (-high, -low)
    verdict = "worse" if least > allowed else "no worse" if most <= allowed else "unclear"
    return Figure(
        name=name, unit=unit, verdict=verdict, before=level, after=median(after), samples=samples,
        change=shift / abs(level) if level else None, low=_known(low), high=_known(high),
    )  # fmt: skip


def shifted(before: Sequence[float], after: Sequence[float], overlap: float = 1.0) -> tuple[float, float, float]:
    """(shift, lower, upper bound); the bounds are infinite when there is too little to tell."""
    differences = sorted(b - a for a in before for b in after)
    n, m = len(before), len(after)
    spread = _Z95 * math.sqrt(max(1.0, overlap) * n * m * (n + m + 1) / 12)
    cut = math.floor(n * m / 2 - spread)
    if cut < 1:
        return median(differences), -math.inf, math.inf
    return median(differences), differences[cut - 1], differences[n * m - cut]


def quieted(name: str, before: int, before_s: float, after: int, after_s: float) -> Figure:
    """Whether something happens less often than it did: `confidence` is that the lower rate is not chance."""
    if before_s <= 0 or after_s <= 0:
        return Figure(name=name, unit="/min", verdict="no data", method="conditional binomial", confidence=0.0)
    rates = 60 * before / before_s, 60 * after / after_s
    chance = _at_most(after, before + after, after_s / (before_s + after_s))
    verdict = "no worse" if rates[1] <= rates[0] else "worse"
    return Figure(
        name=name, unit="/min", verdict=verdict, before=rates[0], after=rates[1], confidence=1.0 - chance,
        change=rates[1] / rates[0] - 1 if rates[0] else None, method="conditional binomial", samples=(before, after),
    )  # fmt: skip


def spoken(figure: Mapping[str, Any]) -> str:
    """A figure as JSON, in a line: ``p95: 0.41 s → 0.36 s (−12 %, 95 % sure between −18 % and −6 %; no worse)``."""
    unit = f" {figure['unit']}" if figure["unit"] and not figure["unit"].startswith("/") else figure["unit"]
    values = " → ".join("?" if v is None else f"{v:.3g}{unit}" for v in (figure["before"], figure["after"]))
    said = [figure["verdict"]]
    if figure["change"] is not None:
        said.insert(0, _percent(figure["change"]))
    if figure["low"] is not None and figure["high"] is not None and figure["before"]:
        low, high = (_percent(figure[end] / abs(figure["before"])) for end in ("low", "high"))
        said.insert(1, f"{figure['confidence']:.0%} sure between {low} and {high}")
    elif figure["method"] == "conditional binomial" and figure["before"] is not None:
        said.insert(1, f"{figure['confidence']:.1%} sure that it is rarer")
    return f"{figure['name']}: {values} ({', '.join(said[:-1])}; {said[-1]})" if said[:-1] else (
        f"{figure['name']}: {values} ({said[0]})"
    )  # fmt: skip


def _at_most(k: int, n: int, p: float) -> float:
    """P(X ≤ k) of a binomial variable; 1 when nothing ever happened."""
    if n == 0:
        return 1.0
    if n > 5000:  # the normal approximation, with its correction for continuity
        return 0.5 * (1 + math.erf((k + 0.5 - n * p) / math.sqrt(2 * n * p * (1 - p))))
    whole = math.lgamma(n + 1)
    logs = (
        whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _percent(share: float) -> str:
    return f"{'−' if share < 0 else '+'}{abs(share):.0%}".replace("%", " %")
