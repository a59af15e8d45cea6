"""Checks against servers and programs that misbehave in earnest: drips, resets, bombs, old certificates, no end."""

import gzip
import os
import resource
import socket
import ssl
import struct
import sys
import threading
import time
from contextlib import contextmanager

import brotli
import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run
from nightshift.monitors import probes
from nightshift.monitors.probes.monitor import Course, ProbeMonitor, after
from nightshift.monitors.probes.tries import Tried, tried
from nightshift.monitors.testing import ListSink, watching


@contextmanager
def serving(answer, context=None):
    """The port of a server that hands each connection to `answer`; what the client breaks off is no matter."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(wire):
            try:
                with wire, context.wrap_socket(wire, server_side=True) if context else wire as talk:
                    answer(talk)
            except OSError:
                pass

        def serve():
            while True:
                try:
                    wire, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(wire,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def page(port, scheme="http", **more):
    given = {"kind": "http", "name": "page", "service": "shop", "url": f"{scheme}://127.0.0.1:{port}/", "timeout_s": 1}
    return probes.HttpCheck.model_validate({**given, **more})


def reply(body, *headers):
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def drip(first, left):
    """Sends `first`, then a byte now and then until the other side hangs up, which `left` tells."""

    def answer(wire):
        wire.recv(4096)
        wire.sendall(first)
        try:
            while True:
                wire.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            left.set()

    return answer


@pytest.mark.parametrize(
    ("first", "said"),
    [(b"", "no answer within 1 s"), (b"HTTP/1.1 200 OK\r\nX-Slow: ", "no answer within 1 s"),
     (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", "no whole answer within 1 s")],
)  # fmt: skip
def test_what_drips_is_hung_up_on(first, said):
    left = threading.Event()
    with serving(drip(first, left)) as port:
        assert tried(page(port)).wrong == said
        assert left.wait(20)


def test_a_handshake_that_drips_is_hung_up_on():
    left = threading.Event()
    with serving(drip(b"\x16\x03\x03\x3f\xff", left)) as port:  # a TLS record of 16 KiB, a byte at a time
        assert tried(page(port, "https")).wrong == "no answer within 1 s"
        assert left.wait(20)


def test_a_reset_connection_is_a_failure():
    def reset(wire):
        wire.recv(4096)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(reset) as port:
        assert "reset" in tried(page(port)).wrong


def test_a_bomb_is_not_unpacked():
    packed = brotli.compress(b"\0" * (400 << 20))
    assert len(packed) < 2000
    with serving(lambda w: w.recv(4096) and w.sendall(reply(packed, "Content-Encoding: br"))) as port:
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert tried(page(port)).wrong == ""
        with serving(
            lambda w: w.recv(4096) and w.sendall(reply(gzip.compress(b"0" * (50 << 20)), "Content-Encoding: gzip"))
        ) as other:
            assert tried(page(other, matches="^0+$")).wrong == ""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 150_000


def test_packed_text_is_read_even_unasked():
    with serving(
        lambda w: w.recv(4096) and w.sendall(reply(gzip.compress(b"all is well"), "Content-Encoding: gzip"))
    ) as port:
        assert tried(page(port, contains="well")).wrong == ""
        assert "does not contain" in tried(page(port, contains="ill.")).wrong


def openssl(*argv, cwd):
    done = run(["openssl", *argv], timeout_s=60, cwd=str(cwd))
    assert done.code == 0, done.stderr


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with an authority, and certificates of 127.0.0.1: one for five days, one that ended long ago."""
    folder = tmp_path_factory.mktemp("authority")
    (folder / "conf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=IP:127.0.0.1\n"
    )
    (folder / "index").write_text("")
    (folder / "serial").write_text("01\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca",
            "-days", "30", cwd=folder)  # fmt: skip
    for name, when in (("good", ["-days", "5"]), ("old", ["-startdate", "200101000000Z", "-enddate", "200201000000Z"])):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}", cwd=folder)  # fmt: skip
        openssl("ca", "-batch", "-config", "conf", "-in", f"{name}.csr", "-out", f"{name}.pem", "-cert", "ca.pem",
                "-keyfile", "ca.key", *when, cwd=folder)  # fmt: skip
    return folder


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [("good", {}, ""), ("good", {"certificate_days": 3}, ""), ("good", {"certificate_days": 14}, "its certificate ends in "),
     ("old", {}, "certificate has expired"), ("good", {"ca_file": None}, "certificate verify failed")],
)  # fmt: skip
def test_certificates(authority, name, more, said):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / f"{name}.pem", authority / f"{name}.key")
    with serving(lambda w: w.recv(4096) and w.sendall(reply(b"ok")), context) as port:
        found = tried(page(port, "https", timeout_s=10, **{"ca_file": authority / "ca.pem", **more})).wrong
    assert said in found and bool(said) == bool(found)


def test_an_authority_that_is_not_there_is_a_failure(tmp_path):
    assert "ca.pem" in tried(page(1, "https", ca_file=tmp_path / "ca.pem")).wrong


@pytest.mark.parametrize(
    ("code", "said"),
    [("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "killed by signal 15"),
     ("while True: print('x' * 10000)", "wrote more than 1024 KiB"),
     ("import sys; sys.exit('password=hunter2secret')", "exit status 1: password=[redacted]")],
)  # fmt: skip
def test_programs(code, said):
    check = probes.CommandCheck(kind="command", name="c", service="s", argv=[sys.executable, "-c", code], timeout_s=30)
    assert tried(check).wrong == said


def test_slow_is_the_median_of_the_last_tries():
    check = probes.TcpCheck(
        kind="tcp", name="p", service="s", host="h", port=1, failures=1, successes=1, slow_ms=100, slow_of=3
    )
    course, told = Course(), []
    for took_ms in (900, 10, 900, 10, 10, 900, 900, 900, 10, 10):
        course, signal = after(check, course, Tried(took_ms=took_ms), 1)
        told += [(took_ms, signal.resolved, signal.message)] if signal else []
    assert [resolved for _, resolved, _ in told] == [False, True, False, True]
    assert told[0][2] == "answered after 900 ms, median of 3; 100 ms are fine"


class Zero:
    def uniform(self, low, high):
        return 0.0


def checks(*rows):
    given = [
        {"service": "s", "kind": "tcp", "host": "h", "port": 1, "failures": 2, "interval_s": 0.1, **row} for row in rows
    ]
    return probes.Settings.model_validate({"checks": given, "at_once": 1})


def test_a_try_that_never_comes_back_fails_and_takes_no_place():
    """One place, and a try without end (a name server that is silent): it is given up on, the other goes on."""
    endless = threading.Event()

    def attempt(check, stopped):
        if check.name == "endless":
            endless.wait(60)
        return Tried(wrong="no")

    sink = ListSink()
    given = checks({"name": "endless", "timeout_s": 0.1}, {"name": "other", "timeout_s": 0.1})
    with watching(ProbeMonitor(given, SystemClock(), attempt, Zero()), sink):
        sink.wait(lambda s: len(s.signals) == 2)
        assert sum(thread.name == "probe:endless" for thread in threading.enumerate()) == 1
    endless.set()
    said = {s.labels["alertname"]: s.message for s in sink.signals}
    assert "nothing came back within 0.1 s" in said["endless"] and said["other"].startswith("no")


def test_programs_end_with_the_monitor(tmp_path):
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    given = probes.Settings.model_validate({"checks": [{
        "name": "c", "service": "s", "kind": "command", "argv": [sys.executable, "-c", code], "timeout_s": 200, "failures": 1,
    }]})  # fmt: skip
    sink = ListSink()
    with watching(ProbeMonitor(given, SystemClock(), random=Zero()), sink):
        deadline = time.monotonic() + 20
        while not (mark.exists() and mark.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    assert sink.signals == [], "what was stopped has not failed"
