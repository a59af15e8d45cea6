"""The container monitor without an engine: loops, memory, names; and whatever an engine sends ends in no crash."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Frame, Signal
from nightshift.monitors.docker import Settings
from nightshift.monitors.docker.loops import Loops
from nightshift.monitors.docker.memory import Memory, load
from nightshift.monitors.docker.monitor import DockerMonitor, _Run
from nightshift.monitors.docker.whom import Whom, listed
from nightshift.monitors.lastwords import last_words
from nightshift.monitors.testing import ListSink

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ATTRIBUTES = st.fixed_dictionaries(
    {"nightshift.service": st.just("shop")},
    optional={"exitCode": st.sampled_from(["0", "1", "137", "x", ""]) | ANY, "signal": ANY, "name": ANY, "image": ANY},
)
EVENT = st.fixed_dictionaries({}, optional={
    "timeNano": st.integers(0, 1 << 70) | ANY, "Action": st.sampled_from([
        "die", "oom", "kill", "start", "destroy", "health_status: unhealthy", "health_status: healthy"]) | ANY,
    "Actor": ANY | st.fixed_dictionaries({}, optional={
        "ID": st.sampled_from("abc") | ANY, "Attributes": ATTRIBUTES | ANY}),
})  # fmt: skip


class Engine:
    """An engine that answers with anything: the given values in turn, the last one for ever."""

    def __init__(self, answers):
        self.answers = answers

    def inspect_container(self, _):
        return self.answers.pop() if len(self.answers) > 1 else self.answers[0]

    def logs(self, *_, **__):
        return [b"Traceback (most recent call last):\n", b'  File "/a.py", line 1, in f\nKeyError: 1\n']


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENT | ANY, max_size=8), st.lists(ANY, min_size=1, max_size=4))
def test_no_event_and_no_answer_breaks_the_monitor(events, answers):
    import threading

    sink, stop = ListSink(), threading.Event()
    run = _Run(Settings(), {}, ManualClock(), sink, {}, stop)
    for event in events:
        run._event(Engine(answers), event)
    run.tick(all_of_them=True)
    stop.set()
    assert all(s.service == "shop" for s in sink.received)
    assert load(json.dumps(json.loads(run._memory.dump()))) == run._memory


@pytest.mark.parametrize("saved", ["", "{", "[]", "null", '{"asked": 3}', '{"other": {}}', '{"loops": {"a": 3}}'])
def test_a_memory_that_makes_no_sense_is_empty(saved):
    assert load(saved) == Memory()


def death(at_ms, **more):
    return Signal(key=f"k{at_ms}", source="docker", service="shop", title="t", at_ms=at_ms, **more)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 400_000), min_size=1, max_size=40), st.integers(1, 4))
def test_every_death_is_told_or_counted_once(gaps, few):
    """Whatever the rhythm of deaths, ticks and restarts of the daemon."""
    clock = ManualClock(0)
    loops, memory, told = Loops(Settings(loop_deaths=few), clock), Memory(), []
    for gap in gaps:
        clock.advance(gap / 1000)
        told += loops.add(memory, "c", death(clock.now_ms()))
        memory = load(memory.dump())
        told += loops.due(memory)
    told += loops.due(memory, all_of_them=True)
    assert sum(s.count for s in told) == len(gaps)
    assert len({s.key for s in told}) == len(told)


def test_different_causes_are_different_loops():
    loops, memory, clock = Loops(Settings(loop_deaths=1), ManualClock()), Memory(), 1000
    frame = Frame(path="a.py", line=1, function="f")
    for signal in (
        death(clock),
        death(clock, exception="KeyError", frames=(frame,)),
        death(clock, labels={"exit_code": "9"}),
    ):
        assert loops.add(memory, "c", signal) == [signal]


def test_a_loop_of_one_crash_stays_the_same_crash():
    loops, memory = Loops(Settings(loop_deaths=1, loop_every_s=0), ManualClock()), Memory()
    crash = death(1, exception="KeyError", message="'lamp'", labels={"container": "c"})
    loops.add(memory, "c", crash)
    [folded] = loops.add(memory, "c", death(2, exception="KeyError", message="'lamp'", labels={"container": "c"}))
    assert (folded.exception, folded.message) == (crash.exception, crash.message) and "loop" in folded.labels["state"]


def test_memory_is_bounded():
    memory = Memory(asked={str(n): n for n in range(5000)})
    assert len(load(memory.dump()).asked) == 2000 and "4999" in memory.asked


@pytest.mark.parametrize(
    ("more", "attributes", "service"),
    [
        ({}, {"nightshift.service": "a"}, "a"), ({"services": {"n": "b"}}, {"name": "n"}, "b"),
        ({}, {"com.docker.compose.service": "known"}, "known"), ({}, {"name": "known"}, "known"),
        ({}, {"name": "n"}, ""), ({"every_container": True}, {"name": "n"}, "n"),
        ({"every_container": True}, {"name": "n", "nightshift.sandbox.owner": "x"}, ""),
        ({"names": ("shop-*",)}, {"nightshift.service": "a", "name": "shop-1"}, "a"),
        ({"names": ("shop-*",)}, {"nightshift.service": "a", "name": "db"}, ""),
        ({"labels": ("team",)}, {"nightshift.service": "a", "team": ""}, "a"),
        ({"labels": ("team=x",)}, {"nightshift.service": "a", "team": "y"}, ""),
    ],
)  # fmt: skip
def test_whose_container_it_is(more, attributes, service):
    whom = Whom(Settings(**more), {"known": None})
    assert (whom.service(attributes) if whom.ours(attributes) else "") == service


@given(ANY | st.lists(st.fixed_dictionaries({}, optional={"Id": ANY, "Names": ANY, "Labels": ANY, "Image": ANY})))
def test_any_list_of_containers_is_read(answer):
    assert all(isinstance(v, str) for row in listed(answer).values() for v in row.values())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000) | st.text(max_size=500).map(str.encode))
def test_any_last_words_are_read(raw):
    assert last_words(raw, service="s", clock=ManualClock(), name="n").sample is not None


def test_the_monitor_is_named():
    assert DockerMonitor(Settings(), {}, ManualClock()).name == "docker"
