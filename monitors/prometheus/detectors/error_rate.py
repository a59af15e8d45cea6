"""A step in the share of failing requests: now against the hour before.

Fires when the share rose by `min_increase` and doubled, and when two tests find it less likely than `chance`: of all
failures, then and now, so many fall into now (the conditional test of two Poisson rates: Przyborowski and Wilenski,
Biometrika 31, 1940), and so many fail at the share that the baseline's worst window had: a service that always fails a
little, or in bursts, is known by its own past. Both are bounded by Chernoff, and count requests as so many fewer as the
baseline is rougher than independent requests would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from nightshift.daemon.model import Severity
from nightshift.monitors.prometheus.client import Prometheus, Series
from nightshift.monitors.prometheus.detectors.base import Base
from nightshift.monitors.prometheus.detectors.families import counted, failed
from nightshift.monitors.prometheus.episodes import Finding
from nightshift.monitors.prometheus.robust import chance_of_at_least, median, quantile
from nightshift.monitors.rules import series_id

TITLE = "error rate rose"
MEDIAN_CHI_SQUARE = 0.4549
"""Of one degree of freedom."""


class Settings(Base):
    """Steps in error rates."""

    severity: Severity = Severity.ERROR
    errors: str = failed("$window")
    """PromQL: failures within `$window`."""
    total: str = counted("increase", "$window")
    """PromQL: requests within `$window`, with the same labels."""
    window_s: float = Field(default=300.0, ge=60)
    """What counts as now."""
    baseline_s: float = Field(default=3600.0, ge=600)
    """What it is compared with."""
    min_requests: float = Field(default=5.0, gt=0)
    """Fewer requests within `window_s` say nothing."""
    min_increase: float = Field(default=0.02, gt=0, le=1)
    """By how much the share must have risen (0.02: two in a hundred requests more)."""
    chance: float = Field(default=1e-6, gt=0, lt=1)
    """How seldom chance may do the same."""
    unknown: float = Field(default=0.25, gt=0, le=0.5)
    """The share taken for usual where fewer than `min_requests` came before."""


def look(settings: Settings, server: Prometheus, now_s: float) -> Iterator[Finding]:
    """A finding for every series of `total`. Two queries, one point for each `window_s`: whole windows, so that it
    does not matter how often targets are scraped."""
    window = f"{settings.window_s:.0f}s"
    begin_s = now_s - round(settings.baseline_s / settings.window_s) * settings.window_s
    totals = server.over(settings.total.replace("$window", window), begin_s, now_s, settings.window_s)
    if not totals:
        return
    found = server.over(settings.errors.replace("$window", window), begin_s, now_s, settings.window_s)
    errors = {series_id(series.labels): series for series in found}
    for total in totals:
        yield _judged(settings, total, errors.get(series_id(total.labels)), now_s)


@dataclass(frozen=True, kw_only=True)
class _Past:
    """The baseline: failures, requests, the share of its worst window, and how much rougher than chance it is
    (variance over that of independent requests, 1 at least)."""

    hits: float
    requests: float
    worst: float
    rough: float


def _judged(settings: Settings, total: Series, errors: Series | None, now_s: float) -> Finding:
    edge_s = now_s - settings.window_s
    requests = sum(total.between(edge_s, now_s))
    hits = sum(errors.between(edge_s, now_s)) if errors else 0.0
    if requests < settings.min_requests:
        return Finding(labels=total.labels, bad=False)
    share, past = hits / requests, _past(settings, total, errors, edge_s)
    known = past.requests >= settings.min_requests
    before = past.hits / past.requests if known else settings.unknown
    bad = (
        share >= before + settings.min_increase
        and share >= 2 * before
        and chance_of_at_least(hits / past.rough, requests / past.rough, max(before, past.worst)) < settings.chance
        and (not known or _by_chance(hits, requests, past) < settings.chance)
    )
    then = f"{before:.2%} in the {settings.baseline_s / 60:.0f} min before" if known else "too few came before to tell"
    why = f"{share:.1%} of {requests:.0f} requests failed in the last {settings.window_s / 60:.0f} min; {then}"
    return Finding(labels=total.labels, bad=bad, why=why)


def _by_chance(hits: float, requests: float, past: _Past) -> float:
    """How likely so many of all failures fall into now, if nothing changed."""
    return chance_of_at_least(
        hits / past.rough, (hits + past.hits) / past.rough, requests / (requests + past.requests)
    )  # fmt: skip


def _past(settings: Settings, total: Series, errors: Series | None, edge_s: float) -> _Past:
    failed = dict(errors.points) if errors else {}
    windows: dict[int, tuple[float, float]] = {}
    for at_s, count in total.points:
        if edge_s - settings.baseline_s < at_s <= edge_s:
            number = int((edge_s - at_s) // settings.window_s)
            bad, all_ = windows.get(number, (0.0, 0.0))
            windows[number] = (bad + failed.get(at_s, 0.0), all_ + count)
    hits, requests = (sum(column) for column in zip(*windows.values(), strict=True)) if windows else (0.0, 0.0)
    shares = [bad / all_ for bad, all_ in windows.values() if all_ >= settings.min_requests / 4]
    rough = _roughness(list(windows.values()))
    return _Past(hits=hits, requests=requests, worst=quantile(shares, 0.95) if shares else 0.0, rough=rough)


def _roughness(windows: list[tuple[float, float]]) -> float:
    """Over-dispersion of most windows: the median of Pearson's squares about the median share, over what it is for
    chance alone. After Wedderburn, 'Quasi-likelihood functions', Biometrika 61 (1974); by the median, since a burst in
    one window says nothing of the others."""
    seen = [(bad, all_) for bad, all_ in windows if all_ > 0]
    share = median([bad / all_ for bad, all_ in seen]) if len(seen) >= 4 else 0.0
    if not 0 < share < 1:
        return 1.0
    squares = [(bad - share * all_) ** 2 / max(share * (1 - share) * all_, 1e-9) for bad, all_ in seen]
    return max(1.0, median(squares) / MEDIAN_CHI_SQUARE)
