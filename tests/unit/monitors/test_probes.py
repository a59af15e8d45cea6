"""Checks: real servers that answer, hang, drip, break off or are not there; when it is said, and when it is over."""

import http.server
import socket
import ssl
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run
from nightshift.monitors import probes
from nightshift.monitors.probes.monitor import Course, ProbeMonitor, after
from nightshift.monitors.probes.tries import Tried, tried
from nightshift.monitors.testing import ListSink, watching


@pytest.fixture(scope="module")
def web():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/slow":
                time.sleep(0.4)
            if self.path == "/hang":
                time.sleep(3)
                return
            self.send_response({"/500": 500, "/302": 302, "/401": 401}.get(self.path, 200))
            if self.path == "/302":
                self.send_header("Location", "/500")
            if self.path == "/token" and self.headers["X-Token"] != "a-token-for-probes":
                self.send_header("X", "y")
            self.end_headers()
            if self.path == "/drip":
                for _ in range(30):
                    self.wfile.write(b".")
                    self.wfile.flush()
                    time.sleep(0.1)
            if self.path == "/large":
                self.wfile.write(b"x" * (1 << 20) + b"late")
            self.wfile.write(b"all is well" if self.headers["X-Token"] != "bad" else b"no")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def wrong(check):
    return tried(check).wrong


def page(url, **more):
    return probes.HttpCheck(kind="http", name="page", service="shop", url=url, timeout_s=0.8, **more)


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        ("/", {}, ""),
        ("/302", {}, ""),
        ("/500", {}, "answered 500"),
        ("/401", {"status": [401]}, ""),
        ("/", {"status": [204]}, "answered 200"),
        ("/", {"contains": "well"}, ""),
        ("/", {"contains": "ill"}, "does not contain 'ill'"),
        ("/large", {"contains": "late"}, "does not contain"),
        ("/", {"matches": r"all\s+is"}, ""),
        ("/", {"matches": r"^is"}, "nothing in the answer matches '^is'"),
        ("/slow", {}, ""),
        ("/hang", {}, "no answer within 0.8 s"),
        ("/drip", {}, "no whole answer within 0.8 s"),
    ],
)
def test_pages(web, path, more, said):
    found = wrong(page(web + path, **more))
    assert said in found and bool(said) == bool(found)


def test_headers_are_sent_and_never_shown(web):
    check = page(f"{web}/", headers={"X-Token": "bad"}, contains="well")
    assert "does not contain" in wrong(check)
    assert "bad" not in repr(check)


@pytest.fixture
def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_ports(web, free):
    port = int(web.rpartition(":")[2])
    one, other = (probes.TcpCheck(name="p", service="s", kind="tcp", host="127.0.0.1", port=n) for n in (port, free))
    assert wrong(one) == "" and "Connection refused" in wrong(other)
    assert "Connection refused" in wrong(page(f"http://127.0.0.1:{free}/"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("pass", ""),
        ("raise SystemExit(3)", "exit status 3"),
        ("import sys; sys.exit('the queue is stuck')", "exit status 1: the queue is stuck"),
        ("import time; time.sleep(9)", "did not end within 0.5 s"),
    ],
)
def test_programs(code, said):
    check = probes.CommandCheck(name="c", service="s", kind="command", argv=[sys.executable, "-c", code], timeout_s=0.5)
    assert wrong(check) == said


def test_a_program_that_is_not_there():
    check = probes.CommandCheck(name="c", service="s", kind="command", argv=["no-such-program-at-all"])
    assert "no-such-program-at-all" in wrong(check)


def test_a_certificate_nobody_signed(tmp_path):
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{tmp_path}/k", "-out",
            f"{tmp_path}/c", "-days", "1", "-subj", "/CN=127.0.0.1"]  # fmt: skip
    assert run(argv, timeout_s=60).code == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{tmp_path}/c", f"{tmp_path}/k")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            wire, _ = listener.accept()
            try:
                context.wrap_socket(wire, server_side=True).close()
            except OSError:
                wire.close()

        threading.Thread(target=serve, daemon=True).start()
        found = wrong(page(f"https://127.0.0.1:{listener.getsockname()[1]}/"))
    assert "certificate" in found.lower()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_answer_is_well_or_wrong(garbage):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            wire, _ = listener.accept()
            wire.recv(4096)
            wire.sendall(garbage)
            wire.close()

        threading.Thread(target=serve, daemon=True).start()
        assert isinstance(wrong(page(f"http://127.0.0.1:{listener.getsockname()[1]}/")), str)


CHECK = probes.TcpCheck(name="port", service="shop", kind="tcp", host="h", port=1, failures=3, successes=2)


def course_of(tries):
    course, told = Course(), []
    for number, good in enumerate(tries):
        course, signal = after(CHECK, course, Tried(wrong="" if good else "no"), number + 1)
        if signal:
            told.append((number, signal.resolved))
    return course, told


def test_three_failures_in_a_row_are_said_and_two_successes_end_it():
    good, bad = True, False
    assert course_of([bad, bad, good, bad, bad, bad, bad, good, bad, good, good, good])[1] == [(5, False), (10, True)]


@given(st.lists(st.booleans(), max_size=60))
def test_beginnings_and_ends_take_turns(tries):
    course, told = course_of(tries)
    assert [resolved for _, resolved in told] == [n % 2 == 1 for n in range(len(told))]
    assert bool(course.firing_ms) == (len(told) % 2 == 1)


def test_a_check_that_hangs_holds_up_nobody():
    begun = threading.Event()

    def attempt(check, stopped):
        if check.name == "hangs":
            begun.set()
            time.sleep(1.5)
        return Tried(wrong="no")

    checks = [{"name": "hangs", "service": "a", "kind": "tcp", "host": "h", "port": 1},
              {"name": "quick", "service": "b", "kind": "tcp", "host": "h", "port": 1, "failures": 2, "interval_s": 0.1}]  # fmt: skip
    sink, monitor = ListSink(), ProbeMonitor(probes.Settings(checks=checks), SystemClock(), attempt, Zero())
    with watching(monitor, sink):
        assert begun.wait(5)
        sink.wait(lambda s: s.signals, timeout_s=1.4)
    assert sink.signals[0].service == "b" and "2 times in a row" in sink.signals[0].message


class Zero:
    def uniform(self, low, high):
        return 0.0


def test_what_fails_is_still_known_after_a_restart():
    checks = [{"name": "q", "service": "b", "kind": "tcp", "host": "h", "port": 1, "failures": 1, "successes": 1,
               "interval_s": 0.05}]  # fmt: skip
    sink, given = ListSink(), probes.Settings(checks=checks)
    with watching(ProbeMonitor(given, SystemClock(), lambda *_: Tried(wrong="no"), Zero()), sink):
        sink.wait(lambda s: s.signals)
    with watching(ProbeMonitor(given, SystemClock(), lambda *_: Tried(), Zero()), sink):
        sink.wait(lambda s: len(s.signals) == 2)
    assert [s.resolved for s in sink.signals] == [False, True]
    assert sink.signals[1].key == sink.signals[0].key.replace(":firing", ":resolved")


@pytest.mark.parametrize(
    "wrong",
    [{"checks": []}, {"checks": [{"name": "a", "service": "s", "kind": "icmp"}]},
     {"checks": [{"name": "a", "service": "s", "kind": "http", "url": "ftp://x"}]},
     {"checks": [{"name": "a", "service": "s", "kind": "http", "url": "http://x", "matches": "("}]},
     {"checks": [{"name": "a", "service": "s", "kind": "tcp", "host": "h", "port": 1}] * 2}],
)  # fmt: skip
def test_what_can_not_be_tried_is_refused(wrong):
    with pytest.raises(ValueError, match=r"checks|check"):
        probes.Settings.model_validate(wrong)
