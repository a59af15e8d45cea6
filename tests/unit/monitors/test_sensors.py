"""What sensors forward: who may, what is read, what is refused."""

import contextlib
import gzip
import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Frame, Signal
from nightshift.daemon.ports import Call, Receipt, Refused
from nightshift.monitors import sensors

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
     line(severity="dreadful")],
)  # fmt: skip
def test_what_is_no_signal_is_refused_with_a_reason(receiver, wrong):
    with pytest.raises(ValueError, match=r"signal|line"):
        receiver.read(call(line(), wrong))


def test_another_version_is_said(receiver):
    with pytest.raises(ValueError, match="newer"):
        receiver.read(call(line(), version=2))


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
