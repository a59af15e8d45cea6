"""Probes against a real HTTP server and real commands."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.missions.probes import make_probe
from nightshift.daemon.model import Service


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        code = int(self.path.strip("/").split("/")[0].split("?")[0] or 404)
        if code == 999:
            return
        self.send_response(code)
        self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _probe(service: Service, labels: dict[str, str] | None = None, clock: ManualClock | None = None) -> bool | None:
    return make_probe(service, labels or {}, clock or ManualClock(), lambda _: None)()


def _service(server: ThreadingHTTPServer, path: str, **more: object) -> Service:
    return Service(name="shop", repo="", url=f"http://127.0.0.1:{server.server_port}{path}", **more)


@pytest.mark.parametrize(
    ("path", "works"), [("/200", True), ("/302", True), ("/404", False), ("/500", False), ("/999", False), ("", True)]
)
def test_pages(server: ThreadingHTTPServer, path: str, works: bool) -> None:
    assert _probe(_service(server, path)) is works


@pytest.mark.parametrize(("path", "works"), [("/200/x?y=1", True), ("/422", True), ("/500", False)])
def test_the_crashing_request_is_repeated(server: ThreadingHTTPServer, path: str, works: bool) -> None:
    assert _probe(_service(server, "/200/health"), {"request_method": "GET", "request_path": path}) is works
    assert server.asked == [path]


def test_a_foreign_request_is_not_repeated(server: ThreadingHTTPServer) -> None:
    labels = {"request_method": "GET", "request_path": "http://127.0.0.1:1/steal"}
    assert _probe(_service(server, "/200"), labels) is True and server.asked == ["/200"]


def test_a_refused_connection_is_not_yet_and_later_broken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url, clock = f"http://127.0.0.1:{taken.getsockname()[1]}/", ManualClock()
        probe = make_probe(Service(name="s", repo="", url=url, watch_window_s=60), {}, clock, lambda _: None)
        assert probe() is None
        clock.advance(31)
        assert probe() is False


def test_commands(server: ThreadingHTTPServer) -> None:
    check = ("sh", "-c", 'test "$NIGHTSHIFT_SERVICE" = shop')
    assert _probe(_service(server, "/200", probe=check)) is True
    assert _probe(_service(server, "/200", probe=("false",))) is False
    assert _probe(_service(server, "/500", probe=check)) is False
    assert _probe(_service(server, "/200", probe=("/no/such/program",))) is None
    assert make_probe(Service(name="s", repo=""), {}, ManualClock(), lambda _: None) is None
