"""What is forgotten, and that asking twice forgets no more."""

from nightshift.daemon.store.retention import Limits

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = 1_700_000_000_000 // DAY_MS * DAY_MS


def test_old_signals_go_and_too_many_too(store):
    for n in range(100):
        store.incidents.see(f"k{n}", NOW_MS - n * HOUR_MS, "inc")
    limits = Limits(seen_ms=50 * HOUR_MS)
    assert store.retention.forget(NOW_MS, limits) == 49
    assert store.retention.forget(NOW_MS, limits) == 0
    assert store.incidents.known("k50") and not store.incidents.known("k51")
    assert store.retention.forget(NOW_MS, Limits(max_seen=10)) == 41
    assert store.incidents.known("k9") and not store.incidents.known("k10")


def test_minutes_become_hours_and_no_count_is_lost(store):
    rows = [{"incident": "inc", "at_ms": NOW_MS - n * 60_000, "count": 1} for n in range(300)]
    store.ingest.add("buckets", rows)
    for _ in range(2):
        store.retention.forget(NOW_MS, Limits(minutes_ms=2 * HOUR_MS))
        found = store.incidents.buckets("inc")
        assert sum(n for _, n in found) == 300
        assert [at for at, _ in found[:4]] == [NOW_MS - 5 * HOUR_MS + HOUR_MS * n for n in range(3)] + [
            NOW_MS - 2 * HOUR_MS
        ]
        assert len(found) == 3 + 121


def test_ties_and_what_is_over_go(store):
    store.ingest.add("ties", [{"token": f"t{n}", "incident": "i", "at_ms": NOW_MS - n * DAY_MS} for n in range(5)])
    fired = {"service": "s", "fingerprint": "f", "incident": "i"}
    ends = {
        "fires": (NOW_MS, 0),
        "over": (NOW_MS - 40 * DAY_MS, NOW_MS - 20 * DAY_MS),
        "lost": (NOW_MS - 40 * DAY_MS, 0),
    }
    store.ingest.add("firing", [{"instance": k, **fired, "at_ms": a, "over_ms": o} for k, (a, o) in ends.items()])
    store.ingest.add("decisions", [{"subject": "service:s", "action": "silenced", "count": 1, "reason": "r",
                                    "at_ms": NOW_MS - 20 * DAY_MS}])  # fmt: skip
    store.retention.forget(NOW_MS)
    assert {row["token"] for row in store.ingest.ties_of(["i"])} == {"t0", "t1", "t2"}
    assert {row["instance"] for row in store.ingest.firing(list(ends))} == {"fires"}
    assert store.incidents.decisions("service:s") == []
