"""Every state of pods, workloads, nodes and events, through the official client, told once and resolved once."""

import copy
import time

import pytest

pytest.importorskip("kmock")

from nightshift.monitors.testing import ListSink, watching

from .cluster import ERROR, KILLED, LOOPING, NOW, Cluster, event, listing, monitor, pod, told, until, waiting

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
