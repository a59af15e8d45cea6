"""prometheus.query, prometheus.wait, matches by PromQL and the queue-backlog book against a real Prometheus server that
scrapes a queue whose consumers are the replicas of a deployment."""

import http.client
import json
import shutil
import socket
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nightshift.daemon.app.desk import RunDesk
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import spawn
from nightshift.daemon.missions.operations import Operations
from nightshift.daemon.missions.policy import Settings as Policy
from nightshift.daemon.model import Incident, IncidentState, Severity
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.store import Store
from nightshift.runbooks.actions.asking import asked, holds
from nightshift.runbooks.context import Context
from nightshift.runbooks.limits import Limits
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.runner import Runner

from .runbook_kube import Cluster, deployment, template

pytestmark = [pytest.mark.prometheus,
              pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Prometheus")]  # fmt: skip


class QuickClock(SystemClock):
    """Real time, short naps."""

    def sleep(self, seconds):
        super().sleep(min(seconds, 0.2))


@pytest.fixture
def queue(tmp_path):
    """An exporter of one queue's length: `length()` says it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            text = f'queue_length{{queue="orders"}} {server.length()}\nnothing 0\n'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.length = lambda: 500
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def prometheus(tmp_path, queue):
    config = tmp_path / "prometheus.yml"
    job = {"job_name": "queue", "static_configs": [{"targets": [f"127.0.0.1:{queue.server_address[1]}"]}]}
    config.write_text(
        json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]})
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = spawn(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
                   f"--web.listen-address=127.0.0.1:{port}"])  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not scraped(url):
            assert time.monotonic() < deadline, "Prometheus never scraped"
            time.sleep(0.1)
        yield url
    finally:
        child.terminate()
        child.wait(30)


def scraped(url):
    try:
        return bool(asked(url, "queue_length", 5))
    except (EnvironmentBroke, http.client.HTTPException):
        return False


def run(chosen, prometheus, kubeconfig="", key="run-1", **params):
    context = Context(limits=Limits(prometheus=prometheus), kubeconfig=str(kubeconfig), clock=QuickClock())
    return Runner(context).run(chosen, params, key=key)


PARAMS = {"name": "shop", "namespace": "prod", "queue": "orders", "within_s": "60"}


def test_a_backlog_is_worked_off_by_more_consumers(prometheus, queue, tmp_path):
    cluster = Cluster(tmp_path)
    try:
        cluster.add("deployment", deployment(template("worker:1"), replicas=2))
        replicas = lambda: cluster.read("deployment", "shop")["spec"]["replicas"]  # noqa: E731
        queue.length = lambda: 500 if replicas() < 4 else 5
        result = run(load_books()["queue-backlog"], prometheus, cluster.kubeconfig, **PARAMS)
        assert result.status == "done", result
        assert replicas() == 4
        assert result.steps[0].values["value"] == 500
    finally:
        cluster.close()


def test_consumers_that_do_not_help_are_put_back(prometheus, queue, tmp_path):
    cluster = Cluster(tmp_path)
    try:
        cluster.add("deployment", deployment(template("worker:1"), replicas=2))
        result = run(load_books()["queue-backlog"], prometheus, cluster.kubeconfig, **PARAMS | {"within_s": "2"})
        assert result.status == "rolled_back", result
        assert "does not hold" in result.reason
        assert cluster.read("deployment", "shop")["spec"]["replicas"] == 2
    finally:
        cluster.close()


def book(action, **arguments):
    steps = [{"name": "do", "action": action, "with": arguments}]
    return parse_book(json.dumps({"name": "b", "description": "d", "steps": steps}))


def test_answers_and_what_is_no_answer(prometheus):
    given = run(book("prometheus.query", promql='queue_length{queue="orders"}'), prometheus).steps[0]
    assert (given.values["value"], given.values["count"]) == (500, 1)
    assert given.values["series"][0]["labels"]["queue"] == "orders"
    assert run(book("prometheus.query", promql="absent_metric", empty=True), prometheus).steps[0].values["value"] == 0
    assert "knows nothing" in run(book("prometheus.query", promql="absent_metric"), prometheus).reason
    assert "refuses the query" in run(book("prometheus.query", promql="sum(("), prometheus).reason
    assert "matrix" in run(book("prometheus.query", promql="queue_length[5m]"), prometheus).reason
    assert run(book("prometheus.query", promql="1 + 1"), prometheus).steps[0].values["value"] == 2
    assert "no Prometheus server" in run(book("prometheus.query", promql="1"), "").reason
    with pytest.raises(EnvironmentBroke):
        run(book("prometheus.query", promql="1"), "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("promql", "expected"),
    [("queue_length > 100", True), ("queue_length < 100", False), ("nothing", False), ("absent_metric", False),
     ("queue_length > bool 1000", False), ("vector(0) / 0", False)],
)  # fmt: skip
def test_what_counts_as_yes(prometheus, promql, expected):
    assert holds(asked(prometheus, promql, 10)) is expected


def test_it_must_hold_without_a_break(prometheus, queue):
    done = run(book("prometheus.wait", promql="queue_length > 100", within_s=20, for_s=1, every_s=0.1), prometheus)
    assert done.ok
    assert done.steps[0].values["waited_s"] >= 1


def test_books_are_chosen_and_begun_by_promql(prometheus, queue, tmp_path):
    (tmp_path / "books").mkdir()
    tell = {"name": "tell", "action": "notify", "with": {"title": "x"}}
    for name, match in (
        ("alone", {"promql": "queue_length > 100"}),
        ("both", {"kind": "alert", "promql": "queue_length > 100"}),
    ):
        data = {"name": name, "description": "d", "match": match, "steps": [tell]}
        (tmp_path / "books" / f"{name}.yaml").write_text(json.dumps(data))
    store = Store.open(tmp_path / "a.db")
    context = Context(limits=Limits(prometheus=prometheus))
    operations = Operations(store, lambda: load_books([tmp_path / "books"]), context, {}, Policy())
    desk = RunDesk(store, operations, SystemClock(), [], lambda _: None)
    (signal,) = desk.signals()
    assert (signal.labels, signal.service, signal.kind) == ({"runbook": "alone"}, "operations", "alert")

    def run_for(found):
        incident = Incident(id="inc-1", fingerprint="f", service=found.service, title=found.title, count=1, signal=found,
                            severity=Severity.ERROR, state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1)  # fmt: skip
        run = desk.for_incident(incident)
        return run.book if run else ""

    assert run_for(signal) == "alone"
    assert run_for(replace(signal, labels={})) == "both"
    queue.length = lambda: 5
    deadline = time.monotonic() + 30
    while desk.signals() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert desk.signals() == []
    assert run_for(replace(signal, labels={})) == ""
    store.close()
