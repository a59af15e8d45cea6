"""The spool: what was taken is there after any end, in order, once; it never grows beyond its cap."""

import json
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.model import Frame, Signal, load
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.sensor.spool import Spool, SpoolFull


def signal(number, text="x"):
    frame = Frame(path="a.py", line=1, function="f", locals=(("x", "1"),))
    return Signal(key=f"k{number}", source="logs", service="shop", title=text, at_ms=1, frames=(frame,))


def opened(path, limit=1 << 20, **more):
    return Spool(path / "spool.db", limit_bytes=limit, **more)


def keys(records):
    return [json.loads(line)["key"] for record in records for line in record.body.splitlines()]


def test_signals_survive_the_way_through_it(tmp_path):
    spool, given = opened(tmp_path), signal(1, "naïve \ud800 text")
    spool([given, signal(2)])
    [record] = spool.head(1 << 20)
    assert record.signals == 2
    assert load(Signal, json.loads(record.body.splitlines()[1])) == signal(2)
    assert b"na\xc3\xafve ? text" in record.body


def test_checkpoints_come_back_by_prefix(tmp_path):
    spool = opened(tmp_path)
    spool([], {"logs:a": "1", "docker:b": "2"})
    spool([signal(1)], {"logs:a": "3"})
    spool.close()
    assert opened(tmp_path).checkpoints("logs:") == {"logs:a": "3"}


def test_a_full_spool_takes_nothing_and_counts(tmp_path):
    spool = opened(tmp_path, limit=700)
    spool([signal(1)], {"logs:a": "1"})
    spool([signal(2)], {"logs:a": "2"})
    with pytest.raises(SpoolFull, match="reading waits"):
        spool([signal(3)], {"logs:a": "3"})
    taken = keys(spool.head(1 << 20))
    assert spool.checkpoints("logs:") == {"logs:a": taken[-1][1:]}
    assert spool.status()["held"] == 1 and spool.bytes <= 700
    spool([], {"logs:b": "1"})


def test_the_oldest_are_dropped_and_counted_when_that_is_wanted(tmp_path):
    spool = opened(tmp_path, limit=900, drop_oldest=True)
    for number in range(20):
        spool([signal(number)])
    left = keys(spool.head(1 << 20))
    assert left == [f"k{n}" for n in range(20 - len(left), 20)] and 1 < len(left) < 20
    assert spool.status()["dropped"] == 20 - len(left) and spool.bytes <= 900


def test_one_signal_larger_than_the_cap_still_passes(tmp_path):
    spool = opened(tmp_path, limit=100)
    spool([signal(1, "x" * 1000)])
    assert keys(spool.head(1)) == ["k1"]


def test_what_the_daemon_refuses_is_set_aside(tmp_path):
    spool = opened(tmp_path)
    spool([signal(1)])
    [record] = spool.head(1 << 20)
    spool.refused(record, "400 no")
    assert spool.head(1 << 20) == [] and spool.status()["refused"] == 1
    rows = sqlite3.connect(tmp_path / "spool.db").execute("SELECT reason FROM refused").fetchall()
    assert rows == [("400 no",)]


def test_a_file_that_is_no_spool_is_said(tmp_path):
    (tmp_path / "spool.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(EnvironmentBroke, match="can't be used"):
        opened(tmp_path)


STEPS = st.lists(st.sampled_from(["add", "add", "add2", "send", "again", "reopen"]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from([1, 400, 1 << 20]))
def test_any_course_of_things_keeps_order_and_loses_nothing(tmp_path_factory, steps, batch):
    path = tmp_path_factory.mktemp("spool")
    spool, number, sent = opened(path), 0, []
    for step in steps:
        if step in ("add", "add2"):
            count = 2 if step == "add2" else 1
            spool([signal(number + n) for n in range(count)], {"logs:a": f"{number + count}"})
            number += count
        elif step in ("send", "again"):
            records = spool.head(batch)
            sent += keys(records)
            if step == "send" and records:
                spool.forwarded(records)
        else:
            spool.close()
            spool = opened(path)
        assert spool.checkpoints("logs:").get("logs:a", "0") == f"{number}"
    while records := spool.head(batch):
        sent += keys(records)
        spool.forwarded(records)
    once = list(dict.fromkeys(sent))
    assert once == [f"k{n}" for n in range(number)]
    assert spool.status()["bytes"] == 0 and spool.status()["forwarded"] == number
    spool.close()
