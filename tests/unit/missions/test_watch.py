"""The rules of the watch, read by read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nightshift.daemon.kit.clock import ManualClock
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
    assert outcome.recovery is Recovery.RECOVERED and set(asked) == {("i-1", 77)} and lines
