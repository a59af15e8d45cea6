"""Weeks of metrics as services draw them, minute by minute, and faults of any size put into them: nothing here was made
to fit a detector."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MINUTES = 7 * 24 * 60
Minutes = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Week:
    """One series. `values` are per minute; `totals` go with error counts; `fault_at` is the minute at which the fault
    begins (-1: healthy), `late_at` when it is too late to say so."""

    values: Minutes
    totals: Minutes | None = None
    fault_at: int = -1
    late_at: int = -1


def wander(rng: np.random.Generator, count: int, sigma: float, memory: float) -> Minutes:
    """Noise that remembers: AR(1) with this standard deviation."""
    steps = rng.normal(0, sigma * math.sqrt(1 - memory**2), count)
    out, level = np.empty(count), 0.0
    for at in range(count):
        level = memory * level + steps[at]
        out[at] = level
    return out


def daily(rng: np.random.Generator, count: int, depth: float) -> Minutes:
    """1 on average, a wave a day with this depth, quieter weekends for some."""
    minute = np.arange(count)
    wave = 1 + depth * np.sin(2 * math.pi * (minute / 1440 + rng.uniform()))
    weekend = rng.choice([1.0, 1.0, 0.5, 0.2])
    return wave * np.where(minute // 1440 % 7 >= 5, weekend, 1.0)


def requests(rng: np.random.Generator, fault: bool) -> Week:
    """Requests and failures: rare or many, a share that wanders, bursts by the clock, deploys that double traffic."""
    rate = 60 * math.exp(rng.uniform(math.log(0.05), math.log(50)))
    mean = rate * daily(rng, MINUTES, rng.uniform(0, 0.8)) * np.exp(wander(rng, MINUTES, 0.15, 0.95))
    mean[rng.integers(MINUTES) :] *= rng.choice([1.0, 2.0, 0.5])
    share = np.full(MINUTES, rng.choice([0.0, math.exp(rng.uniform(math.log(1e-4), math.log(0.05)))]))
    share *= np.exp(wander(rng, MINUTES, rng.choice([0.0, 0.3, 0.5]), 0.9))
    if rng.uniform() < 0.3:
        period = rng.integers(20, 61)
        share[np.arange(MINUTES) % period < 3] += rng.uniform(0.01, 0.1)
    at = int(rng.integers(2 * 1440, 6 * 1440)) if fault else -1
    if fault:
        share[at : at + 30] += math.exp(rng.uniform(math.log(0.05), math.log(1.0)))
    totals = rng.poisson(mean)
    values = rng.binomial(totals, np.clip(share, 0, 1))
    return Week(values=values.astype(float), totals=totals.astype(float), fault_at=at, late_at=at + 30)


def p95(rng: np.random.Generator, fault: bool) -> Week:
    """Seconds: a level, noise with a memory, some load in it, spikes of a minute or two, deploys that change it by a fifth."""
    level = math.exp(rng.uniform(math.log(0.02), math.log(2)))
    values = level * np.exp(wander(rng, MINUTES, rng.uniform(0.02, 0.3), rng.uniform(0.3, 0.95)))
    values *= daily(rng, MINUTES, rng.uniform(0, 0.3)) ** 0.5
    values[rng.integers(MINUTES) :] *= rng.uniform(0.8, 1.2)
    for spike in rng.integers(0, MINUTES, rng.integers(0, 40)):
        values[spike : spike + rng.integers(1, 3)] *= rng.uniform(2, 5)
    at = int(rng.integers(2 * 1440, 6 * 1440)) if fault else -1
    if fault:
        values[at : at + 30] *= rng.uniform(2, 6)
    return Week(values=values, fault_at=at, late_at=at + 30)


def memory(rng: np.random.Generator, fault: bool) -> Week:
    """Share of the limit: a level, a collector's saw, breathing with the day, restarts that warm up, caches that fill."""
    minute = np.arange(MINUTES)
    values = np.full(MINUTES, rng.uniform(0.2, 0.5)) + wander(
        rng, MINUTES, rng.uniform(0.002, 0.03), rng.uniform(0.5, 0.99)
    )
    period, height = rng.integers(5, 120), rng.choice([0.0, rng.uniform(0.02, 0.3)])
    values += height * (minute % period) / period
    values *= daily(rng, MINUTES, rng.uniform(0, 0.25))
    age, since = np.zeros(MINUTES), rng.integers(0, 2880)
    restarts = set(rng.integers(0, MINUTES, rng.integers(0, 5)).tolist())
    for at in range(MINUTES):
        since = 0 if at in restarts else since + 1
        age[at] = since
    values *= 1 - 0.6 * np.exp(-age / rng.uniform(5, 120))
    at = int(rng.integers(2 * 1440, 5 * 1440)) if fault else -1
    late = at
    if fault:
        slope = (1 - values[at]) / (60 * rng.uniform(4, 16))
        values[at:] += slope * (minute[at:] - at)
        late = at + int(np.argmax(values[at:] >= 1))
        values[late:] = values[:1].mean() * 0.5
    return Week(values=np.clip(values, 0.01, 1), fault_at=at, late_at=late)


def disk(rng: np.random.Generator, fault: bool) -> Week:
    """Share of a disk: logs that grow by day and are rotated at night, jobs that fill and empty, noise."""
    minute = np.arange(MINUTES)
    values = rng.uniform(0.2, 0.75) + rng.uniform(0, 0.12) * (minute % 1440) / 1440 + wander(rng, MINUTES, 0.003, 0.9)
    for job in rng.integers(0, MINUTES, rng.integers(0, 10)):
        span = int(rng.integers(30, 180))
        rise = rng.uniform(0.01, 0.08) * np.linspace(0, 1, span)
        values[job : job + span] += rise[: max(0, MINUTES - job)]
    at = int(rng.integers(2 * 1440, 5 * 1440)) if fault else -1
    late = at
    if fault:
        values[at:] += (1 - values[at]) / (60 * rng.uniform(3, 10)) * (minute[at:] - at)
        late = at + int(np.argmax(values[at:] >= 1))
    return Week(values=np.clip(values, 0, 1), fault_at=at, late_at=late)


def traffic(rng: np.random.Generator, fault: bool) -> Week:
    """Requests a second over five weeks: days, weekends, growth, noise with a memory, an outage long ago for some."""
    count = 5 * MINUTES
    values = math.exp(rng.uniform(math.log(0.5), math.log(500))) * daily(rng, count, rng.uniform(0, 0.9))
    values *= np.exp(wander(rng, count, rng.uniform(0.02, 0.2), 0.97)) * (
        1 + rng.uniform(-0.05, 0.1) * np.arange(count) / MINUTES
    )
    if rng.uniform() < 0.3:
        out = rng.integers(0, 4 * MINUTES)
        values[out : out + rng.integers(30, 400)] *= rng.uniform(0, 0.3)
    at = int(rng.integers(4 * MINUTES + 60, count - 120)) if fault else -1
    if fault:
        values[at : at + 60] *= rng.choice([rng.uniform(0, 0.3), rng.uniform(3, 10)])
    return Week(values=values, fault_at=at, late_at=at + 60)


WEEKS = {"error_rate": requests, "latency": p95, "leak": memory, "saturation": disk, "seasonal": traffic}


def weeks(detector: str, count: int, seed: int, *, fault: bool) -> Iterator[Week]:
    """So many for one detector."""
    for number in range(count):
        yield WEEKS[detector](np.random.default_rng([seed, number, fault, len(detector)]), fault)
