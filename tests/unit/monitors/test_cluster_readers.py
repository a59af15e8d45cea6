"""Whatever an API server sends, reading it ends in findings, never in a crash; selectors; the ledger's promises."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Signal, dump
from nightshift.monitors.images import release_of
from nightshift.monitors.kubernetes import Settings, selector
from nightshift.monitors.kubernetes.desk import Objects
from nightshift.monitors.kubernetes.finding import Finding, Look, Subject
from nightshift.monitors.kubernetes.happenings import Happenings, read_event
from nightshift.monitors.kubernetes.ledger import Ledger
from nightshift.monitors.kubernetes.resources import RESOURCES, rights
from nightshift.monitors.kubernetes.subject import named, subject_of
from nightshift.monitors.shapes import number, text, unix_ms
from nightshift.monitors.testing import ListSink

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["2026-01-02T03:04:05Z", "OOMKilled", "CrashLoopBackOff", "Failed", "Pending", "False", "True"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
STATE = {
    "waiting": {"reason": "ImagePullBackOff", "message": "no"}, "running": {"startedAt": "2026-01-02T03:04:05Z"},
    "terminated": {"reason": "Error", "exitCode": 1, "finishedAt": "2026-01-02T03:04:05Z", "message": "m"},
}  # fmt: skip
ROW = {
    "name": "web",
    "image": "a:1",
    "restartCount": 4,
    "state": STATE,
    "lastState": STATE,
    "ready": False,
    "started": False,
}
CONDITION = {
    "type": "Ready",
    "status": "False",
    "reason": "r",
    "message": "m",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
}
WHOLE = {
    "metadata": {"name": "a", "namespace": "b", "uid": "u", "labels": {"app": "x"}, "annotations": {"k": "v"},
                 "ownerReferences": [{"kind": "ReplicaSet", "name": "x-1", "controller": True}],
                 "creationTimestamp": "2026-01-02T03:04:05Z", "generation": 3},
    "spec": {"nodeName": "n", "replicas": 3, "containers": [{"name": "web", "image": "a:1"}],
             "template": {"spec": {"containers": [{"image": "a:2"}]}}},
    "status": {"phase": "Pending", "reason": "Evicted", "conditions": [CONDITION], "containerStatuses": [ROW],
               "initContainerStatuses": [ROW], "ephemeralContainerStatuses": [ROW], "unavailableReplicas": 2,
               "readyReplicas": 1},
    "involvedObject": {"kind": "Pod", "name": "a", "namespace": "b", "uid": "u", "fieldPath": "spec.containers{web}"},
    "type": "Warning", "reason": "Unhealthy", "message": "Liveness probe failed: x", "count": 3,
    "series": {"count": 4, "lastObservedTime": "2026-01-02T03:04:05Z"}, "lastTimestamp": "2026-01-02T03:04:05Z",
}  # fmt: skip


def places(value, path=()):
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


PLACES = [place for place in places(WHOLE) if place]


@st.composite
def mutated(draw):
    """A real object with up to four of its parts replaced by anything, or taken out."""
    thing = copy.deepcopy(WHOLE)
    for place in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4)):
        at = thing
        try:
            for key in place[:-1]:
                at = at[key]
            if draw(st.booleans()):
                at[place[-1]] = draw(ANY)
            else:
                del at[place[-1]]
        except (KeyError, IndexError, TypeError):
            continue
    return thing


def tell(subject, finding, key, at_ms):
    return Signal(key=key, source="kubernetes", service=subject.service, title=finding.title, kind=finding.kind,
                  at_ms=at_ms, message=finding.message, labels={**subject.labels, **finding.labels})  # fmt: skip


def ledger(sink, clock, name="kubernetes:pods:*", lookback_s=1e9):
    return Ledger(name=name, clock=clock, checkpoints=dict(sink.checkpoints), sink=sink, tell=tell,
                  lookback_s=lookback_s)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([name for name in RESOURCES if name != "events"]), mutated())
def test_no_object_breaks_a_reader(name, thing):
    sink, clock = ListSink(), ManualClock()
    desk = Objects(RESOURCES[name], Settings(), {}, ledger(sink, clock))
    desk.observe([thing])
    clock.advance(10**6)
    desk.tick()
    desk.observe([thing])
    for signal in sink.received:
        json.dumps(dump(signal)).encode()
    assert len(sink.received) == len({s.key for s in sink.received})
    desk.keep(set())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_no_event_breaks_the_counting(thing):
    sink, clock = ListSink(), ManualClock(1_767_323_050_000)
    made = Happenings(name="e", clock=clock, checkpoints={}, sink=sink, settings=Settings(), find=lambda _: None)
    made.observe([thing, WHOLE])
    made.tick()
    made.gone(["u"])
    assert len(sink.received) == len({s.key for s in sink.received})


@given(ANY)
def test_whatever_the_value_the_type_is_the_one_asked_for(value):
    assert isinstance(text(value), str) and isinstance(number(value), int)
    assert abs(number(value)) <= 1 << 63 and unix_ms(value) >= 0


def test_an_event_of_the_newer_api_is_read_too():
    event = {"type": "Warning", "reason": "Unhealthy", "note": "Readiness probe failed: x", "regarding": {"uid": "u"},
             "deprecatedCount": 4, "metadata": {"uid": "e"}}  # fmt: skip
    found = read_event(event)
    assert (found.count, found.probe, found.about) == (4, "readiness", "u")


# ---------------------------------------------------------------- the ledger

SLOTS = ["web/pull", "web/ready", "pending"]


def finding(slot, instance):
    return Finding(slot=slot, kind="k", title=slot, message="m", instance=instance, at_ms=1)


class Moody(ListSink):
    """A store that is busy at times."""

    refuses = False

    def __call__(self, signals, checkpoints=None):
        if self.refuses:
            raise OSError("busy")
        super().__call__(signals, checkpoints)


class Model:
    """The plainest memory of what must have been told: what is open where, and every beginning and end in order."""

    def __init__(self):
        self.open, self.told = {}, []

    def look(self, uid, found):
        for slot, instance in found.items():
            if self.open.get((uid, slot)) != instance:
                self.open[uid, slot] = instance
                self.told.append((uid, instance, False))
        for slot in SLOTS:
            if slot not in found and (uid, slot) in self.open:
                self.told.append((uid, self.open.pop((uid, slot)), True))


def said(signal):
    parts = signal.key.removesuffix(":resolved").split(":")
    return (parts[1], parts[-1], signal.resolved)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(
    st.sampled_from(["look", "look", "gone", "relist", "restart", "refuse"]), st.sampled_from("abc"),
    st.dictionaries(st.sampled_from(SLOTS), st.booleans(), max_size=3)), max_size=30))  # fmt: skip
def test_each_occurrence_and_each_end_is_told_once(steps):
    """Random looks, deletions, relists, restarts and refusals of the store; True in `found` is a new occurrence."""
    sink, clock, world, model = Moody(), ManualClock(), {}, Model()
    book = ledger(sink, clock)
    for number_, (what, uid, found) in enumerate(steps):
        if what in ("look", "refuse"):
            now = {s: str(number_) if new else model.open.get((uid, s), str(number_)) for s, new in found.items()}
            findings = tuple(finding(slot, instance) for slot, instance in now.items())
            look = Look(subject=Subject(uid=uid, namespace="n", name=uid, service=uid), findings=findings)
            sink.refuses = what == "refuse"
            try:
                book.observe([look])
                world[uid] = look
                model.look(uid, now)
            except OSError:
                assert sink.refuses
            sink.refuses = False
        elif what == "gone":
            world.pop(uid, None)
            book.gone([uid])
            model.look(uid, {})
        elif what == "restart":
            book = ledger(sink, clock)
        if what in ("relist", "restart"):
            book.observe(world.values())
            book.keep(set(world))
    assert sorted(map(said, sink.received)) == sorted(model.told)


def test_one_change_does_not_write_what_is_known_of_all():
    sink = ListSink()
    book = ledger(sink, ManualClock())
    looks = [
        Look(subject=Subject(uid=f"u{n}", namespace="n", name=f"p{n}", service="s"), findings=(finding("x", "1"),))
        for n in range(3200)
    ]
    book.observe(looks)
    whole = sum(map(len, sink.checkpoints.values()))
    written = []
    inner = sink.__call__
    book._sink = lambda signals, checkpoints: (
        written.append(sum(map(len, checkpoints.values()))),
        inner(signals, checkpoints),
    )
    book.gone(["u7"])
    assert 0 < written[0] < whole / 16


# ---------------------------------------------------------------- selectors and names


@pytest.mark.parametrize(
    ("chosen", "have", "matches"),
    [
        ("", {}, True), ("a=b", {"a": "b"}, True), ("a==b", {"a": "c"}, False), ("a!=b", {}, True),
        ("a in (b, c)", {"a": "c"}, True), ("a notin (b,c)", {"a": "c"}, False), ("a notin (b)", {}, True),
        ("a", {"a": ""}, True), ("!a", {"a": ""}, False), ("a=b,c in (d,e),!f", {"a": "b", "c": "e"}, True),
        ("app.kubernetes.io/name=x", {"app.kubernetes.io/name": "x"}, True), ("a=", {"a": ""}, True),
    ],
)  # fmt: skip
def test_label_selectors(chosen, have, matches):
    assert selector.labels(chosen)({"metadata": {"labels": have}}) is matches


@pytest.mark.parametrize("wrong", ["a=b=c", "a in b", "=x", "a in (b", "a b"])
def test_a_selector_that_makes_no_sense_is_refused_when_it_is_set(wrong):
    with pytest.raises(ValueError, match="not a label selector"):
        Settings(label_selector=wrong)
    with pytest.raises(ValueError, match="not a field selector"):
        Settings(field_selector="spec nodeName")


def test_field_selectors():
    thing = {"spec": {"nodeName": "a"}, "status": {"phase": "Running"}}
    assert selector.fields("spec.nodeName=a,status.phase!=Failed")(thing)
    assert not selector.fields("spec.nodeName=b")(thing) and not selector.fields("spec.nodeName=a")({"spec": 3})


@pytest.mark.parametrize(
    ("image", "release"),
    [("a:1.2", "1.2"), ("reg:5000/a/b:v3", "v3"), ("reg:5000/a", ""), ("a@sha256:0123456789abcdef", "0123456789ab"),
     ("a:1@sha256:0123", "1"), ("", "")],
)  # fmt: skip
def test_the_release_in_an_image(image, release):
    assert release_of(image) == release


@pytest.mark.parametrize(
    ("kind", "name", "owner"),
    [("Pod", "shop-7d9f8c6b5-x2x4z", "shop"), ("Pod", "db-0", "db"), ("Pod", "agent-x2x4z", "agent"),
     ("ReplicaSet", "shop-7d9f8c6b5", "shop"), ("Deployment", "shop-web", "shop-web"),
     ("Job", "backup-28391020", "backup"), ("Pod", "backup-28391020-x2x4z", "backup")],
)  # fmt: skip
def test_the_workload_a_name_suggests(kind, name, owner):
    assert named(kind, name) == owner


def test_services_by_label_owner_and_mapping():
    thing = {
        "metadata": {"name": "p", "labels": {"app": "a"}, "ownerReferences": [{"kind": "StatefulSet", "name": "db"}]}
    }
    assert subject_of(thing, Settings(), {}).service == "a"
    assert subject_of(thing, Settings(), {"db": None}).service == "db"
    assert subject_of(thing, Settings(services={"db": "data"}), {}).service == "data"


def test_rights_are_those_of_what_is_watched():
    found = {str(right) for right in rights(Settings(namespaces=("a",), watch=("pods",)))}
    assert len(found) == 3 and all("with a Role in a" in right for right in found)
    assert not [r for r in rights(Settings(namespaces=("a",))) if r.resource == "nodes"]
    assert [r for r in rights(Settings()) if r.resource == "nodes"]
