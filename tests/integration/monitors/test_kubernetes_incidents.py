"""From a cluster to incidents: the real monitor into the real intake and store."""

import pytest

pytest.importorskip("kmock")

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.store.store import Store
from nightshift.monitors.testing import ListSink, watching

from .cluster import ERROR, LOOPING, NOW, Cluster, event, listing, monitor, pod

TRACE = b"Traceback (most recent call last):\n  File \"/app/shop/cart.py\", line 12, in checkout\nKeyError: 'lamp'\n"
PULL = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.close()


class Both(ListSink):
    """What the intake took, in order."""

    def __init__(self, intake):
        super().__init__()
        self.intake = intake

    def __call__(self, signals, checkpoints=None):
        self.intake(signals, checkpoints or {})
        super().__call__(signals, checkpoints)


@pytest.fixture
def kept(tmp_path):
    store = Store.open(tmp_path / "nightshift.db")
    yield store
    store.close()


def pods(state, names, last=None, restarts=0, version="1"):
    made = [pod(name, state, last, restarts, version) for name in names]
    for one in made:
        one["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "shop"}]
    return made


def test_pods_with_one_trouble_are_one_incident_that_heals_with_the_last_of_them(cluster, kept):
    sink = Both(Intake(kept, NOW, Settings(), lambda _: None))
    a, b = pods(PULL, "ab")
    well = pods(None, "ab", version="12")
    cluster.lists = [listing(a, b)]
    cluster.watches = [["pause", event("MODIFIED", well[0]), "pause", event("MODIFIED", well[1]), "hold"]]
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 3)
        [incident] = kept.incidents.list(limit=9)
        assert incident.state == "open", "b can't pull its image yet"
        sink.wait(lambda s: len(s.signals) == 4)
    [incident] = kept.incidents.list(limit=9)
    assert (incident.state, incident.count, incident.service) == ("healed", 2, "shop")


def test_a_crash_of_all_pods_is_one_incident_whatever_their_release(cluster, kept):
    sink = Both(Intake(kept, NOW, Settings(), lambda _: None))
    dead = pods(LOOPING, "abc", ERROR, restarts=4)
    for number, one in enumerate(dead):
        one["spec"] = {"containers": [{"name": "web", "image": f"shop:1.{number}"}]}
    cluster.lists, cluster.log_answer = [listing(*dead)], TRACE
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 3)
    [incident] = kept.incidents.list(limit=9)
    assert (incident.count, incident.signal.exception) == (3, "KeyError")
    assert incident.signal.frames[-1].path == "/app/shop/cart.py"


def test_without_an_exception_releases_do_not_split_an_incident(cluster, kept):
    sink = Both(Intake(kept, NOW, Settings(), lambda _: None))
    dead = pods(LOOPING, "ab", ERROR, restarts=4)
    for number, one in enumerate(dead):
        one["spec"] = {"containers": [{"name": "web", "image": f"shop:1.{number}"}]}
    cluster.lists, cluster.log_answer = [listing(*dead)], b"no trace\n"
    with watching(monitor(cluster), sink):
        sink.wait(lambda s: len(s.signals) == 2)
    assert [i.count for i in kept.incidents.list(limit=9)] == [2]
