"""The spool: what was taken is there after any end, in order, once; it never grows beyond its cap."""

import contextlib
import json
import random
import shutil
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Frame, Signal, load
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.sensor.spool import Spool, SpoolFull, status_of


def signal(number, text="x", service="shop"):
    frame = Frame(path="a.py", line=1, function="f", locals=(("x", "1"),))
    return Signal(key=f"k{number}", source="logs", service=service, title=text, at_ms=1, frames=(frame,))


def opened(path, limit=1 << 20, clock=None, **more):
    return Spool(path / "spool.db", clock or ManualClock(), limit_bytes=limit, **more)


def found(records):
    return [json.loads(record.body) for record in records]


def keys(records):
    return [one["key"] for one in found(records)]


def test_signals_survive_the_way_through_it(tmp_path):
    spool, given = opened(tmp_path), signal(1, "naïve \ud800 text")
    spool([given, signal(2)])
    first, second = spool.head(1 << 20)
    assert load(Signal, json.loads(second.body)) == signal(2)
    assert b"na\xc3\xafve ? text" in first.body


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


def test_what_was_dropped_is_said_to_the_daemon_once_it_listens_also_after_a_restart(tmp_path):
    spool = opened(tmp_path, limit=900, drop_oldest=True)
    for number in range(20):
        spool([signal(number, service="shop" if number % 2 else "till")])
    left = spool.head(1 << 20)
    spool.close()
    spool = opened(tmp_path, limit=900, drop_oldest=True)
    spool.forwarded(left)
    said = [load(Signal, one) for one in found(spool.head(1 << 20))]
    assert [(s.kind, s.service, s.source) for s in said] == [("blind", "shop", "sensor"), ("blind", "till", "sensor")]
    assert sum(int(s.message.split()[0]) for s in said) == 20 - len(left)
    assert len({s.key for s in said}) == 2 and spool.added.is_set()
    spool.forwarded(spool.head(1 << 20))
    assert spool.head(1 << 20) == [] and spool.bytes == 0


def test_one_signal_larger_than_the_cap_still_passes(tmp_path):
    spool = opened(tmp_path, limit=100)
    spool([signal(1, "x" * 1000)])
    assert keys(spool.head(1)) == ["k1"]


def test_what_the_daemon_refuses_is_set_aside_and_said(tmp_path):
    spool = opened(tmp_path)
    spool([signal(1), signal(2)])
    first, second = spool.head(1 << 20)
    spool.refused(first, "400 no")
    assert keys(spool.head(1 << 20)) == ["k2"] and spool.status()["refused"] == 1
    rows = sqlite3.connect(tmp_path / "spool.db").execute("SELECT reason FROM refused").fetchall()
    assert rows == [("400 no",)]
    spool.forwarded([second])
    [said] = spool.head(1 << 20)
    assert "refused" in json.loads(said.body)["title"]
    spool.refused(said, "400 not even this")
    spool([signal(3)])
    spool.forwarded(spool.head(1 << 20))
    assert spool.head(1 << 20) == [], "refusing what says so must not go round in circles"


def test_a_file_that_is_no_spool_is_said(tmp_path):
    (tmp_path / "spool.db").write_bytes(b"something else entirely" * 100)
    for _ in range(2):
        with pytest.raises(EnvironmentBroke, match="can't be used"):
            opened(tmp_path)
    with pytest.raises(EnvironmentBroke, match="can't be read"):
        status_of(tmp_path / "spool.db", 1)


def test_two_sensors_do_not_share_a_spool(tmp_path):
    spool = opened(tmp_path)
    with pytest.raises(EnvironmentBroke, match="another sensor"):
        opened(tmp_path)
    spool.close()
    opened(tmp_path).close()


def test_its_status_can_be_asked_for_beside_it(tmp_path):
    with pytest.raises(EnvironmentBroke, match="no sensor has run"):
        status_of(tmp_path / "spool.db", 7)
    clock = ManualClock(5_000)
    spool = opened(tmp_path, clock=clock)
    spool([signal(1)])
    clock.advance(1)
    spool([signal(2)])
    spool.forwarded(spool.head(1))
    status = status_of(tmp_path / "spool.db", 1 << 20)
    assert status == spool.status()
    assert (status["waiting"], status["oldest_ms"], status["acknowledged_ms"], status["forwarded"]) == (
        1,
        6000,
        6000,
        1,
    )


def test_nobody_else_reads_it(tmp_path):
    opened(tmp_path)
    assert {file.name: file.stat().st_mode & 0o077 for file in tmp_path.glob("spool.db*")}.keys() >= {"spool.db"}
    assert not any(file.stat().st_mode & 0o077 for file in tmp_path.glob("spool.db*"))


def test_the_disk_gets_its_space_back(tmp_path):
    spool, big = opened(tmp_path, limit=1 << 30), "x" * 10_000
    spool([signal(n, big) for n in range(1000)])
    while records := spool.head(1 << 20):
        spool.forwarded(records)
    spool.shrink()
    spool.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 3 << 20


STEPS = st.lists(st.sampled_from(["add", "add", "add2", "send", "again", "refuse", "reopen"]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from([1, 400, 1 << 20]))
def test_any_course_of_things_keeps_order_and_loses_nothing(tmp_path_factory, steps, batch):
    path = tmp_path_factory.mktemp("spool")
    spool, number, sent, acknowledged = opened(path), 0, [], set()
    for step in steps:
        if step in ("add", "add2"):
            count = 2 if step == "add2" else 1
            spool([signal(number + n) for n in range(count)], {"logs:a": f"{number + count}"})
            number += count
        elif step in ("send", "again", "refuse"):
            records = spool.head(batch)
            assert not acknowledged & set(keys(records)), "what is acknowledged never comes again"
            sent += keys(records)
            if step == "send" and records:
                spool.forwarded(records)
                acknowledged |= set(keys(records))
            elif step == "refuse" and records:
                spool.refused(records[0], "no")
                acknowledged |= set(keys(records[:1]))
        else:
            spool.close()
            spool = opened(path)
        assert spool.checkpoints("logs:").get("logs:a", "0") == f"{number}"
    while records := spool.head(batch):
        sent += keys(records)
        spool.forwarded(records)
    once = [key for key in dict.fromkeys(sent) if key.startswith("k")]
    assert once == [f"k{n}" for n in range(number)]
    assert spool.status()["bytes"] == spool.bytes == 0
    spool.close()


COURSE = st.lists(st.sampled_from(["add", "add", "take", "acknowledge", "reopen"]), max_size=60)


@settings(max_examples=100, deadline=None)
@given(COURSE, st.sampled_from([1, 600, 5000]))
def test_every_signal_waits_arrived_or_is_said_to_be_lost(tmp_path_factory, steps, batch):
    """Also those dropped on their way, and those that said how many were lost."""
    path, arrived, clock = tmp_path_factory.mktemp("spool"), {}, ManualClock()
    spool, number, taken = opened(path, 1_000, clock, drop_oldest=True), 0, []
    for step in steps:
        if step == "add":
            spool([signal(number)])
            number += 1
        elif step == "take":
            taken = spool.head(batch)
        elif step == "acknowledge" and taken:
            spool.forwarded(taken)
            arrived |= {one["key"]: one for one in found(taken)}
            taken = []
        elif step == "reopen":
            spool.close()
            spool, taken = opened(path, 1_000, clock, drop_oldest=True), []
        lost = rows(path, "SELECT coalesce(sum(signals), 0) FROM lost")[0][0]
        there = {**arrived, **{one["key"]: one for one in found(spool.head(1 << 20))}}
        lost += sum(int(one["labels"].get("lost", 0)) for one in there.values())
        assert sum(key[0] == "k" for key in there) + lost == number
        assert spool.status()["dropped"] == lost and spool.bytes == spool.status()["bytes"]
    spool.close()


def rows(path, query):
    with contextlib.closing(sqlite3.connect(path / "spool.db")) as db:
        return db.execute(query).fetchall()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["add", "add2", "send", "drop"]), min_size=1, max_size=30), st.randoms(use_true_random=False),
       st.booleans())  # fmt: skip
def test_a_write_torn_anywhere_leaves_a_state_that_was(tmp_path_factory, steps, rng, garbled):
    """Power fails: of the log only some beginning reached the disk, then perhaps rubbish. What is found is what some
    step left behind, signals and checkpoint of the same step; never an offset ahead of its signals."""
    path, torn = tmp_path_factory.mktemp("spool"), tmp_path_factory.mktemp("torn")
    spool, number = opened(path, limit=2_000, drop_oldest=True), 0
    states = [(0, [])]
    for step in steps:
        if step == "send" and (records := spool.head(500)):
            spool.forwarded(records)
        elif step != "send":
            count = {"add": 1, "add2": 2, "drop": 5}[step]
            spool([signal(number + n) for n in range(count)], {"logs:a": f"{number + count}"})
            number += count
        states.append((number, keys(spool.head(1 << 20))))
    for name in ("spool.db", "spool.db-wal"):
        shutil.copy(path / name, torn / name)
    spool.close()
    _tear(torn / "spool.db-wal", rng, garbled)
    again = opened(torn)
    state = (int(again.checkpoints("logs:").get("logs:a", "0")), keys(again.head(1 << 20)))
    assert state in states
    again([signal("last")])
    assert keys(again.head(1 << 20))[-1] == "klast"
    again.close()


def _tear(file, rng: random.Random, garbled):
    whole = file.read_bytes()
    cut = rng.randrange(len(whole) + 1)
    file.write_bytes(whole[:cut] + (rng.randbytes(min(5000, len(whole) - cut)) if garbled else b""))
