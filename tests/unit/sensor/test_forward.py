"""Forwarding: in order, again until acknowledged, smaller when refused, never beside the poisoned one."""

import gzip
import http.server
import json
import threading

import pytest

from nightshift.daemon.model import Signal
from nightshift.daemon.sensor.forward import Forwarder
from nightshift.daemon.sensor.lean import Target
from nightshift.daemon.sensor.spool import Spool


class Daemon:
    """A real HTTP server that answers what it is told to."""

    def __init__(self):
        self.taken, self.answers, self.calls = [], [], 0
        daemon = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                head, *lines = body.splitlines()
                found = [json.loads(line)["key"] for line in lines]
                assert json.loads(head) == {"version": 1, "signals": len(found)}
                assert self.headers["Authorization"] == "Bearer the-token"
                daemon.calls += 1
                status, headers = daemon.judge(found)
                if status == 200:
                    daemon.taken += found
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def judge(self, found):
        if "poison" in found:
            return 400, {}
        return self.answers.pop(0) if self.answers else (200, {})


@pytest.fixture
def daemon():
    made = Daemon()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "spool.db", limit_bytes=1 << 20)
    yield made
    made.close()


def fill(spool, *keys):
    for key in keys:
        spool([Signal(key=key, source="s", service="shop", title=key, at_ms=1)])


def forwarder(spool, url, **more):
    return Forwarder(spool, Target(url=url, name="web-1", token="the-token", **more))


def test_everything_arrives_in_order_in_one_call(spool, daemon):
    fill(spool, *"abcdef")
    assert forwarder(spool, daemon.url).turn() == 0
    assert daemon.taken == list("abcdef") and daemon.calls == 1
    assert spool.status()["waiting"] == 0


def test_small_batches(spool, daemon):
    fill(spool, *"abcdef")
    forwarder(spool, daemon.url, batch_bytes=1).turn()
    assert daemon.taken == list("abcdef") and daemon.calls == 6


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_what_may_pass_is_waited_for(spool, daemon, status):
    fill(spool, "a", "b")
    daemon.answers = [(status, {"Retry-After": "7"})]
    sender = forwarder(spool, daemon.url)
    assert sender.turn() == 7 and spool.status()["waiting"] == 2
    assert sender.turn() == 0 and daemon.taken == ["a", "b"]


def test_a_daemon_that_is_away(spool, daemon):
    fill(spool, "a")
    assert forwarder(spool, "http://127.0.0.1:9").turn() > 0
    assert spool.status()["waiting"] == 1


def test_one_poisoned_record_is_set_aside_alone(spool, daemon):
    fill(spool, "a", "b", "c", "poison", "d", "e")
    forwarder(spool, daemon.url).turn()
    assert daemon.taken == list("abcde")
    assert spool.status()["refused"] == 1


def test_too_large_is_sent_in_halves(spool, daemon):
    fill(spool, *"abcd")
    daemon.answers = [(413, {}), (413, {})]
    forwarder(spool, daemon.url).turn()
    assert daemon.taken == list("abcd") and spool.status()["refused"] == 0
