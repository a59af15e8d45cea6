"""Forwarding: in order, again until acknowledged, smaller when refused, never without the poisoned one's neighbours."""

import gzip
import http.server
import json
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.sensor.forward import Forwarder
from nightshift.daemon.sensor.lean import Target
from nightshift.daemon.sensor.spool import Spool


class Daemon:
    """A real HTTP server that answers what it is told to."""

    def __init__(self):
        self.taken, self.answers, self.calls, self.beats = [], [], 0, 0
        self.refuse_all, self.body, self.hang_up = 0, None, False
        daemon = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                head, *lines = body.splitlines()
                found = [json.loads(line)["key"] for line in lines]
                assert json.loads(head) == {"version": 1, "signals": len(found)}
                assert self.headers["Authorization"] == "Bearer the-token"
                daemon.calls += bool(found)
                daemon.beats += not found
                status, headers = daemon.judge(found)
                if status == 200:
                    daemon.taken += found
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                answer = daemon.body or json.dumps({"signals": len(found)}).encode()
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                self.close_connection = daemon.hang_up

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def judge(self, found):
        if self.refuse_all or any("poison" in key for key in found):
            return self.refuse_all or 400, {}
        if not found:
            return 200, {}
        return self.answers.pop(0) if self.answers else (200, {})


@pytest.fixture
def daemon():
    made = Daemon()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "spool.db", ManualClock(), limit_bytes=1 << 20)
    yield made
    made.close()


def signals(*keys):
    return [Signal(key=key, source="s", service="shop", title=key, at_ms=1) for key in keys]


def fill(spool, *keys):
    for signal in signals(*keys):
        spool([signal])


def forwarder(spool, url, clock=None, **more):
    return Forwarder(spool, Target(url=url, name="web-1", token="the-token", **more), clock or ManualClock())


def lost(keys):
    return [key for key in keys if key.startswith("sensor:lost:")]


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
    assert 7 <= sender.turn() <= 7 * 1.25 and spool.status()["waiting"] == 2
    assert sender.turn() == 0 and daemon.taken == ["a", "b"]


def test_a_daemon_that_is_away(spool, daemon):
    fill(spool, "a")
    assert forwarder(spool, "http://127.0.0.1:9").turn() > 0
    assert spool.status()["waiting"] == 1


def test_one_poisoned_signal_is_set_aside_alone_also_among_those_spooled_with_it(spool, daemon):
    spool(signals("a", "b", "c", "poison", "d", "e"))
    forwarder(spool, daemon.url).turn()
    assert daemon.taken[:5] == list("abcde") and lost(daemon.taken) == daemon.taken[5:] != []
    assert spool.status()["refused"] == 1 and spool.status()["waiting"] == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(poisoned=st.lists(st.booleans(), max_size=30), sizes=st.lists(st.integers(1, 9), min_size=30, max_size=30))
def test_any_mixture_of_poison_loses_only_the_poison(tmp_path_factory, daemon, poisoned, sizes):
    spool = Spool(tmp_path_factory.mktemp("s") / "spool.db", ManualClock(), limit_bytes=1 << 20)
    keys, daemon.taken = [f"{'poison' if bad else 'k'}{n}" for n, bad in enumerate(poisoned)], []
    rest = list(keys)
    for size in sizes:
        spool(signals(*rest[:size]))
        rest = rest[size:]
    sender = forwarder(spool, daemon.url)
    assert sender.turn() == 0
    assert [key for key in daemon.taken if key not in lost(daemon.taken)] == [k for k in keys if k[0] == "k"]
    assert spool.status()["refused"] == sum(poisoned) and spool.status()["waiting"] == 0
    spool.close()


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_daemon_that_refuses_even_nothing_is_at_fault_itself(spool, daemon, status):
    fill(spool, "a", "b")
    daemon.refuse_all = status
    sender = forwarder(spool, daemon.url)
    assert sender.turn() > 0 and spool.status()["waiting"] == 2 and spool.status()["refused"] == 0
    daemon.refuse_all = 0
    assert sender.turn() == 0 and daemon.taken == ["a", "b"]


@pytest.mark.parametrize("body", [b"{}", b"<html>Welcome</html>", b'{"signals": 1}', b"[]", b'{"signals": "2"}'])
def test_a_200_of_somebody_else_is_no_acknowledgement(spool, daemon, body):
    fill(spool, "a", "b")
    daemon.body = body
    assert forwarder(spool, daemon.url).turn() > 0
    assert spool.status()["waiting"] == 2 and spool.status()["forwarded"] == 0


def test_a_connection_closed_in_the_meantime_is_made_anew_at_once(spool, daemon):
    sender, daemon.hang_up = forwarder(spool, daemon.url), True
    for key in "abc":
        fill(spool, key)
        assert sender.turn() == 0
    assert daemon.taken == list("abc")


def test_silence_is_broken_now_and_then(spool, daemon):
    clock = ManualClock()
    sender = forwarder(spool, daemon.url, clock, heartbeat_s=30.0)
    sender.turn()
    assert daemon.beats == 1, "at the start, so that a wrong token is seen at once"
    clock.advance(29)
    sender.turn()
    assert daemon.beats == 1
    clock.advance(2)
    fill(spool, "a")
    sender.turn()
    clock.advance(29)
    sender.turn()
    assert (daemon.beats, daemon.calls) == (1, 1), "signals are a sign of life too"
    clock.advance(2)
    sender.turn()
    assert daemon.beats == 2


def test_a_spool_that_fails_for_a_while_does_not_end_forwarding(tmp_path, daemon):
    class Failing(Spool):
        failures = 2

        def head(self, limit_bytes):
            if self.failures:
                self.failures -= 1
                raise EnvironmentBroke("the disk is full")
            return super().head(limit_bytes)

    spool, stop = Failing(tmp_path / "spool.db", ManualClock(), limit_bytes=1 << 20), threading.Event()
    fill(spool, "a")
    thread = threading.Thread(target=forwarder(spool, daemon.url).run, args=(stop,))
    thread.start()
    while not spool.status()["forwarded"]:
        assert not stop.wait(0.02)
    stop.set()
    spool.added.set()
    thread.join(10)
    assert not thread.is_alive() and daemon.taken == ["a"]
    spool.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_any_answer_is_read_or_waited_for(tmp_path_factory, answer, framed):
    spool = Spool(tmp_path_factory.mktemp("s") / "spool.db", ManualClock(), limit_bytes=1 << 20)
    fill(spool, "a")
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with server.accept()[0] as wire:
            wire.recv(1 << 16)
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer) if framed else b""
            wire.sendall(head + answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert forwarder(spool, f"http://127.0.0.1:{server.getsockname()[1]}").turn() > 0
    assert spool.status()["waiting"] == 1
    thread.join(5)
    server.close()
    spool.close()


def test_too_large_is_sent_in_halves(spool, daemon):
    fill(spool, *"abcd")
    daemon.answers = [(413, {}), (413, {})]
    forwarder(spool, daemon.url).turn()
    assert daemon.taken == list("abcd") and spool.status()["refused"] == 0
