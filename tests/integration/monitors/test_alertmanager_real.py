"""What a real Alertmanager sends is read: fired through its API, received on a real HTTP server, then resolved."""

import http.server
import json
import os
import queue
import shutil
import signal
import socket
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from nightshift.daemon.kit import run
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.ports import Call
from nightshift.monitors.alertmanager import Settings, create, receiver
from nightshift.monitors.testing import ListSink, watching

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM, reason="needs the alertmanager program"),
]
SETTINGS = Settings(token="webhook-token-1")


@pytest.fixture
def calls():
    """A receiver: (body, authorization) of each call."""
    seen = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.put((self.rfile.read(int(self.headers["Content-Length"])), self.headers["Authorization"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    seen.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield seen
    server.shutdown()
    server.server_close()


@pytest.fixture
def manager(tmp_path, calls):
    (tmp_path / "alertmanager.yml").write_text(json.dumps({
        "route": {"receiver": "night", "group_by": ["alertname"], "group_wait": "100ms", "group_interval": "1s"},
        "receivers": [{"name": "night", "webhook_configs": [{
            "url": calls.url, "send_resolved": True, "max_alerts": 2,
            "http_config": {"authorization": {"type": "Bearer", "credentials": "webhook-token-1"}},
        }]}],
    }))  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [
        PROGRAM, f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = run.spawn(argv, stdout=log, cwd=str(tmp_path))
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=1):
                break
        except OSError:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
    yield url
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def post(url, *alerts):
    data = json.dumps(alerts).encode()
    request = urllib.request.Request(f"{url}/api/v2/alerts", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def alert(instance, ends=None):
    now = datetime.now(UTC)
    found = {
        "labels": {"alertname": "HighErrors", "service": "shop", "severity": "critical", "instance": instance},
        "annotations": {"summary": "too many errors", "runbook_url": "https://example.org/runbook"},
        "startsAt": "2026-01-02T03:04:05.5Z",
        "generatorURL": "http://example.org/graph",
    }
    return {**found, "endsAt": (ends or now + timedelta(hours=1)).isoformat()}


def read(calls):
    body, authorization = calls.get(timeout=30)
    call = Call(method="POST", path="/hook", headers={"authorization": authorization}, query={}, body=body)
    return receiver(SETTINGS, {}, SystemClock()).read(call).signals


def test_fired_then_resolved(manager, calls):
    post(manager, alert("a"))
    [fired] = read(calls)
    assert (fired.title, fired.service, fired.severity, fired.resolved) == ("HighErrors", "shop", "critical", False)
    assert fired.message == "too many errors" and fired.labels["runbook_url"] == "https://example.org/runbook"
    assert fired.at_ms == 1_767_323_045_500
    post(manager, alert("a", ends=datetime.now(UTC) - timedelta(seconds=1)))
    [resolved] = read(calls)
    assert resolved.resolved and resolved.key == fired.key.replace(":firing", ":resolved")


def test_a_large_group_is_truncated_and_says_so(manager, calls):
    post(manager, *(alert(str(n)) for n in range(5)))
    signals = read(calls)
    assert len(signals) == 2 and "3 more alerts of this group were truncated" in signals[0].message


def test_asked_instead_of_called_the_same_alert_has_the_same_key(manager, calls):
    sink, settings = ListSink(), Settings(poll_url=manager, poll_interval_s=0.1)
    with watching(create(settings, {}, SystemClock()), sink):
        post(manager, alert("a"))
        sink.wait(lambda s: s.signals)
        [fired] = read(calls)
        assert sink.signals[0].key == fired.key
        post(manager, alert("a", ends=datetime.now(UTC) - timedelta(seconds=1)))
        sink.wait(lambda s: len(s.signals) == 2)
    assert sink.signals[1].resolved and sink.signals[1].key == fired.key.replace(":firing", ":resolved")
