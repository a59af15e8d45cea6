"""Every state of pods, workloads, nodes and events, through the official client, told once and resolved once."""

import copy
import logging
import time

import pytest

pytest.importorskip("kmock")

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import Service
from nightshift.monitors import kubernetes
from nightshift.monitors.testing import ListSink, watching

from .cluster import ERROR, GONE, KILLED, LOOPING, NOW, Cluster, event, listing, monitor, pod, until

OLD, RECENT = "2026-01-02T01:00:00Z", "2026-01-02T03:04:00Z"
TRACE = b"""starting
Traceback (most recent call last):
  File "/app/shop/cart.py", line 12, in checkout
    return self.stock[name]
KeyError: 'lamp'
"""


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.close()


def told(cluster, number=1, **more):
    """Watch until that many signals came and nothing else does."""
    sink = ListSink()
    with watching(monitor(cluster, **more), sink):
        sink.wait(lambda s: len(s.signals) >= number)
        time.sleep(0.7)  # more than one tick: what must not come gets the chance to
    assert len(sink.signals) == number and len(sink.received) == number
    return sink.signals


def waiting(reason, message="because"):
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("reason", "kind", "title"),
    [
        ("ImagePullBackOff", "image_pull", "image of container web can't be pulled"),
        ("ErrImagePull", "image_pull", "image of container web can't be pulled"),
        ("InvalidImageName", "image_pull", "image of container web can't be pulled"),
        ("CreateContainerConfigError", "config", "container web can't be created"),
        ("CreateContainerError", "config", "container web can't be created"),
        ("RunContainerError", "start", "container web can't be started"),
    ],
)
def test_a_container_that_can_not_begin(cluster, reason, kind, title):
    shown = pod("a", waiting(reason, 'secret "db" not found'))
    cluster.lists = [listing(shown)]
    [signal] = told(cluster)
    assert (signal.kind, signal.title, signal.service) == (kind, title, "shop")
    assert signal.message == f'prod/a: {reason}: secret "db" not found'
    assert signal.labels["container"] == "web" and signal.labels["namespace"] == "prod"


def test_pull_errors_that_take_turns_are_one_and_end_when_the_container_runs(cluster):
    states = [waiting("ErrImagePull"), waiting("ImagePullBackOff"), waiting("ErrImagePull"), None]
    cluster.watches = [[event("MODIFIED", pod("a", s, version=str(11 + n))) for n, s in enumerate(states)] + ["hold"]]
    first, last = told(cluster, 2)
    assert (first.resolved, last.resolved) == (False, True)
    assert last.key == f"{first.key}:resolved" and (last.kind, last.title) == (first.kind, first.title)


def test_a_crash_brings_its_exception_its_release_and_its_commit(cluster):
    shown = pod("a", LOOPING, ERROR, restarts=4, labels={"pod-template-hash": "7d9f8c6b5"})
    shown["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "store-7d9f8c6b5", "controller": True}]
    shown["metadata"]["annotations"] = {"nightshift.commit": "abc123"}
    shown["spec"] = {"nodeName": "n1", "containers": [{"name": "web", "image": "reg:5000/store:1.4"}]}
    cluster.lists, cluster.log_answer = [listing(shown)], TRACE
    [signal] = told(cluster)
    assert (signal.exception, signal.message, signal.service) == ("KeyError", "'lamp'", "store")
    assert [(f.path, f.line, f.function) for f in signal.frames] == [("/app/shop/cart.py", 12, "checkout")]
    wanted = {"namespace": "prod", "pod": "a", "container": "web", "node": "n1", "image": "reg:5000/store:1.4",
              "release": "1.4", "commit": "abc123", "workload": "store"}  # fmt: skip
    assert wanted.items() <= signal.labels.items() and "death number 5" in signal.labels["state"]


def test_a_trace_the_program_survived_is_not_what_it_died_of(cluster):
    cluster.lists = [listing(pod("a", LOOPING, ERROR, restarts=4))]
    cluster.log_answer = TRACE + b"served a request\n" * 90
    [signal] = told(cluster)
    assert (signal.exception, signal.kind, signal.frames) == ("", "crash_loop", ())


def test_a_kill_for_memory_is_not_blamed_on_an_old_trace(cluster):
    cluster.lists, cluster.log_answer = [listing(pod("a", LOOPING, KILLED, restarts=1))], TRACE
    [signal] = told(cluster)
    assert (signal.kind, signal.exception) == ("oom", "") and "KeyError" in signal.sample


@pytest.mark.parametrize("group", ["initContainerStatuses", "ephemeralContainerStatuses"])
def test_init_and_ephemeral_containers_run_out_of_memory_too(cluster, group):
    shown = pod("a")
    shown["status"][group] = [{"name": "side", "restartCount": 0, "state": {"terminated": KILLED}}]
    cluster.lists = [listing(shown)]
    [signal] = told(cluster)
    assert (signal.kind, signal.title) == ("oom", "container side killed for its memory")


def test_a_pod_of_a_job_that_failed_for_good(cluster):
    shown = pod("backup-28391020-x2x4z", {"terminated": ERROR}, labels={})
    shown["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "backup-28391020"}]
    shown["status"]["phase"] = "Failed"
    cluster.lists, cluster.log_answer = [listing(shown)], TRACE
    [signal] = told(cluster)
    assert (signal.service, signal.kind, signal.exception) == ("backup", "crash", "KeyError")


def test_a_pod_that_is_being_deleted_dies_on_purpose(cluster):
    shown = pod("a", {"terminated": ERROR}, restarts=5)
    shown["metadata"]["deletionTimestamp"] = RECENT
    cluster.lists = [listing(shown, pod("b", LOOPING, ERROR, restarts=2))]
    [signal] = told(cluster)
    assert signal.labels["pod"] == "b"


def test_an_eviction_tells_why(cluster):
    shown = pod("a")
    shown["status"] = {"phase": "Failed", "reason": "Evicted", "startTime": RECENT,
                       "message": "The node was low on resource: memory."}  # fmt: skip
    cluster.lists = [listing(shown)]
    [signal] = told(cluster)
    assert (signal.kind, signal.title) == ("evicted", "pod was evicted")
    assert "low on resource: memory" in signal.message


def test_an_evicted_container_did_not_crash_and_a_storm_reads_few_logs(cluster):
    evicted = pod("e", {"terminated": ERROR})
    evicted["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "low on disk"}
    dead = [pod(f"p{n}", LOOPING, ERROR, restarts=4) for n in range(8)]
    for one in dead:
        one["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "shop"}]
    cluster.lists, cluster.log_answer = [listing(evicted, *dead)], TRACE
    signals = told(cluster, 9, logs_per_minute=3)
    assert [s.kind for s in signals] == ["evicted"] + ["crash_loop"] * 8
    assert sum(s.exception == "KeyError" for s in signals) == 3 == cluster.count("log")


def pending(created, **scheduled):
    shown = pod("a")
    shown["metadata"]["creationTimestamp"] = created
    shown["status"] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", **scheduled}]}
    return shown


def test_pending_too_long_with_the_schedulers_reason_until_it_is_scheduled(cluster):
    why = "0/3 nodes are available: 3 Insufficient cpu."
    cluster.lists = [listing(pending(OLD, status="False", reason="Unschedulable", message=why))]
    cluster.watches = [["pause", event("MODIFIED", pod("a", version="12")), "hold"]]
    first, last = told(cluster, 2)
    assert (first.kind, first.title) == ("pending", "pod can't be scheduled") and why in first.message
    assert last.resolved


@pytest.mark.parametrize(
    "quiet",
    [
        pending(OLD, status="False", reason="SchedulingGated"),
        pending(RECENT, status="False", reason="Unschedulable"),
    ],
)
def test_not_pending_too_long(cluster, quiet):
    cluster.lists = [listing(quiet, pod("b", waiting("ErrImagePull")))]
    [signal] = told(cluster)
    assert signal.kind == "image_pull"


def test_what_is_pending_becomes_too_long_while_nothing_changes(cluster):
    cluster.lists = [listing(pending(RECENT, status="False", reason="Unschedulable"))]
    clock, sink = copy.copy(NOW), ListSink()
    with watching(monitor(cluster, clock), sink):
        until(lambda: cluster.count("watch") == 1)
        clock.advance(301)
        sink.wait(lambda s: s.signals)
    assert [s.kind for s in sink.received] == ["pending"]


def unready(probe_state):
    shown = pod("a", {"running": {"startedAt": OLD}})
    shown["status"]["containerStatuses"][0] |= probe_state
    return shown


@pytest.mark.parametrize(
    ("shown", "title"),
    [
        ({"ready": False, "started": True}, "readiness probe of container web fails"),
        ({"ready": False, "started": False}, "startup probe of container web fails"),
    ],
)
def test_a_probe_that_fails_too_long_and_passes_again(cluster, shown, title):
    cluster.lists = [listing(unready(shown))]
    cluster.watches = [["pause", event("MODIFIED", unready({"ready": True, "started": True})), "hold"]]
    first, last = told(cluster, 2)
    assert (first.kind, first.title, last.resolved) == ("probe", title, True)


def test_recovered_when_it_runs_long_enough_and_not_between_two_deaths(cluster):
    running = {"running": {"startedAt": "2026-01-02T03:04:09Z"}}
    states = [(LOOPING, 3), (running, 4), (LOOPING, 4), (running, 5)]
    cluster.watches = [
        [event("MODIFIED", pod("a", s, ERROR, restarts=n, version=str(20 + i))) for i, (s, n) in enumerate(states)]
        + ["hold"]
    ]
    clock, sink = copy.copy(NOW), ListSink()
    with watching(monitor(cluster, clock), sink):
        sink.wait(lambda s: len(s.signals) == 2)
        time.sleep(0.7)
        assert not [s for s in sink.signals if s.resolved]
        clock.advance(700)
        sink.wait(lambda s: len(s.signals) == 3)
    assert [s.resolved for s in sink.received] == [False, False, True]


@pytest.mark.parametrize(("state", "ends"), [(waiting("ErrImagePull"), ["a", "b"]), (LOOPING, ["b"])])
def test_deaths_are_over_when_the_last_of_several_pods_is_gone_and_states_one_by_one(cluster, state, ends):
    owner = [{"kind": "ReplicaSet", "name": "shop-7d9f8c6b5"}]
    sick = {name: pod(name, state) for name in ("a", "b")}
    for one in sick.values():
        one["metadata"]["ownerReferences"] = owner
    cluster.lists = [listing(*sick.values())]
    cluster.watches = [["pause", event("DELETED", sick["a"]), "pause", event("DELETED", sick["b"]), "hold"]]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len([x for x in s.signals if x.resolved]) == len(ends))
    assert [s.labels["pod"] for s in sink.received if s.resolved] == ends
    began = {s.key: s.labels for s in sink.received if not s.resolved}
    assert all(began[s.key.removesuffix(":resolved")] == s.labels for s in sink.received if s.resolved)


def test_what_vanished_while_nobody_watched_is_over(cluster):
    cluster.lists = [listing(pod("a", waiting("ErrImagePull"))), listing()]
    sink = ListSink()
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 1)
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 2)
    assert [s.resolved for s in sink.received] == [False, True]


def test_deaths_that_nobody_watched_are_counted(cluster):
    cluster.lists = [listing(pod("a", LOOPING, ERROR, restarts=4)), listing(pod("a", LOOPING, ERROR, restarts=9))]
    sink = ListSink()
    for number in (1, 2):
        with watching(monitor(cluster), sink):
            sink.wait(lambda s, number=number: len(s.signals) == number)
    assert [s.count for s in sink.received] == [1, 5]


def test_a_long_absence_loses_no_death(cluster):
    """The last start was five hours ago, the death two hours ago, and only one hour is looked back at otherwise."""
    died = {**KILLED, "finishedAt": "2026-01-02T01:00:00Z"}
    cluster.lists = [listing(pod("a")), listing(pod("a", {"running": {}}, died, restarts=1))]
    clock, sink = copy.copy(NOW), ListSink()
    clock.advance(-5 * 3600)
    with watching(monitor(cluster, clock), sink):
        until(lambda: cluster.count("watch") == 1)
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 1)
    assert sink.received[0].kind == "oom"


# ---------------------------------------------------------------- workloads and nodes


def workload(kind, status, spec=None):
    meta = {"name": "shop", "namespace": "prod", "uid": f"uid-{kind}", "resourceVersion": "5", "generation": 7}
    template = {"spec": {"containers": [{"name": "web", "image": "shop:2.0"}]}}
    return {"kind": kind, "metadata": meta, "spec": {"replicas": 3, "template": template, **(spec or {})},
            "status": status}  # fmt: skip


def condition(kind, status, reason="", message="", at=OLD):
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}


STUCK = workload(
    "Deployment",
    {
        "conditions": [
            condition(
                "Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "shop-1" has timed out progressing.'
            )
        ]
    },
)
FINE = workload("Deployment", {"conditions": [condition("Progressing", "True")]})


def only(cluster, what, *things, then=()):
    cluster.others[what] = ([listing(*things)], [["pause", *(event("MODIFIED", t) for t in then), "hold"]])


def test_a_rollout_that_is_stuck_until_it_goes_on(cluster):
    only(cluster, "deployments", STUCK, then=[FINE])
    first, last = told(cluster, 2, watch=["deployments"])
    assert (first.kind, first.title, first.labels["release"]) == ("rollout", "rollout is stuck", "2.0")
    assert "has timed out progressing" in first.message and last.resolved


@pytest.mark.parametrize(
    ("what", "thing", "kind", "said"),
    [
        ("deployments", workload("Deployment", {"unavailableReplicas": 2, "conditions": [
            condition("Available", "False")]}), "unavailable", "2 of 3 replicas are not available"),
        ("deployments", workload("Deployment", {"conditions": [
            condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")]}), "rollout", "exceeded quota"),
        ("statefulsets", workload("StatefulSet", {"readyReplicas": 1}), "unavailable", "2 of 3 replicas"),
        ("daemonsets", workload("DaemonSet", {"desiredNumberScheduled": 5, "numberUnavailable": 1}), "unavailable",
         "1 of 5 replicas"),
        ("jobs", workload("Job", {"conditions": [
            condition("Failed", "True", "BackoffLimitExceeded", "too many", RECENT)]}), "job_failed", "too many"),
    ],
)  # fmt: skip
def test_workloads(cluster, what, thing, kind, said):
    only(cluster, what, thing)
    [signal] = told(cluster, watch=[what], unavailable_s=0)
    assert (signal.kind, signal.service) == (kind, "shop") and said in signal.message


def test_few_replicas_for_a_short_time_are_a_rollout(cluster):
    only(cluster, "statefulsets", workload("StatefulSet", {"readyReplicas": 1}))
    only(cluster, "deployments", STUCK)
    [signal] = told(cluster, watch=["statefulsets", "deployments"])
    assert signal.kind == "rollout"


def node(*conditions):
    return {"metadata": {"name": "worker-1", "uid": "uid-n", "resourceVersion": "3"},
            "status": {"conditions": list(conditions)}}  # fmt: skip


@pytest.mark.parametrize(
    ("sick", "title"),
    [
        (condition("Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting"), "a node is not ready"),
        (condition("Ready", "False", "KubeletNotReady"), "a node is not ready"),
        (condition("MemoryPressure", "True", "KubeletHasInsufficientMemory"), "a node runs out of memory"),
        (condition("DiskPressure", "True"), "a node runs out of disk space"),
        (condition("PIDPressure", "True"), "a node runs out of process ids"),
    ],
)
def test_nodes(cluster, sick, title):
    only(cluster, "nodes", node(sick), then=[node(condition("Ready", "True"))])
    first, last = told(cluster, 2, watch=["nodes"])
    assert (first.kind, first.title, first.service, first.labels["node"]) == ("node", title, "cluster", "worker-1")
    assert last.resolved


# ---------------------------------------------------------------- events


def warning(reason, message, *, count=1, uid="e1", about="uid-a", path="", at=RECENT, kind="Pod"):
    return {
        "metadata": {"name": uid, "namespace": "prod", "uid": uid, "resourceVersion": "8"}, "type": "Warning",
        "involvedObject": {"kind": kind, "namespace": "prod", "name": "shop-7d9f8c6b5-x2x4z", "uid": about,
                           "fieldPath": path},
        "reason": reason, "message": message, "count": count, "firstTimestamp": OLD, "lastTimestamp": at,
    }  # fmt: skip


PROBE = {"reason": "Unhealthy", "message": "Liveness probe failed: HTTP 500", "path": "spec.containers{web}"}


def test_failing_probes_are_one_signal_with_their_count(cluster):
    cluster.lists = [listing(pod("a"))]
    only(cluster, "events", warning(**PROBE, count=7), {**warning("Pulled", "fine"), "type": "Normal"})
    [signal] = told(cluster, watch=["pods", "events"])
    assert (signal.kind, signal.title, signal.count) == ("probe", "liveness probe of container web fails", 7)
    assert (signal.service, signal.severity, signal.at_ms < signal.last_at_ms) == ("shop", "error", True)


def test_events_of_one_reason_and_object_are_told_again_later_with_what_is_new(cluster):
    mount = {"reason": "FailedMount", "message": "no volume"}
    only(cluster, "events", warning(**mount, count=3), warning(**mount, count=2, uid="e2"),
         then=[warning(**mount, count=n) for n in (4, 5, 9)])  # fmt: skip
    clock, sink = copy.copy(NOW), ListSink()
    with watching(monitor(cluster, clock, watch=["events"]), sink):
        sink.wait(lambda s: len(s.signals) == 1)
        time.sleep(1.2)
        clock.advance(301)
        sink.wait(lambda s: len(s.signals) == 2)
    assert sum(s.count for s in sink.received) == 11 and len(sink.received) == 2
    assert {s.service for s in sink.received} == {"shop"}, "from the pod's name: no watch knows it"


def test_a_restart_tells_no_event_twice(cluster):
    only(cluster, "events", warning("FailedMount", "no volume", count=5))
    sink = ListSink()
    for _ in range(2):
        with watching(monitor(cluster, watch=["events"]), sink):
            sink.wait(lambda s: s.signals)
            time.sleep(0.8)
    assert len(sink.received) == 1


def test_few_old_and_ignored_events_are_not_told(cluster):
    cluster.lists = [listing(pod("a", waiting("ErrImagePull")))]
    old = warning("FailedSync", "x", count=9, uid="e3", at="2026-01-01T00:00:00Z")
    only(cluster, "events", warning("FailedMount", "once"), old, warning("BackOff", "again", count=99, uid="e4"))
    [signal] = told(cluster, watch=["pods", "events"])
    assert signal.kind == "image_pull"


# ---------------------------------------------------------------- the server


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
