"""A cluster that goes on living while watches break, expire and are refused and the daemon is restarted: no death is
lost, none is told twice."""

import copy
import threading
import time
from random import Random

import pytest

pytest.importorskip("kmock")

from nightshift.monitors.testing import ListSink, watching

from .cluster import ERROR, GONE, LOOPING, Cluster, event, listing, monitor, pod


class World:
    """Pods with the history of their changes; what is older than the compaction is answered with 410."""

    def __init__(self, random, pods=6):
        self.random, self.lock = random, threading.Lock()
        self.version, self.compacted, self.events = 1, 0, []
        self.deaths = dict.fromkeys([f"p{n}" for n in range(pods)], 0)
        self.states = {name: pod(name) for name in self.deaths}

    def die(self):
        """One container dies (or kubelet gives it up for a while, or it runs again): one change of one pod."""
        with self.lock:
            name = self.random.choice(list(self.deaths))
            self.deaths[name] += 1
            number = self.deaths[name]
            shapes = [
                ({"terminated": ERROR}, None, number - 1), (LOOPING, ERROR, number - 1),
                ({"running": {}}, ERROR, number),
            ]  # fmt: skip
            for state, last, restarts in self.random.sample(shapes, self.random.randint(1, 3)):
                self.version += 1
                self.states[name] = pod(name, state, last, restarts=restarts, version=str(self.version))
                self.events.append((self.version, event("MODIFIED", copy.deepcopy(self.states[name]))))
            if self.random.random() < 0.1:
                self.compacted = self.version

    def list(self, params):
        if self.random.random() < 0.15:
            return 500
        with self.lock:
            return copy.deepcopy(listing(*self.states.values(), version=str(self.version)))

    def watch(self, params):
        since = int(params["resourceVersion"])
        with self.lock:
            if since < self.compacted:
                return [event("ERROR", GONE)] if self.random.random() < 0.5 else 410
            news = [e for version, e in self.events if version > since]
        end = self.random.choice([["hold"], ["breathe", "drop"], ["breathe"], [b'{"type": "MODI', "drop"], ["drop"]])
        if end == ["hold"]:  # until the next change, as far as a script can: a short while
            end = ["breathe"] * 4
        return [*news, *end]


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(4))
def test_every_death_is_counted_once(cluster, seed):
    random = Random(seed)
    world, sink = World(random), ListSink()
    cluster.lists, cluster.watches, cluster.log_answer = world.list, world.watch, b""
    for _ in range(3):  # starts of the daemon
        with watching(monitor(cluster, restarts=1, lookback_s=10**9, log_lines=0), sink):
            for _ in range(15):
                world.die()
                time.sleep(random.uniform(0, 0.05))
        for _ in range(5):  # while nobody watches
            world.die()
    expected = {f"uid-{name}": number for name, number in world.deaths.items() if number}
    with watching(monitor(cluster, restarts=1, lookback_s=10**9, log_lines=0), sink):
        sink.wait(lambda s: last_told(s) == expected, timeout_s=60)
    told = [s for s in sink.received if not s.resolved]
    assert len({s.key for s in told}) == len(told), "none twice"
    for uid, number in expected.items():
        mine = [(int(s.key.rpartition(":")[2]), s.count) for s in told if s.key.split(":")[1] == uid]
        assert mine == sorted(mine) and sum(count for _, count in mine) == number - mine[0][0] + 1, "none lost"


def last_told(sink):
    """The number of the last death told of each pod."""
    found = {}
    for signal in sink.received:
        if not signal.resolved:
            uid, number = signal.key.split(":")[1], int(signal.key.rpartition(":")[2])
            found[uid] = max(found.get(uid, 0), number)
    return found
