"""For any sequence of signals: hearing some of them again changes nothing, and neither does who is heard first."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Frame, Severity, Signal
from nightshift.daemon.store.store import Store

START_MS = ManualClock().now_ms()
QUICK = settings(
    max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    print_blob=True,
)  # fmt: skip
TOPOLOGY = {"web": ("shop",), "app": ("web",)}


@contextmanager
def fresh(**values):
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "n.db")
        clock = ManualClock(START_MS + 200_000)
        yield store, clock, Intake(store, clock, Settings(topology=TOPOLOGY, **values), lambda incident: None)
        store.close()


def signal(stream, number, at_s, *, resolved=False, count=1):
    """A crash, a crash with a trace, an alert, an alert of a group, or a death by memory, of one of three services."""
    service, kind, variant = stream
    labels = {"trace": {"trace_id": f"t{variant}"}, "group": {"alert_group": f'{{}}:{{a="{variant}"}}'}}.get(kind, {})
    name = f"{service}-{kind}-{variant}"
    common = {"key": f"{name}:{number}", "service": service, "at_ms": START_MS + round(at_s * 1000), "count": count}
    if kind in ("crash", "trace"):
        frames = (Frame(path=f"/srv/{service}/a.py", line=variant, function=f"f{variant}"),)
        return Signal(
            source="logs", title=f"E{name}", exception=f"E{kind}{variant}", frames=frames, labels=labels, **common
        )
    given = {"alertname": name, **labels}
    return Signal(source="docker" if kind == "oom" else "prometheus", title=name, labels=given, resolved=resolved,
                  kind="oom" if kind == "oom" else "alert", severity=Severity.WARNING, **common)  # fmt: skip


streams = st.tuples(st.sampled_from(["shop", "web", "app"]), st.sampled_from(["crash", "trace", "alert", "group", "oom"]),
                    st.integers(1, 2))  # fmt: skip
heard = st.builds(signal, streams, st.integers(0, 3), st.floats(0, 200), resolved=st.sampled_from([False, False, True]),
                  count=st.integers(1, 3))  # fmt: skip


def everything(store):
    """All that is remembered, but for how often something was heard again."""
    tables = ("incidents", "facets", "ties", "firing", "samples", "buckets", "seen_signals", "releases", "decisions")
    with store.transaction() as c:
        found = {t: sorted(map(repr, c.exec_driver_sql(f"SELECT * FROM {t}"))) for t in tables}
    found["decisions"] = [row for row in found["decisions"] if "'duplicate'" not in row]
    return found


@QUICK
@given(st.lists(heard, max_size=25), st.data())
def test_replaying_any_suffix_changes_nothing(signals, data):
    with fresh() as (store, _clock, intake):
        cut = data.draw(st.integers(0, len(signals)))
        while signals:
            size = data.draw(st.integers(1, len(signals)))
            intake.take(signals[:size])
            before = everything(store)
            assert {d.action for d in intake.take(signals[min(cut, size) : size])} <= {"duplicate"}
            assert everything(store) == before
            signals = signals[size:]


WINDOWS = {"correlate_s": [0, 5, 20, 300], "cool_down_s": [0, 5, 20, 300], "max_new_incidents": [2, 3, 100],
           "storm_window_s": [10, 60], "flap_count": [2, 4], "flap_window_s": [20, 3600], "min_count": [1, 3],
           "min_count_window_s": [0, 10]}  # fmt: skip
"""Small ones too: what depends on where a batch ends does so where a window does."""
STEPS_S = st.sampled_from([0, 0.001, 1, 5, 5.001, 20, 20.001, 60])


@st.composite
def talks(draw):
    """Few streams that fire, end and fire again around the edges of the windows, mostly in the order of time."""
    known = draw(st.lists(streams, min_size=1, max_size=4, unique=True))
    at_s, signals = 0.0, []
    for number in range(draw(st.integers(2, 14))):
        at_s = draw(st.floats(0, 200)) if draw(st.integers(0, 9)) == 0 else at_s + draw(STEPS_S)
        over, count = draw(st.sampled_from([False, False, True])), draw(st.integers(1, 3))
        signals.append(signal(draw(st.sampled_from(known)), number, at_s, resolved=over, count=count))
    return signals


@settings(QUICK, max_examples=100)
@given(st.one_of(st.lists(heard, max_size=25), talks()), st.integers(1, 25),
       st.one_of(st.just({}), st.fixed_dictionaries({name: st.sampled_from(them) for name, them in WINDOWS.items()})))  # fmt: skip
def test_batches_of_any_size_count_the_same(signals, size, values):
    batches_count_the_same(signals, size, values)


@pytest.mark.parametrize(
    ("size", "values", "talk"),
    [
        (2, {}, [("shop-group-2", 76), ("web-group-2", 27), ("app-group-2", 32), ("-app-group-2", 142),
                 ("shop-group-1", 134)]),
        (2, {}, [("web-group-2", 190), ("-web-group-1", 69), ("shop-group-1", 69), ("-shop-group-1", 151),
                 ("web-group-1", 200)]),
        (2, {"cool_down_s": 5, "correlate_s": 5}, [("app-alert-1", 0), ("web-alert-1", 0), ("-app-alert-1", 7),
                                                   ("app-alert-1", 51), ("app-alert-2", 51)]),
        (2, {"cool_down_s": 0, "correlate_s": 50}, [("web-oom-1", 1), ("app-oom-1", 0), ("app-crash-2", 0),
                                                    ("web-oom-1", 98), ("web-crash-1", 98)]),
        (3, {"cool_down_s": 5, "correlate_s": 20}, [("web-trace-2", 110), ("app-trace-2", 110), ("app-trace-2", 132),
                                                    ("app-trace-2", 59), ("app-trace-2", 106)]),
        (2, {"cool_down_s": 0, "correlate_s": 0, "max_new_incidents": 2},
         [("shop-group-2", 37), ("shop-group-1", 60), ("shop-oom-2", 7), ("shop-oom-2", 57)]),
    ],
)  # fmt: skip
def test_batches_that_once_counted_otherwise(size, values, talk):
    signals = []
    for number, (name, at_s) in enumerate(talk):
        service, kind, variant = name.lstrip("-").split("-")
        over = name.startswith("-")
        signals.append(signal((service, kind, int(variant)), number, at_s, resolved=over))
    batches_count_the_same(signals, size, values)


def batches_count_the_same(signals, size, values):
    with fresh(**values) as (one, _, single), fresh(**values) as (other, _, batched):
        for given_signal in signals:
            single.take([given_signal])
        for start in range(0, len(signals), size):
            batched.take(signals[start : start + size])
        assert partition(one) == partition(other)
        assert counts(one) == counts(other)


def counts(store):
    return {
        (f["service"], f["fingerprint"]): f["count"]
        for i in store.incidents.list()
        for f in store.incidents.facets(i.id)
    }


def partition(store):
    """The incidents as sets of (service, title)."""
    return {frozenset((f["service"], f["title"]) for f in store.incidents.facets(i.id)) for i in store.incidents.list()}


def causes(store):
    """What can be mended, as sets: two orders may hang a symptom on another cause, never make or merge causes."""
    return {frozenset(t for s, t in group if "crash" in t or "trace" in t) for group in partition(store)}


@QUICK
@given(st.lists(streams, min_size=1, max_size=7, unique=True), st.data())
def test_the_order_of_sources_within_the_window_leads_to_the_same_incidents(chosen, data):
    signals = [signal(s, 0, data.draw(st.floats(0, 50))) for s in chosen]
    other = data.draw(st.permutations(signals))
    with fresh() as (one, _, first), fresh() as (two, _, second):
        for a, b in zip(signals, other, strict=True):
            first.take([a])
            second.take([b])
        assert causes(one) == causes(two)
        assert len(partition(one)) == len(partition(two))
        assert set().union(*partition(one)) == set().union(*partition(two))
        crashed = [s for s in chosen if s[1] in ("crash", "trace")]
        if len(crashed) <= 1 and "web" not in {s[0] for s in chosen}:  # no edge leads elsewhere
            assert partition(one) == partition(two)
