"""TLS to the daemon: verified with the system's certificates or a file of one's own, never not at all."""

import http.server
import json
import shutil
import ssl
import threading

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import Signal
from nightshift.daemon.sensor.forward import Forwarder, ask
from nightshift.daemon.sensor.lean import Target
from nightshift.daemon.sensor.spool import Spool

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        import gzip

        head = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))).partition(b"\n")[0]
        body = json.dumps({"signals": json.loads(head)["signals"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Callers that hang up because they trust nobody."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key.pem"),
            "-out", str(folder / "cert.pem")]  # fmt: skip
    done = run(argv, timeout_s=60)
    assert done.ok, done.stderr.decode()
    return folder


@pytest.fixture
def server(certificate):
    made = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def target(server, host="localhost", **more):
    return Target(url=f"https://{host}:{server.server_address[1]}", name="web-1", token="t", **more)


def test_signals_go_to_a_server_that_is_trusted(server, certificate, tmp_path):
    spool = Spool(tmp_path / "spool.db", SystemClock(), limit_bytes=1 << 20)
    spool([Signal(key="a", source="logs", service="shop", title="x", at_ms=1)])
    sender = Forwarder(spool, target(server, ca_file=str(certificate / "cert.pem")), SystemClock())
    assert sender.turn() == 0 and spool.status()["forwarded"] == 1
    spool.close()


def test_nothing_goes_to_one_that_is_not(server, tmp_path):
    spool = Spool(tmp_path / "spool.db", SystemClock(), limit_bytes=1 << 20)
    spool([Signal(key="a", source="logs", service="shop", title="x", at_ms=1)])
    assert Forwarder(spool, target(server), SystemClock()).turn() > 0
    assert spool.status()["waiting"] == 1
    spool.close()


@pytest.mark.parametrize(("host", "trusted"), [("localhost", False), ("127.0.0.1", True)])
def test_why_it_is_not_trusted_is_said(server, certificate, host, trusted):
    said = ask(target(server, host, ca_file=str(certificate / "cert.pem") if trusted else ""))
    assert said.status == 0 and "CERTIFICATE_VERIFY_FAILED" in said.text


def test_certificates_that_are_not_there_are_said(server):
    said = ask(target(server, ca_file="/nowhere/ca.pem"))
    assert said.status == 0 and "FileNotFoundError" in said.text
