"""The cluster monitor and the official client against an HTTP server that behaves like the Kubernetes API."""

import logging
import time

import pytest

pytest.importorskip("kmock")

from nightshift.daemon.kit.clock import SystemClock
from nightshift.monitors import kubernetes
from nightshift.monitors.testing import ListSink, watching

from .cluster import ERROR, GONE, KILLED, LOOPING, Cluster, event, listing, monitor, pod, until


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.close()


def test_a_crash_loop_found_by_listing_comes_with_the_log_of_the_dead_container(cluster):
    cluster.lists = [listing(pod("a", LOOPING, ERROR, restarts=4), pod("fine"))]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 1)
        until(lambda: cluster.count("watch") >= 1)
    [signal] = sink.signals
    assert (signal.kind, signal.service, signal.title) == ("crash_loop", "shop", "container web crashes in a loop")
    assert signal.sample == "ValueError: out of stock\n" and signal.labels["pod"] == "a"
    assert "prod/a: Error, exit code 1, death number 5" in signal.message
    [asked] = [params for verb, params in cluster.requests if verb == "log"]
    assert asked["previous"].lower() == "true" and (asked["container"], asked["tailLines"]) == ("web", "200")


def test_a_kill_for_memory_seen_by_watching_is_told_once_in_all_its_states(cluster):
    states = [
        pod("a", {"terminated": KILLED}, restarts=0, version="11"),
        pod("a", {"running": {}}, KILLED, restarts=1, version="12"),
        pod("a", LOOPING, KILLED, restarts=1, version="13"),
    ]
    cluster.lists = [listing(pod("a"))]
    cluster.watches = [[event("MODIFIED", s) for s in states] + ["hold"]]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 2)
    assert [s.kind for s in sink.received] == ["oom", "oom"]
    assert [s.key for s in sink.received] == ["kubernetes:uid-a:web:1", "kubernetes:uid-a:web:2"]


def test_growing_restarts_count_before_kubelet_calls_it_a_loop(cluster):
    grown = [pod("a", {"running": {}}, ERROR, restarts=n, version=str(10 + n)) for n in (1, 2, 3)]
    cluster.lists = [listing(pod("a"))]
    cluster.watches = [[event("MODIFIED", s) for s in grown] + ["hold"]]
    sink = ListSink()
    with watching(monitor(cluster, restarts=3), sink):
        sink.wait(lambda s: len(s.signals) == 1)
    assert [s.key for s in sink.received] == ["kubernetes:uid-a:web:3"]


def test_a_restart_of_the_daemon_doubles_nothing(cluster):
    cluster.lists = [listing(pod("a", LOOPING, ERROR, restarts=4))]
    sink = ListSink()
    for _ in range(3):
        before = cluster.count("watch")
        with watching(monitor(cluster), sink):
            until(lambda before=before: cluster.count("watch") > before)
    assert len(sink.received) == 1 and cluster.count("list") == 3


def test_old_deaths_are_history(cluster):
    cluster.lists = [listing(pod("a", {"running": {}}, KILLED, restarts=1))]
    cluster.watches = [[event("MODIFIED", pod("b", {"terminated": KILLED})), "hold"]]
    sink = ListSink()
    with watching(monitor(cluster, SystemClock()), sink):  # the deaths are of January 2026, long before
        until(lambda: cluster.count("watch") >= 1)
    assert sink.received == []


@pytest.mark.parametrize("how", ["event", "status"])
def test_410_lists_again(cluster, how, caplog):
    caplog.set_level(logging.INFO)
    cluster.lists = [listing(pod("a")), listing(pod("a", LOOPING, ERROR, restarts=1), version="77")]
    expired = [event("ERROR", GONE)] if how == "event" else 410
    cluster.watches = [expired, ["hold"]]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 1)
        until(lambda: cluster.count("watch") == 2)
    versions = [p["resourceVersion"] for p in cluster.asked("watch")]
    assert versions == ["10", "77"] and "listing again" in caplog.text


def test_a_dropped_watch_goes_on_behind_the_last_event_without_listing_again(cluster):
    bookmark = event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "42"}})
    cluster.watches = [
        [event("MODIFIED", pod("a", LOOPING, ERROR, restarts=1, version="11")), bookmark, b'{"type": "MODI', "drop"],
        [event("MODIFIED", pod("a", LOOPING, ERROR, restarts=2, version="43")), "hold"],
    ]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 2)
    versions = [p["resourceVersion"] for p in cluster.asked("watch")]
    assert versions[:2] == ["10", "42"] and cluster.count("list") == 1


@pytest.mark.parametrize(("verb", "where"), [("list", "lists"), ("watch", "watches")])
def test_a_missing_right_is_named(cluster, verb, where, caplog):
    setattr(cluster, where, [403])
    sink = ListSink()
    with watching(monitor(cluster, namespaces=("prod",)), sink):
        until(lambda: cluster.count(verb) >= 3)
    line = f"kubernetes prod: may not {verb} pods: grant verb '{verb}' on 'pods' with a Role in prod"
    assert caplog.text.count(line) == 1, "one line for one state, however often it was tried"


def test_no_right_to_read_logs_costs_the_sample_only(cluster, caplog):
    cluster.log_answer = 403
    cluster.lists = [listing(pod("a", LOOPING, ERROR, restarts=4))]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 1)
    assert sink.signals[0].sample == "" and "grant verb 'get' on 'pods/log'" in caplog.text


def test_namespaces_and_selector_reach_the_server(cluster):
    sink = ListSink()
    with watching(monitor(cluster, namespaces=("prod", "test"), label_selector="team=x"), sink):
        until(lambda: cluster.count("watch") >= 2)
    asked = {(v, p["path"], p["labelSelector"]) for v, p in cluster.requests if p["what"] == "pods"}
    assert asked == {(v, f"/api/v1/namespaces/{n}/pods", "team=x") for v in ("list", "watch") for n in ("prod", "test")}


@pytest.mark.parametrize("garbage", [[b"not json\n"], [event("MODIFIED", None)], [{"no": "type"}], 500, b"<html>"])
def test_nonsense_from_the_server_is_survived(cluster, garbage):
    cluster.watches = [garbage, [event("MODIFIED", pod("a", LOOPING, ERROR, restarts=1)), "hold"]]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 1)


def test_no_cluster_is_a_state(tmp_path, caplog):
    settings = kubernetes.Settings(kubeconfig=tmp_path / "none")
    with watching(kubernetes.create(settings, {}, SystemClock()), ListSink()):
        until(lambda: "no usable configuration" in caplog.text)


def test_what_the_store_refused_once_is_delivered_again(cluster):
    cluster.watches = [[event("MODIFIED", pod("a", LOOPING, ERROR, restarts=1, version="11")), "hold"]]

    class Stubborn(ListSink):
        refused = 0

        def __call__(self, signals, checkpoints=None):
            if self.refused < 2:
                self.refused += 1
                raise OSError("database is locked")
            super().__call__(signals, checkpoints)

    sink = Stubborn()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 1)
    assert sink.refused == 2 and len(sink.received) == 1


def test_a_failing_sink_ends_every_watch(cluster):
    cluster.lists = [listing(pod("a", LOOPING, ERROR, restarts=4))]

    class Full(ListSink):
        def __call__(self, signals, checkpoints=None):
            raise RuntimeError("disk full")

    def run():
        with watching(monitor(cluster, namespaces=("prod", "test")), Full()):
            until(lambda: cluster.count("list") >= 2)
            time.sleep(1.5)

    with pytest.raises(RuntimeError, match="disk full"):
        run()
