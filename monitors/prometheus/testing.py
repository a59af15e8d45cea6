"""Metrics with planted faults and their healthy twins, as OpenMetrics text that `promtool` backfills."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

STEP_S, HOUR_S = 60, 3600
GIB = 2.0**30


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One job: which detector should see it (or nobody: `fault` false), and its metrics.

    `metrics` is metric line → value at so many seconds before the end (0: the end); None: no sample. `span_s` is how
    far back it goes, `step_s` apart.
    """

    job: str
    detector: str
    fault: bool
    metrics: Mapping[str, Callable[[float], float | None]]
    span_s: float = 4 * HOUR_S
    step_s: float = STEP_S
    late_s: float = 0.0


def counter(rate: Callable[[float], float], span_s: float) -> Callable[[float], float]:
    """A counter that grows by `rate` a second (of seconds before the end)."""
    totals = [0.0]
    for minute in range(int(span_s / STEP_S) + 2):
        totals.append(totals[-1] + STEP_S * rate(span_s - minute * STEP_S))
    return lambda ago_s: totals[max(0, int((span_s - ago_s) / STEP_S))]


def requests(job: str, fault: bool, total: Callable[[float], float], share: Callable[[float], float]) -> Scene:
    """Requests, some of which fail."""
    span_s = 4 * HOUR_S
    good = counter(lambda ago_s: total(ago_s) * (1 - share(ago_s)), span_s)
    failed = counter(lambda ago_s: total(ago_s) * share(ago_s), span_s)
    return Scene(job=job, detector="error_rate", fault=fault, metrics={
        f'http_requests_total{{job="{job}",code="200"}}': good,
        f'http_requests_total{{job="{job}",code="500"}}': failed,
    })  # fmt: skip


def latency(job: str, fault: bool, slow: Callable[[float], float], rate: float = 10.0) -> Scene:
    """Requests of which this share takes longer than 0.1 s, and all less than 2 s."""
    span_s = 4 * HOUR_S
    name = "http_request_duration_seconds_bucket"
    fast = counter(lambda ago_s: rate * (1 - slow(ago_s)), span_s)
    all_ = counter(lambda _: rate, span_s)
    return Scene(job=job, detector="latency", fault=fault, metrics={
        f'{name}{{job="{job}",le="0.1"}}': fast, f'{name}{{job="{job}",le="2"}}': all_,
        f'{name}{{job="{job}",le="+Inf"}}': all_,
    })  # fmt: skip


def memory(job: str, fault: bool, used: Callable[[float], float], hours: int = 6) -> Scene:
    """A container with a limit of 1 GiB."""
    labels = f'{{job="{job}",container="{job}"}}'
    return Scene(job=job, detector="leak", fault=fault, span_s=hours * HOUR_S, metrics={
        f"container_memory_working_set_bytes{labels}": lambda ago_s: used(ago_s) * GIB,
        f"container_spec_memory_limit_bytes{labels}": lambda _: GIB,
    })  # fmt: skip


def disk(job: str, fault: bool, used: Callable[[float], float]) -> Scene:
    """A file system."""
    labels = f'{{job="{job}",mountpoint="/",fstype="ext4"}}'
    return Scene(job=job, detector="saturation", fault=fault, metrics={
        f"node_filesystem_avail_bytes{labels}": lambda ago_s: (1 - used(ago_s)) * 100 * GIB,
        f"node_filesystem_size_bytes{labels}": lambda _: 100 * GIB,
    })  # fmt: skip


def pool(job: str, fault: bool, used: Callable[[float], float]) -> Scene:
    """Twenty connections to a database."""
    labels = f'{{job="{job}",pool="main"}}'
    return Scene(job=job, detector="saturation", fault=fault, metrics={
        f"hikaricp_connections_active{labels}": lambda ago_s: 20 * used(ago_s),
        f"hikaricp_connections_max{labels}": lambda _: 20.0,
    })  # fmt: skip


def quota(job: str, fault: bool, throttled: float) -> Scene:
    """A container held back in this share of its periods."""
    labels = f'{{job="{job}",container="{job}"}}'
    return Scene(job=job, detector="saturation", fault=fault, metrics={
        f"container_cpu_cfs_throttled_periods_total{labels}": counter(lambda _: 10 * throttled, 4 * HOUR_S),
        f"container_cpu_cfs_periods_total{labels}": counter(lambda _: 10.0, 4 * HOUR_S),
    })  # fmt: skip


def target(job: str, fault: bool, up: Callable[[float], float | None]) -> Scene:
    """A scraped target."""
    return Scene(job=job, detector="absent", fault=fault, span_s=HOUR_S, metrics={
        f'up{{job="{job}",instance="{job}:80"}}': up
    })  # fmt: skip


def traffic(job: str, fault: bool, shape: Callable[[float], float], weeks: int = 4) -> Scene:
    """Requests over weeks; `shape` gives requests a second at so many seconds before the end."""
    span_s = weeks * 7 * 24 * HOUR_S + HOUR_S
    total, totals, step_s = 0.0, [0.0], 150
    for slot in range(int(span_s / step_s) + 2):
        total += step_s * max(0.0, shape(span_s - slot * step_s))
        totals.append(total)
    return Scene(job=job, detector="seasonal", fault=fault, span_s=span_s, step_s=step_s, metrics={
        f'http_requests_total{{job="{job}",code="200"}}': lambda ago_s: totals[max(0, int((span_s - ago_s) / step_s))]
    })  # fmt: skip


def scenes(seed: int = 7) -> list[Scene]:
    """Every fault with healthy twins that look like it."""
    rng = Random(seed)
    noise = [rng.gauss(0, 1) for _ in range(20_000)]

    def at(ago_s: float) -> float:
        return noise[int(ago_s // STEP_S) % len(noise)]

    return [*_errors(), *_slowness(at), *_leaks(at), *_saturation(at), *_absences(), *_unusual(at)]


def _now(ago_s: float) -> bool:
    return ago_s < 360


def _day(ago_s: float) -> float:
    """Its peak at the end."""
    return 12 + 10 * math.cos(2 * math.pi * ago_s / (24 * HOUR_S))


def _errors() -> list[Scene]:
    """A service that fails more than it did."""
    return [
        requests("step", True, lambda _: 5.0, lambda ago_s: 0.09 if _now(ago_s) else 0.004),
        replace(requests("step-between-queries", True, lambda _: 5.0, lambda ago_s: 0.09 if _now(ago_s) else 0.004),
                late_s=23.0),
        requests("dead", True, lambda _: 5.0, lambda ago_s: 1.0 if _now(ago_s) else 0.0),
        requests("worse", True, lambda _: 20.0, lambda ago_s: 0.12 if _now(ago_s) else 0.03),
        requests("steady-errors", False, lambda _: 5.0, lambda _: 0.03),
        requests("bursts", False, lambda _: 5.0, lambda ago_s: 0.08 if ago_s % 1800 < 330 else 0.002),
        requests("few", False, lambda _: 0.02, lambda ago_s: 0.3 if _now(ago_s) else 0.0),
        requests("half-the-traffic", False, lambda ago_s: 2.5 if _now(ago_s) else 5.0, lambda _: 0.01),
        requests("deploy-with-more-traffic", False, lambda ago_s: 15.0 if _now(ago_s) else 5.0, lambda _: 0.01),
        requests("no-errors", False, lambda _: 5.0, lambda _: 0.0),
    ]  # fmt: skip


def _slowness(at: Callable[[float], float]) -> list[Scene]:
    """One that answers later."""
    return [
        latency("slower", True, lambda ago_s: 0.5 if ago_s < 660 else 0.04),
        latency("same", False, lambda _: 0.04),
        latency("always-slow", False, lambda ago_s: 0.6 + 0.05 * at(ago_s)),
        latency("noisy", False, lambda ago_s: min(0.9, max(0.0, 0.06 + 0.02 * at(ago_s)))),
        latency("slightly-slower-since-deploy", False, lambda ago_s: 0.09 if ago_s < 660 else 0.07),
        latency("few-and-slow", False, lambda ago_s: 0.9 if ago_s < 660 else 0.02, rate=0.03),
    ]  # fmt: skip


def _leaks(at: Callable[[float], float]) -> list[Scene]:
    """Memory that will not last."""
    return [
        memory("leaking", True, lambda ago_s: 0.8 - 0.06 * ago_s / HOUR_S + 0.005 * at(ago_s)),
        memory("leaking-saw", True, lambda ago_s: 0.75 - 0.05 * ago_s / HOUR_S + 0.08 * (ago_s % 1500) / 1500),
        memory("leaking-since-restart", True, lambda ago_s: 0.2 if ago_s > 3.7 * HOUR_S and ago_s < 3.8 * HOUR_S
               else 0.9 if ago_s >= 3.8 * HOUR_S else 0.85 - 0.15 * ago_s / HOUR_S),
        memory("leaking-deep-saw", True, lambda ago_s: (0.48 - 0.045 * ago_s / HOUR_S) * (2 - ago_s % 1500 / 1500)),
        memory("breathing", False, lambda ago_s: 0.5 - 0.25 * math.cos(2 * math.pi * (15 - ago_s / HOUR_S) / 24 - 1),
               hours=40),
        memory("saw", False, lambda ago_s: 0.5 + 0.3 * (1 - ago_s % 2400 / 2400)),
        memory("flat", False, lambda ago_s: 0.6 + 0.01 * at(ago_s)),
        memory("warm-up", False, lambda ago_s: 0.6 - (0.3 if ago_s > 5 * HOUR_S else 0.0)),
        memory("slow-growth", False, lambda ago_s: 0.3 - 0.004 * ago_s / HOUR_S),
        memory("restarted", False, lambda ago_s: 0.8 if ago_s > HOUR_S else 0.3),
    ]  # fmt: skip


def _saturation(at: Callable[[float], float]) -> list[Scene]:
    """Disks, pools and quotas that are full."""
    return [
        disk("full", True, lambda _: 0.97),
        disk("filling", True, lambda ago_s: 0.85 - 0.08 * ago_s / HOUR_S),
        disk("used-but-steady", False, lambda ago_s: 0.85 + 0.002 * at(ago_s)),
        disk("filling-but-empty", False, lambda ago_s: 0.4 - 0.05 * ago_s / HOUR_S),
        pool("pool-full", True, lambda _: 1.0),
        pool("pool-busy", False, lambda ago_s: 0.6 + 0.1 * at(ago_s)),
        quota("throttled", True, 0.7),
        quota("throttled-a-little", False, 0.2),
    ]  # fmt: skip


def _absences() -> list[Scene]:
    """Targets that are gone."""
    return [
        target("down", True, lambda ago_s: 0.0 if ago_s < 300 else 1.0),
        target("gone", True, lambda ago_s: None if ago_s < 900 else 1.0),
        target("well", False, lambda _: 1.0),
    ]  # fmt: skip


def _unusual(at: Callable[[float], float]) -> list[Scene]:
    """Traffic unlike that of other days."""
    return [
        traffic("dropped", True, lambda ago_s: 2.0 if ago_s < 1800 else _day(ago_s) + 0.5 * at(ago_s)),
        traffic("flooded", True, lambda ago_s: 80.0 if ago_s < 1800 else _day(ago_s) + 0.5 * at(ago_s)),
        traffic("as-ever", False, lambda ago_s: _day(ago_s) + 0.8 * at(ago_s)),
        traffic("one-bad-week", False, lambda ago_s: 1.0 if 6.9 * 86_400 < ago_s < 7.1 * 86_400 else _day(ago_s)),
        traffic("quiet-like-six-days-ago", False, lambda ago_s: 1.0 if ago_s < 7200 or ago_s > 5.5 * 86_400
                else _day(ago_s), weeks=1),
        traffic("new", False, lambda ago_s: _day(ago_s), weeks=0),
    ]  # fmt: skip


def openmetrics(found: list[Scene], end_s: float) -> Iterator[str]:
    """The text `promtool tsdb create-blocks-from openmetrics` takes, a piece at a time."""
    names = sorted({metric.partition("{")[0] for scene in found for metric in scene.metrics})
    for name in names:
        yield f"# TYPE {name} gauge\n"
        for scene in found:
            for metric, value in scene.metrics.items():
                if metric.partition("{")[0] == name:
                    yield from _lines(metric, value, scene, end_s)
    yield "# EOF\n"


def _lines(metric: str, value: Callable[[float], float | None], scene: Scene, end_s: float) -> Iterator[str]:
    ago_s = scene.span_s
    while ago_s >= 0:
        if (now := value(ago_s)) is not None:
            yield f"{metric} {now:.10g} {end_s - ago_s - scene.late_s:.0f}\n"
        ago_s -= scene.step_s
