"""Sources that call: who is heard, what is answered, and that nothing is acknowledged before it is stored."""

import asyncio
import json
import sqlite3
import threading

import pytest
from prometheus_client import generate_latest
from sqlalchemy.exc import DataError

from nightshift.daemon.model import Signal
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.web.inbox import Full, Inbox


def post(client, *keys, path="/hooks/echo", **more):
    return client.post(path, content=json.dumps(keys).encode(), **more)


@pytest.mark.parametrize("path", ["/hooks/echo", "/hooks/echo/", "/api/7/echo/", "/api/7/echo"])
def test_what_a_call_holds_is_stored_then_answered(client, api, path):
    answer = post(client, "a", "b", path=path)
    assert (answer.status_code, answer.json(), answer.headers["x-echo"]) == (202, {"signals": 2}, "yes")
    assert [s.key for s in api.taken] == ["a", "b"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_receiver_sees_the_call_as_it_came(client, api):
    post(client, path="/api/7/echo/?sentry_key=k", headers={"X-Shown": "Me"})
    [call] = api.receivers["echo"].calls
    assert (call.method, call.path, call.query) == ("POST", "/api/7/echo/", {"sentry_key": "k"})
    assert call.headers["x-shown"] == "Me"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[]", {"authorization": "Bearer wrong"}, 401),
        (b"{", {}, 400),
        (b"bug", {}, 500),
    ],
)
def test_what_is_not_understood_is_told_and_stores_nothing(client, api, body, headers, status):
    answer = client.post("/hooks/echo", content=body, headers=headers)
    assert answer.status_code == status and set(answer.json()) == {"error", "fix"}
    assert "a secret detail" not in answer.text and api.taken == []


@pytest.mark.parametrize("trouble", [EnvironmentBroke("away"), sqlite3.OperationalError("locked")])
def test_without_a_store_the_caller_is_to_come_again(client, api, trouble):
    api.trouble = trouble
    answer = post(client, "a")
    assert answer.status_code == 503 and answer.headers["retry-after"]


def test_methods_are_the_receivers(client, api):
    assert client.request("PUT", "/hooks/echo").headers["allow"] == "POST, OPTIONS"
    assert client.options("/hooks/echo").status_code == 202


def test_a_receiver_that_is_off_says_how_it_is_turned_on(client):
    answer = post(client, path="/hooks/off")
    assert answer.status_code == 404 and "monitors: {off:" in answer.json()["fix"]


def test_calls_are_counted(client, api):
    post(client, "a", "b")
    client.post("/hooks/echo", content=b"{")
    shown = generate_latest(api.registry).decode()
    assert 'nightshift_calls_total{receiver="echo",status="202"} 1.0' in shown
    assert 'nightshift_calls_total{receiver="echo",status="400"} 1.0' in shown
    assert 'nightshift_received_signals_total{receiver="echo"} 2.0' in shown
    assert "nightshift_inbox_signals 0.0" in shown


# ---------------------------------------------------------------- group commit


def signals(*keys):
    return [Signal(key=key, source="s", service="shop", title=key, at_ms=1) for key in keys]


class Slow:
    """A store that commits when it is told to."""

    def __init__(self):
        self.batches, self.gate, self.poison = [], threading.Event(), RuntimeError("poison")

    def __call__(self, batch):
        self.gate.wait(10)
        if any(signal.key == "poison" for signal in batch):
            raise self.poison
        self.batches.append([signal.key for signal in batch])


def test_calls_that_come_meanwhile_share_a_transaction():
    store = Slow()

    async def scene():
        inbox = Inbox(store)
        first = asyncio.create_task(inbox.store(signals("a")))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(inbox.store(signals(f"b{n}"))) for n in range(20)]
        await asyncio.sleep(0.05)
        assert not first.done() and inbox.waiting == 20
        store.gate.set()
        await asyncio.gather(first, *others)
        assert inbox.waiting == 0

    asyncio.run(scene())
    assert store.batches == [["a"], [f"b{n}" for n in range(20)]]


def outcomes(store):
    """Of calls that share a transaction, one of which the store refuses."""

    async def scene():
        inbox = Inbox(store)
        calls = [asyncio.create_task(inbox.store(signals(key))) for key in ("first", "a", "poison", "b")]
        await asyncio.sleep(0.05)
        store.gate.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    return [type(result).__name__ for result in asyncio.run(scene())]


def test_a_poisoned_call_fails_alone():
    store = Slow()
    assert outcomes(store) == ["NoneType", "NoneType", "RuntimeError", "NoneType"]
    assert store.batches == [["first"], ["a"], ["b"]]


def value_error():
    return DataError("INSERT", {}, Exception("bigint out of range"))


@pytest.mark.parametrize("trouble", [value_error(), OverflowError("int too large")])
def test_a_value_no_store_can_hold_is_the_callers_fault(client, api, trouble):
    """503 would have it sent again for ever, before everything behind it."""
    api.trouble = trouble
    answer = post(client, "a")
    assert answer.status_code == 400 and "too large" in answer.json()["error"]


def test_a_value_no_store_can_hold_fails_alone():
    store = Slow()
    store.poison = value_error()
    assert outcomes(store) == ["NoneType", "NoneType", "ValueError", "NoneType"]


@pytest.mark.parametrize(
    ("body", "packing", "thread"),
    [
        (b"[]", "", "MainThread"),
        (b"[]".ljust(40_000), "", "receivers"),
        (b"[]", "gzip", "MainThread"),
        (b"[]".ljust(5_000), "gzip", "receivers"),
        (b"[]", "br", "receivers"),
    ],
)
def test_what_may_take_long_is_read_beside_the_event_loop(client, api, body, packing, thread):
    headers = {"content-encoding": packing} if packing else {}
    assert client.post("/hooks/echo", content=body, headers=headers).status_code == 202
    assert api.receivers["echo"].threads[0].startswith(thread)


def test_a_full_inbox_takes_nothing_more():
    store = Slow()

    async def scene():
        inbox = Inbox(store, limit=2)
        first = asyncio.create_task(inbox.store(signals("a")))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(inbox.store(signals("b", "c")))
        await asyncio.sleep(0.05)
        with pytest.raises(Full):
            await inbox.store(signals("d"))
        store.gate.set()
        await asyncio.gather(first, second)

    asyncio.run(scene())
    assert store.batches == [["a"], ["b", "c"]]


def test_a_caller_that_hangs_up_harms_nobody():
    store = Slow()

    async def scene():
        inbox = Inbox(store)
        first = asyncio.create_task(inbox.store(signals("a")))
        second = asyncio.create_task(inbox.store(signals("b")))
        await asyncio.sleep(0.05)
        second.cancel()
        store.gate.set()
        await first
        await inbox.store(signals("c"))

    asyncio.run(scene())
    assert [key for batch in store.batches for key in batch] == ["a", "b", "c"]
