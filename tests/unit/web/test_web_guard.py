"""The door: names, sizes, headers."""

import asyncio
import contextlib

import pytest

from nightshift.daemon.web.guard import MAX_BODY_BYTES, SMALL_BYTES, Guard, is_loopback
from nightshift.daemon.web.testing import EchoReceiver

LIMIT = EchoReceiver.body_limit


@pytest.mark.parametrize("name", ["127.0.0.1:8700", "localhost", "localhost:9", "[::1]:8700", "LOCALHOST:1"])
def test_this_machines_names_are_answered(client, name):
    assert client.get("/healthz", headers={"host": name}).status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8700", "", "[::2]"])
def test_other_names_are_refused_on_a_loopback_address(client, api, bearer, name):
    assert client.get("/api/incidents", headers={"host": name}).status_code == 421
    answer = client.post("/api/missions/mis-wait/approve", headers={**bearer, "host": name})
    assert answer.status_code == 421
    assert "hosts" in answer.json()["fix"]
    assert api.said == []


def test_further_names_can_be_allowed(api, client_of):
    client = client_of(api, hosts=["night.example"])
    assert client.get("/healthz", headers={"host": "night.example"}).status_code == 200
    assert client.get("/healthz", headers={"host": "other.example"}).status_code == 421


def test_a_public_address_answers_to_any_name(api, client_of):
    client = client_of(api, host="0.0.0.0")
    assert client.get("/healthz", headers={"host": "night.example"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "is_one"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("night.example", False)],
)
def test_loopback(host, is_one):
    assert is_loopback(host) is is_one


def test_a_large_body_is_refused_before_anybody_reads_it(client, api):
    answer = client.post("/hooks/echo", content=b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    assert api.receivers["echo"].calls == []


def test_a_large_body_without_a_length_is_refused_too(client, api):
    def chunks():
        for _ in range(30):
            yield b"x" * 100_000

    assert client.post("/hooks/echo", content=chunks()).status_code == 413
    assert api.receivers["echo"].calls == []


def test_a_body_of_exactly_the_limit_arrives(client, api):
    assert client.post("/hooks/echo", content=b"[]".ljust(LIMIT)).status_code == 202
    assert len(api.receivers["echo"].calls[0].body) == LIMIT
    assert client.post("/api/nowhere", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/incidents", "/nowhere"])
def test_every_answer_carries_the_headers(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers


def test_no_other_origin_is_let_in(client):
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = client.options("/api/missions/mis-wait/approve", headers=headers)
    assert answer.status_code == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


def slowly(guard, size, *, path="/hooks/echo"):
    """A request whose body stops after `size` bytes; the answer's status, once `gate` lets it end."""
    gate, said = asyncio.Event(), []
    pieces = [{"type": "http.request", "body": b"x" * size, "more_body": True}]

    async def receive():
        if pieces:
            return pieces.pop()
        await gate.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        said.append(message.get("status"))

    headers = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    return asyncio.create_task(guard(scope, receive, send)), gate, said


def test_all_large_bodies_together_are_bounded_and_small_ones_always_read():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 202, "headers": []})

    async def scene():
        guard = Guard(app, host="localhost", most=300_000)
        first, gate, answer = slowly(guard, 200_000)
        await asyncio.sleep(0)
        for size, status in ((200_000, 503), (SMALL_BYTES, 202)):
            other, open_, said = slowly(guard, size)
            open_.set()
            await other
            assert said[0] == status, size
        gate.set()
        await first
        assert answer[0] == 202
        again, open_, said = slowly(guard, 250_000)
        open_.set()
        await again
        assert said[0] == 202

    asyncio.run(scene())


def test_a_caller_that_goes_away_holds_nothing():
    async def scene():
        guard = Guard(None, host="localhost", most=300_000)
        for _ in range(3):
            task, _, _ = slowly(guard, 200_000)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert guard.hold(0) and guard.hold(300_000)

    asyncio.run(scene())
