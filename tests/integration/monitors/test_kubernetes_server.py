"""The Kubernetes server as it is met: selectors, pages, tokens, refusals, silence, slowness, five thousand pods."""

import logging

import pytest

pytest.importorskip("kmock")

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import Service
from nightshift.monitors import kubernetes
from nightshift.monitors.testing import ListSink, watching

from .cluster import GONE, Cluster, event, listing, monitor, pod, told, until, waiting

OLD, RECENT = "2026-01-02T01:00:00Z", "2026-01-02T03:04:00Z"


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.close()


def test_selectors_hold_even_where_the_server_ignores_them(cluster):
    web, db = pod("a", waiting("ErrImagePull"), labels={"app": "web"}), pod("b", waiting("ErrImagePull"))
    cluster.lists = [listing(web, db)]
    cluster.watches = [["pause", event("MODIFIED", pod("a", waiting("ErrImagePull"), version="12")), "hold"]]
    first, last = told(cluster, 2, label_selector="app in (web)", field_selector="metadata.name!=z")
    assert (first.labels["pod"], last.resolved) == ("a", True), "it no longer matches"


def test_a_page_at_a_time_and_once_more_when_the_pages_expire(cluster):
    sick = [pod(f"p{n}", waiting("ErrImagePull")) for n in range(4)]
    half = {**listing(*sick[:2]), "metadata": {"continue": "more"}}
    cluster.lists = [half, 410, listing(*sick)]
    signals = told(cluster, 4, page=2)
    assert [s.labels["pod"] for s in signals] == ["p0", "p1", "p2", "p3"]
    assert [p.get("limit") for p in cluster.asked("list")] == ["2", "2", None]


def test_a_rotated_token_is_read_again(cluster, caplog):
    cluster.token = "first"
    cluster.keys()
    cluster.watches = [[], ["hold"]]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        until(lambda: cluster.count("watch") >= 1)
        cluster.token = "second"
        cluster.keys()
        until(lambda: any(p["token"] == "Bearer second" for p in cluster.asked("watch")))
    assert "401" not in caplog.text


def test_credentials_that_are_refused_are_named(cluster, caplog):
    cluster.token = "another"
    with watching(monitor(cluster), ListSink()):
        until(lambda: cluster.count("list") >= 4)
    assert caplog.text.count("does not accept the credentials (401)") == 1


def test_what_may_not_be_watched_is_said_once_and_the_rest_goes_on(cluster, caplog):
    cluster.lists = [listing(pod("a", waiting("ErrImagePull")))]
    for what in ("nodes", "events"):
        cluster.others[what] = ([403], None)
    [signal] = told(cluster, watch=["pods", "nodes", "events"])
    assert signal.kind == "image_pull"
    for what in ("nodes", "events"):
        rule = f'- {{apiGroups: [""], resources: [{what}], verbs: [list]}}'
        assert caplog.text.count(f"may not list {what}: grant verb 'list' on '{what}' with a ClusterRole ({rule})") == 1


def test_nothing_to_watch_is_said(cluster, caplog):
    with watching(monitor(cluster, watch=[], namespaces=["prod"]), ListSink()):
        until(lambda: "nothing is watched" in caplog.text)
    caplog.set_level(logging.INFO)
    with watching(monitor(cluster, label_selector="team=none"), ListSink()):
        until(lambda: "there are none that match team=none yet" in caplog.text)


def test_a_silent_watch_is_opened_again_where_it_was(cluster, caplog):
    cluster.watches = [["hold"]]
    with watching(monitor(cluster, watch_s=0.3), ListSink()):
        until(lambda: cluster.count("watch") >= 3)
    assert {p["resourceVersion"] for p in cluster.asked("watch")} == {"10"} and cluster.count("list") == 1
    assert "broke" not in caplog.text


def test_a_slow_server_is_a_state(cluster, caplog):
    cluster.slow_s = 1.0
    cluster.lists = [listing(pod("a", waiting("ErrImagePull")))]
    sink = ListSink()
    with watching(monitor(cluster, timeout_s=0.3), sink):
        until(lambda: "not reachable" in caplog.text)
        cluster.slow_s = 0.0
        sink.wait(lambda s: s.signals)


def test_a_server_that_is_down_is_one_line_and_nothing_is_lost(cluster, caplog):
    cluster.lists = [500, 503, listing(pod("a", waiting("ErrImagePull")))]
    cluster.watches = [500, ["drop"], [event("MODIFIED", pod("b", waiting("ErrImagePull"), version="12")), "hold"]]
    assert [s.labels["pod"] for s in told(cluster, 2)] == ["a", "b"]


def test_five_thousand_pods_are_listed_again_and_nothing_is_told_twice(cluster, caplog):
    caplog.set_level(logging.INFO)
    pods = [pod(f"p{n}", waiting("ErrImagePull") if n % 50 == 0 else None) for n in range(5000)]
    cut = {}

    def pages(params):
        start = int(params.get("continue") or 0)
        page = listing(*pods[start : start + int(params["limit"])])
        if start + int(params["limit"]) < len(pods):
            page["metadata"]["continue"] = str(start + int(params["limit"]))
        cut["pages"] = cut.get("pages", 0) + 1
        return page

    cluster.lists = pages
    cluster.watches = [[event("ERROR", GONE)], ["hold"]]
    sink = ListSink()
    for round_ in range(2):
        with watching(monitor(cluster), sink):
            until(lambda r=round_: cluster.count("watch") >= 2 + r)
    assert cut["pages"] == 30 and "listing again" in caplog.text
    assert len(sink.received) == 100 and len({s.key for s in sink.received}) == 100


def test_the_names_of_known_services_are_preferred(cluster):
    shown = pod("a", waiting("ErrImagePull"), labels={"app.kubernetes.io/name": "webapp", "app": "shop"})
    cluster.lists = [listing(shown)]
    settings = kubernetes.Settings(kubeconfig=cluster.kubeconfig, watch=("pods",))
    sink = ListSink()
    with watching(kubernetes.create(settings, {"shop": Service(name="shop", repo="/none")}, SystemClock()), sink):
        sink.wait(lambda s: s.signals)
    assert sink.signals[0].service == "shop"


def test_what_can_be_reached_says_what_it_lacks(cluster):
    cluster.others["nodes"] = ([403], None)
    said = kubernetes.reachable(kubernetes.Settings(kubeconfig=cluster.kubeconfig))
    assert said.startswith("pods in all namespaces, deployments") and "grant verb 'list' on 'nodes'" in said
