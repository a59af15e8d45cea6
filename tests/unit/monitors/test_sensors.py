"""What sensors forward: who may, what is read, what is refused."""

import contextlib
import gzip
import json
import threading
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Frame, Signal
from nightshift.daemon.ports import Call, EnvironmentBroke, Receipt, Refused
from nightshift.monitors import sensors
from nightshift.monitors.testing import ListSink

SIGNAL = Signal(
    key="log-1:7", source="logs:/srv/app.log", service="shop", title="KeyError: 'x'", at_ms=1_000,
    exception="KeyError", frames=(Frame(path="a.py", line=1, function="f", locals=(("x", "1"),)),),
    labels={"log": "/srv/app.log"},
)  # fmt: skip


def call(*lines, name="web-1", token="the-token", version=1, pack=gzip.compress, encoding="gzip"):
    body = b"\n".join([json.dumps({"version": version}).encode(), *lines])
    headers = {"x-nightshift-sensor": name, "authorization": f"Bearer {token}", "content-encoding": encoding}
    return Call(method="POST", path="/api/signals", headers=headers, query={}, body=pack(body))


@pytest.fixture
def receiver():
    known = [sensors.Sensor(name="web-1", token="the-token"), sensors.Sensor(name="web-2", token="other-token")]
    return sensors.receiver(sensors.Settings(known=known), {}, ManualClock())


def line(**changes):
    return json.dumps({**asdict(SIGNAL), **changes}).encode()


def test_a_signal_arrives_as_it_was_under_the_sensors_name(receiver):
    receipt = receiver.read(call(line()))
    [signal] = receipt.signals
    assert signal.key == "web-1/log-1:7" and signal.labels == {"log": "/srv/app.log", "sensor": "web-1"}
    assert (signal.frames, signal.title, signal.at_ms) == (SIGNAL.frames, SIGNAL.title, 1_000)
    assert receipt.body == {"signals": 1}


@pytest.mark.parametrize(("name", "token"), [("web-1", "other-token"), ("web-3", "the-token"), ("", ""), ("web-1", "")])
def test_a_token_opens_one_name(receiver, name, token):
    with pytest.raises(Refused, match="sensor"):
        receiver.read(call(line(), name=name, token=token))


@pytest.mark.parametrize(
    "wrong",
    [b"{", b"[]", b"7", b"[" * 100_000, line(at_ms="soon"), line(frames=[{"path": 1}]), line(key=""), line(count=0),
     line(severity="dreadful"), line(count=10**30), line(sample="x" * (1 << 20))],
)  # fmt: skip
def test_what_is_no_signal_is_refused_with_a_reason(receiver, wrong):
    with pytest.raises(ValueError, match=r"signal|line"):
        receiver.read(call(line(), wrong))


def test_another_version_is_said_in_a_way_that_makes_no_signal_suspect(receiver):
    receipt = receiver.read(call(line(), version=2))
    assert (receipt.status, receipt.signals) == (415, ()) and "version 1" in receipt.body["error"]


@pytest.mark.parametrize("body", [b"", b"{}", b"7", b'{"version": "1"}', b"[" * 100_000])
def test_a_batch_without_header_is_refused(receiver, body):
    made = call()
    with pytest.raises(ValueError, match="header"):
        receiver.read(replace(made, body=gzip.compress(body)))


def test_an_empty_batch_says_only_that_a_sensor_is_there(receiver):
    receipt = receiver.read(call())
    assert (receipt.status, receipt.signals, receipt.body) == (200, [], {"signals": 0})


class Watch:
    """Receiver and monitor over one configuration, as the daemon makes them."""

    def __init__(self, clock, said=(), **more):
        known = [sensors.Sensor(name="web-1", token="the-token", **more),
                 sensors.Sensor(name="mute", token="m", silent_s=0)]  # fmt: skip
        configured = sensors.Settings(known=known)
        self.clock, self.sink, self.marks = clock, ListSink(), dict(said)
        self.receiver = sensors.receiver(configured, {}, clock)
        self.monitor = sensors.create(configured, {}, clock)
        stop = threading.Event()
        stop.set()
        self.monitor.watch(self.take, self.marks, stop)

    def take(self, signals, checkpoints):
        self.sink(signals, checkpoints)
        self.marks.update(checkpoints)

    def after(self, seconds):
        self.clock.advance(seconds)
        before = len(self.sink.signals)
        self.monitor.look(self.take)
        return [(s.kind, s.labels["sensor"], s.resolved) for s in self.sink.signals[before:]]


def test_a_silent_sensor_is_an_incident_until_it_speaks():
    watch = Watch(ManualClock())
    assert watch.after(179) == []
    watch.receiver.read(call())
    assert watch.after(179) == []
    assert watch.after(1) == [("blind", "web-1", False)]
    assert watch.after(500) == []
    watch.receiver.read(call())
    assert watch.after(1) == [("blind", "web-1", True)]
    assert watch.after(178) == [] and watch.after(1) == [("blind", "web-1", False)]
    first, over, second = watch.sink.signals
    assert first.title == over.title == second.title and len({s.key for s in watch.sink.signals}) == 3


def test_a_wrong_token_is_no_sign_of_life():
    watch = Watch(ManualClock())
    watch.clock.advance(179)
    with pytest.raises(Refused):
        watch.receiver.read(call(token="other"))
    assert watch.after(1) == [("blind", "web-1", False)]


def test_what_was_said_before_a_restart_is_said_once_and_taken_back():
    before = Watch(ManualClock())
    before.after(200)
    after = Watch(before.clock, said=before.marks)
    assert after.after(1000) == []
    after.receiver.read(call())
    assert after.after(1) == [("blind", "web-1", True)]


def test_a_sink_that_fails_is_told_again():
    watch = Watch(ManualClock())

    def broken(signals, checkpoints):
        raise EnvironmentBroke("the disk is full")

    watch.clock.advance(200)
    with pytest.raises(EnvironmentBroke):
        watch.monitor.look(broken)
    assert watch.after(1) == [("blind", "web-1", False)]


def test_a_clock_ahead_is_not_believed(receiver):
    [signal] = receiver.read(call(line(at_ms=10**15))).signals
    assert signal.at_ms == ManualClock().now_ms() + 300_000


def test_names_are_used_once():
    with pytest.raises(ValueError, match="two sensors"):
        sensors.Settings(known=[sensors.Sensor(name="a", token="t"), sensors.Sensor(name="a", token="u")])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=4), st.booleans())
def test_any_bytes_are_read_or_refused(lines, packed):
    known = [sensors.Sensor(name="web-1", token="the-token")]
    receiver = sensors.receiver(sensors.Settings(known=known), {}, ManualClock())
    with contextlib.suppress(ValueError, Refused):
        made = call(*lines) if packed else call(*lines, pack=bytes, encoding="")
        assert isinstance(receiver.read(made), Receipt)
