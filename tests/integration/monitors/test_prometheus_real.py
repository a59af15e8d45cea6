"""The metrics monitor against a real Prometheus that scrapes a real HTTP server, dies, and comes back."""

import http.server
import logging
import os
import shutil
import signal
import socket
import threading
import time
import urllib.request

import pytest

from nightshift.daemon.kit import run
from nightshift.daemon.kit.clock import SystemClock
from nightshift.monitors import prometheus
from nightshift.monitors.rules import load_states
from nightshift.monitors.testing import ListSink, watching

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("prometheus"), reason="needs the prometheus server program"),
]


OFF = dict.fromkeys(prometheus.Detectors.model_fields)


class Gauge:
    """A metrics endpoint whose one gauge is set by the test."""

    def __init__(self):
        self.value = 0.0
        gauge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = f'# TYPE shop_errors gauge\nshop_errors{{service="shop"}} {gauge.value}\n'.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.port = self.server.server_address[1]


@pytest.fixture
def gauge():
    made = Gauge()
    yield made
    made.server.shutdown()
    made.server.server_close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One Prometheus with its own folder and port; can be killed and started again on the same data."""

    def __init__(self, folder, target_port, retention="15d"):
        self.folder, self.port, self.process, self.retention = folder, free_port(), None, retention
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 300ms, scrape_timeout: 250ms}\n"
            f"scrape_configs: [{{job_name: shop-job, static_configs: [{{targets: ['127.0.0.1:{target_port}']}}]}}]\n"
        )

    def start(self):
        argv = [
            shutil.which("prometheus"), f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data", f"--storage.tsdb.retention.time={self.retention}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = run.spawn(argv, stdout=log, cwd=str(self.folder))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path, gauge):
    made = Server(tmp_path, gauge.port)
    made.start()
    yield made
    made.kill()


def settings_for(server, *rules, **more):
    rules = rules or ({"name": "errors", "expr": "shop_errors", "op": ">", "threshold": 5, "for_s": 0.5},)
    return prometheus.Settings.model_validate(
        {"url": server.url, "rules": rules, "interval_s": 0.2, "detectors": OFF, **more}
    )


def monitor_for(server, *rules, **more):
    return prometheus.create(settings_for(server, *rules, **more), {}, SystemClock())


def test_fires_clears_and_outlives_the_server(server, gauge, caplog):
    caplog.set_level(logging.INFO)
    sink = ListSink()
    with watching(monitor_for(server), sink):
        gauge.value = 9
        sink.wait(lambda s: len(s.signals) == 1)
        fired = sink.signals[0]
        assert (fired.title, fired.service, fired.resolved) == ("errors", "shop", False)
        assert fired.labels["job"] == "shop-job" and "9 where shop_errors > 5" in fired.message

        server.kill()
        deadline = time.monotonic() + 20
        while "can't be reached" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)  # several tries
        assert caplog.text.count("can't be reached") == 1, "one line for one outage"
        assert len(sink.signals) == 1, "an outage neither fires nor clears anything"

        server.start()
        gauge.value = 1
        sink.wait(lambda s: len(s.signals) == 2)
        assert sink.signals[1].resolved and sink.signals[1].key == fired.key.replace(":firing", ":resolved")
        gauge.value = 9
        sink.wait(lambda s: len(s.signals) == 3)
        assert not sink.signals[2].resolved and sink.signals[2].key != fired.key
    assert len(sink.received) == 3


def since_ms(sink):
    [text] = sink.checkpoints.values()
    [held] = load_states(text).values()
    return held.since_ms


def test_a_restart_of_the_daemon_forgets_nothing_and_doubles_nothing(server, gauge):
    sink = ListSink()
    slow = {"name": "errors", "expr": "shop_errors", "threshold": 5, "for_s": 3}
    gauge.value = 9
    with watching(monitor_for(server, slow), sink):
        sink.wait(lambda s: s.checkpoints != {} and "shop" in str(s.checkpoints))
    assert sink.received == [], "pending only"
    pending_since_ms = since_ms(sink)
    with watching(monitor_for(server, slow), sink):
        sink.wait(lambda s: len(s.signals) == 1)
    assert since_ms(sink) == pending_since_ms, "the wait did not start over at the restart"
    with watching(monitor_for(server, slow), sink):
        gauge.value = 1
        sink.wait(lambda s: len(s.signals) == 2)
    assert sink.signals[1].resolved and len(sink.received) == 2


def test_a_rule_the_server_refuses_does_not_stop_the_others(server, gauge, caplog):
    sink = ListSink()
    bad = {"name": "broken", "expr": "sum(((", "threshold": 1}
    good = {"name": "scalar", "expr": "scalar(vector(7))", "op": "==", "threshold": 7, "service": "shop"}
    with watching(monitor_for(server, bad, good), sink):
        sink.wait(lambda s: len(s.signals) == 1)
        deadline = time.monotonic() + 5
        while "broken" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.6)
    assert [s.title for s in sink.signals] == ["scalar"]
    assert caplog.text.count("rule 'broken' can't be evaluated") == 1


def test_a_server_that_never_answers_is_given_up_on_in_time(gauge):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        rule = {"name": "r", "expr": "x", "threshold": 1}
        settings = prometheus.Settings.model_validate({"url": url, "rules": [rule], "timeout_s": 0.3})
        sink = ListSink()
        with watching(prometheus.create(settings, {}, SystemClock()), sink):
            connection, _ = silent.accept()
            time.sleep(0.5)
            connection.close()
        assert sink.received == []


def test_the_token_is_sent_and_never_shown(caplog):
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers["Authorization"])
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b"wrong: very-secret-token")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as guarded:
        threading.Thread(target=guarded.serve_forever, args=(0.02,), daemon=True).start()
        raw = {"url": f"http://127.0.0.1:{guarded.server_address[1]}", "token": "very-secret-token"}
        settings = prometheus.Settings.model_validate({**raw, "rules": [{"name": "r", "expr": "x", "threshold": 1}]})
        with watching(prometheus.create(settings, {}, SystemClock()), ListSink()):
            deadline = time.monotonic() + 10
            while "can't be reached" not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.02)
        guarded.shutdown()
    assert seen[0] == "Bearer very-secret-token"
    assert "can't be reached" in caplog.text and "very-secret-token" not in caplog.text + repr(settings)


def test_an_outage_that_lasts_is_an_incident_of_its_own(server, gauge):
    sink = ListSink()
    with watching(monitor_for(server, blind_s=0.5), sink):
        gauge.value = 1
        time.sleep(0.5)
        server.kill()
        sink.wait(lambda s: s.signals)
        [blind] = sink.signals
        assert blind.kind == "blind" and "prometheus" in blind.title and not blind.resolved
        server.start()
        sink.wait(lambda s: len(s.signals) == 2)
    assert sink.signals[1].resolved


@pytest.mark.parametrize("answer", [b"<html>not me</html>", b"[]", b'{"status": "success", "data": 7}', b""])
def test_something_else_behind_the_address_is_a_state_too(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever, args=(0.02,), daemon=True).start()
        raw = {"url": f"http://127.0.0.1:{other.server_address[1]}", "interval_s": 0.1, "detect_interval_s": 0.1}
        sink = ListSink()
        with watching(prometheus.create(prometheus.Settings.model_validate(raw), {}, SystemClock()), sink):
            time.sleep(1)
        other.shutdown()
    assert sink.signals == []
