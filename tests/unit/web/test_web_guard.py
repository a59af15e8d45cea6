"""The door: names, sizes, headers."""

import pytest

from nightshift.daemon.web.guard import MAX_BODY_BYTES, is_loopback
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
