"""Servers that drip, flood, choke on one query, speak something else or want a password: states, never crashes."""

import http.server
import json
import logging
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.monitors import prometheus
from nightshift.monitors.prometheus.client import BadRule, Prometheus, _samples, _series, asked
from nightshift.monitors.testing import ListSink, watching

OFF = dict.fromkeys(prometheus.Detectors.model_fields)
GOOD = {"vector(1)": "1", "good": "9"}


class Web:
    """A server whose answers the test writes: `say(query) -> bytes | (status, bytes)`, or it writes by itself."""

    def __init__(self):
        self.say, self.drip, self.headers, self.gone = self.well, "", [], threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.headers.append(self.headers["Authorization"])
                query = parse_qs(urlsplit(self.path).query)["query"][0]
                if web.drip and web.drip in query:
                    self.trickle()
                else:
                    self.answer(web.say(query))

            def answer(self, said):
                status, body = said if isinstance(said, tuple) else (200, said)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def trickle(self):
                self.send_response(200)
                self.end_headers()
                try:
                    while not web.gone.wait(0.05):
                        self.wfile.write(b" ")
                except OSError:
                    web.gone.set()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @staticmethod
    def well(query):
        rows = [{"metric": {"job": "shop"}, "value": [1, GOOD[query]]}] if query in GOOD else []
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}}).encode()


@pytest.fixture
def web():
    made = Web()
    yield made
    made.gone.set()
    made.server.shutdown()
    made.server.server_close()


def settings_for(web, **more):
    rules = [{"name": name, "expr": name, "threshold": 5, "for_s": 0.2} for name in ("bad", "good")]
    given = {"url": web.url, "rules": rules, "interval_s": 0.1, "detectors": OFF, "timeout_s": 0.6, **more}
    return prometheus.Settings.model_validate(given)


def monitor_for(web, **more):
    return prometheus.create(settings_for(web, **more), {}, SystemClock())


def until(holds, what):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.mark.parametrize("trouble", ["flood", "slow", "drip", "refused", "html"])
def test_one_question_that_goes_wrong_is_no_outage(web, trouble, caplog):
    caplog.set_level(logging.INFO)
    web.drip = "bad" if trouble == "drip" else ""
    row = json.dumps({"metric": {"job": "x" * 1000}, "value": [1, "1"]}).encode()
    says = {
        "flood": lambda: b'{"status": "success", "data": {"result": [' + b",".join([row] * 40_000) + b"]}}",
        "slow": lambda: (503, b'{"status": "error", "errorType": "timeout"}'),
        "refused": lambda: (422, b'{"status": "error", "error": "too many samples"}'),
        "html": lambda: b"<html>gateway</html>",
    }
    web.say = lambda query: says[trouble]() if query == "bad" else web.well(query)
    sink = ListSink()
    with watching(monitor_for(web, blind_s=0, timeout_s=0.6 if trouble == "drip" else 10), sink):
        sink.wait(lambda s: s.signals)
        until(lambda: "rule 'bad' can't be evaluated" in caplog.text, "nothing was said")
    assert [s.title for s in sink.signals] == ["good"]
    assert caplog.text.count("rule 'bad' can't be evaluated") == 1
    assert "can't be reached" not in caplog.text
    if trouble == "flood":
        assert "more than 32 MiB" in caplog.text
    if trouble == "drip":
        assert web.gone.wait(20), "it still listens to what drips"


@pytest.mark.parametrize(
    "answer",
    [b"<html>not me</html>", b"[]", b'{"status": "success", "data": 7}', b"", b'{"data": {"result": []}}', b"\xff\xfe",
     (401, b"who?"), (500, b"{}"), (302, b""), b"[" * 100_000],
)  # fmt: skip
def test_something_else_behind_the_address_is_one_incident_that_ends(web, answer):
    web.say = lambda query: answer
    sink = ListSink()
    with watching(monitor_for(web, blind_s=0.3), sink):
        sink.wait(lambda s: s.signals)
        web.say = web.well
        sink.wait(lambda s: len(s.signals) >= 3)
    assert [(s.kind, s.resolved) for s in sink.signals][:2] == [("blind", False), ("blind", True)] or [
        s.kind for s in sink.signals
    ] == ["blind", "alert", "blind"]


def test_a_password_is_sent_and_never_shown(web, caplog):
    web.say = lambda query: (401, b"not good enough: c2hpZnQ6bW9vbi1zaGluZS03 moon-shine-7")
    sink, given = ListSink(), settings_for(web, username="shift", password="moon-shine-7", blind_s=0)
    with watching(prometheus.create(given, {}, SystemClock()), sink):
        sink.wait(lambda s: s.signals)
    assert web.headers[0] == "Basic c2hpZnQ6bW9vbi1zaGluZS03"
    said = caplog.text + repr(given) + repr(sink.signals)
    assert "401" in said and "moon-shine-7" not in said and "c2hpZnQ6" not in said


@pytest.mark.parametrize(
    "wrong",
    [{"token": "t", "username": "u", "password": "p"}, {"username": "u"}, {"password": "p"},
     {"service_labels": ["no-label"]}, {"service_labels": []}],
)  # fmt: skip
def test_what_can_not_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=r"token|username|service_labels"):
        prometheus.Settings.model_validate(wrong)


def test_labels_that_name_services_are_put_into_the_question(web):
    seen = []
    web.say = lambda query: seen.append(query) or web.well(query)
    server = Prometheus(settings_for(web, service_labels=["team", "job"]))
    assert server.now("sum by ($by) (x)") == []
    server.close()
    assert seen == ["sum by (team, job, namespace) (x)"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["NaN", "+Inf", "1e999", "7"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["metric", "value", "values", "job"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("read", [_samples, _series])
@given(found=JSON)
def test_any_result_is_read_or_refused(read, found):
    try:
        rows = asked(lambda: read(found))
    except (BadRule, EnvironmentBroke):
        return
    assert all(isinstance(row.labels, dict) for row in rows)
