"""The rules of the watch, read by read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.missions.comparison import spoken
from nightshift.daemon.missions.guards import Guard, GuardReader
from nightshift.daemon.missions.watch import make_watcher, watch
from nightshift.daemon.model import Incident, IncidentState, Outcome, Recovery, Service, Severity, Signal, dump, load
from nightshift.daemon.ports import EnvironmentBroke

SERVICE = Service(name="shop", repo="", watch_window_s=60, watch_interval_s=5)


def _watch(counts: Sequence[int | None], probes: Sequence[bool | None] | None, service: Service = SERVICE) -> Outcome:
    """`counts` are occurrences since the deploy, read by read (None: unreadable); the last of each repeats."""
    clock, at = ManualClock(), {"count": -1, "probe": -1}

    def take(what: str, values: Sequence) -> object:
        at[what] += 1
        return values[min(at[what], len(values) - 1)]

    def occurrences() -> int:
        count = take("count", counts)
        if count is None:
            raise EnvironmentBroke("no data")
        return count

    probe = None if probes is None else lambda: take("probe", probes)
    return watch(service, occurrences=occurrences, probe=probe, clock=clock)


@pytest.mark.parametrize(
    ("counts", "probes", "recovery", "reads"),
    [
        ([0], [True], Recovery.RECOVERED, 2),
        ([0], [None, None, True], Recovery.RECOVERED, 4),
        ([1], [True], Recovery.RECOVERED, 3),
        ([1], [False, True], Recovery.RECOVERED, 3),
        ([0], [False], Recovery.STILL_FAILING, 2),
        ([0], [True, False, False], Recovery.STILL_FAILING, 3),
        ([0, 1], [True], Recovery.STILL_FAILING, 2),
        ([1, 2], [True], Recovery.STILL_FAILING, 2),
        ([1, 1, 2], [None], Recovery.STILL_FAILING, 3),
        ([None], [None], Recovery.INDETERMINATE, 13),
        ([None], [True], Recovery.INDETERMINATE, 13),
        ([0], [None], Recovery.INDETERMINATE, 13),
        ([0], [True, None], Recovery.INDETERMINATE, 13),
        ([0], None, Recovery.RECOVERED, 13),
        ([None], None, Recovery.INDETERMINATE, 13),
        ([1], None, Recovery.RECOVERED, 13),
        ([0, 0, 0, 1], None, Recovery.STILL_FAILING, 4),
        ([0] * 12 + [1], None, Recovery.STILL_FAILING, 13),
    ],
)
def test_outcomes(counts, probes, recovery, reads) -> None:
    outcome = _watch(counts, probes)
    assert (outcome.recovery, len(outcome.reads)) == (recovery, reads), outcome
    assert outcome.reason and load(Outcome, dump(outcome)) == outcome


def test_a_short_window_still_gets_two_reads() -> None:
    assert _watch([0], [True], Service(name="s", repo="", watch_window_s=1, watch_interval_s=30)).reads[1:]


def test_the_watcher_counts_from_the_deploy() -> None:
    asked: list[tuple[str, int]] = []

    def count(incident: Incident, at_ms: int) -> int:
        asked.append((incident.id, at_ms))
        return 0

    signal = Signal(key="k", source="log", service="shop", title="t", at_ms=1)
    incident = Incident(id="i-1", fingerprint="f", service="shop", title="t", severity=Severity.ERROR,
                        state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1, count=1, signal=signal)  # fmt: skip
    lines: list[str] = []
    outcome = make_watcher(count, ManualClock())(SERVICE, incident, 77, lines.append)
    assert outcome.recovery is Recovery.RECOVERED and lines
    assert asked[0] == ("i-1", 77) and set(asked[:-1]) == {("i-1", 77)}
    assert asked[-1] == ("i-1", 77 - 1_800_000), "how often it happened before is among the figures"


# ---------------------------------------------------------------- guards


class Server:
    """A metrics server whose one metric is told by a function of Unix seconds; `down` answers nothing."""

    def __init__(self, value, down=()) -> None:
        self.value, self.down, self.asked = value, down, []

    def __call__(self, query: str, from_s: float, to_s: float, step_s: float) -> list[float]:
        self.asked.append((query, from_s, to_s))
        if query in self.down:
            raise EnvironmentBroke("connection refused")
        times = [from_s + n * step_s for n in range(1, int((to_s - from_s) / step_s) + 1)]
        return [value for at in times if (value := self.value(at)) is not None]


def guarded(value, window_s: float = 300.0, counts: Sequence[int] = (0,), down=(), guards=None) -> Outcome:
    clock = ManualClock()
    deployed_ms, at = clock.now_ms(), {"n": -1}
    server = Server(lambda at_s: value(at_s - deployed_ms / 1000), down)
    reader = GuardReader("shop", guards or [Guard(name="p95", query="p95{$service}[$window]", unit="s")], server,
                         window_s=15, step_s=15, before_s=1800)  # fmt: skip

    def count(incident: Incident, at_ms: int) -> int:
        at["n"] += 1
        return counts[min(at["n"], len(counts) - 1)]

    service = Service(name="shop", repo="", watch_window_s=window_s, watch_interval_s=15)
    signal = Signal(key="k", source="log", service="shop", title="t", at_ms=1)
    incident = Incident(id="i-1", fingerprint="f", service="shop", title="t", severity=Severity.ERROR,
                        state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1, count=1, signal=signal)  # fmt: skip
    outcome = make_watcher(count, clock, lambda _: reader)(service, incident, deployed_ms, lambda _: None, deployed_ms)
    assert all(query == "p95{shop}[15s]" for query, *_ in server.asked if guards is None)
    return outcome


def wave(at_s: float) -> float:
    return 0.4 + 0.02 * ((at_s // 15) % 5)


@pytest.mark.parametrize(
    ("value", "recovery", "word"),
    [
        (wave, Recovery.RECOVERED, ""),
        (lambda at: wave(at) * (0.8 if at > 0 else 1), Recovery.RECOVERED, ""),
        (lambda at: wave(at) * (1.5 if at > 0 else 1), Recovery.STILL_FAILING, "p95 worse than before"),
        (lambda at: wave(at) if at <= 0 else None, Recovery.INDETERMINATE, "p95: no data"),
        (lambda at: wave(at) if at > 0 else None, Recovery.INDETERMINATE, "p95: no data"),
        (lambda at: float("nan"), Recovery.INDETERMINATE, "p95: no data"),
        (lambda at: wave(at) * (1 + 0.25 * ((at // 15) % 2) if at > 0 else 1), Recovery.INDETERMINATE, "unclear"),
    ],
)  # fmt: skip
def test_a_quiet_fingerprint_is_not_enough_when_a_guard_is_not_well(value, recovery, word) -> None:
    outcome = guarded(value)
    assert outcome.recovery is recovery, outcome
    assert word in outcome.reason
    rate, figure = outcome.figures
    assert rate["name"] == "occurrences" and figure["name"] == "p95"
    assert load(Outcome, dump(outcome)) == outcome


def test_a_guard_that_is_well_does_not_excuse_what_still_fails() -> None:
    assert guarded(wave, counts=[0, 1, 2]).recovery is Recovery.STILL_FAILING


def test_a_server_that_does_not_answer_is_no_good_news() -> None:
    outcome = guarded(wave, down=("p95{shop}[15s]",))
    assert (outcome.recovery, outcome.figures[1]["verdict"]) == (Recovery.INDETERMINATE, "no data")


def test_what_is_better_when_higher() -> None:
    fewer = [Guard(name="orders", query="q", worse="lower")]
    assert guarded(lambda at: wave(at) * (0.5 if at > 0 else 1), guards=fewer).recovery is Recovery.STILL_FAILING
    assert guarded(lambda at: wave(at) * (2 if at > 0 else 1), guards=fewer).recovery is Recovery.RECOVERED


def test_the_figures_are_told_with_their_confidence() -> None:
    rate, p95 = guarded(lambda at: wave(at) * (0.88 if at > 0 else 1)).figures
    assert p95["change"] == pytest.approx(-0.12, abs=0.03)
    assert p95["low"] <= p95["change"] * p95["before"] <= p95["high"] < 0
    assert re.fullmatch(
        r"p95: 0\.44 s → 0\.\d+ s \(−1\d %, 95% sure between −\d+ % and −\d+ %; no worse\)", spoken(p95)
    ), spoken(p95)
    assert rate["samples"] == [0, 0]
