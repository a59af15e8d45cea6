"""Workloads, nodes and events of Kubernetes, through the official client, told once and resolved once."""

import copy
import time

import pytest

pytest.importorskip("kmock")

from nightshift.monitors.testing import ListSink, watching

from .cluster import NOW, Cluster, event, listing, monitor, pod, told, waiting

OLD, RECENT = "2026-01-02T01:00:00Z", "2026-01-02T03:04:00Z"


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.close()


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
