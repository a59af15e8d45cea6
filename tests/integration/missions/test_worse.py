"""A fix that makes things worse is rolled back in git and in the cluster: real git, a real Prometheus that scrapes what
the cluster's workload would give, the real client against an emulated API."""

from __future__ import annotations

import asyncio
import http.server
import shutil
import threading
import time
from dataclasses import replace

import pytest
from integration.deployers.conftest import KubernetesWorld, PromptCluster
from integration.monitors.test_prometheus_real import Server
from integration.runbooks.runbook_kube import deployment, template
from support.scenario import scenario

from nightshift.daemon.app.compose import guard_readers
from nightshift.daemon.config import load_config
from nightshift.daemon.deployers.kubernetes import KubernetesDeployer, Settings
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import MemoryDurable
from nightshift.daemon.missions.watch import make_watcher
from nightshift.daemon.model import Stage

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("prometheus"), reason="needs the prometheus server program"),
]
OLD = "a" * 40


class Workload:
    """What the shop would expose: its latency depends on the image the cluster's template has."""

    def __init__(self, cluster, by_image) -> None:
        workload, self.by_image = self, by_image

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web = cluster.read("deployment", "shop")["spec"]["template"]["spec"]["containers"][1]["image"]
                value = workload.by_image(web) + 0.01 * (time.time_ns() // 10**9 % 4)
                body = f"# TYPE shop_latency_seconds gauge\nshop_latency_seconds {value}\n".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def cluster(tmp_path):
    made = PromptCluster(tmp_path, good=lambda _: True)
    made.add("deployment", deployment(template(f"web:{OLD}"), replicas=2))
    yield made
    made.close()


CONFIG = """
services:
  - name: shop
    repo: .
    watch_window_s: 40
    guards: [{name: latency, query: 'max(shop_latency_seconds)', unit: s, tolerance: 0.2}]
    guard_window_s: 1
    guard_step_s: 1
    guard_before_s: 10
monitors:
  prometheus: {url: 'URL'}
"""


def mission(tmp_path, cluster, url: str):
    """A mission whose fix is deployed to the cluster and watched by Prometheus."""
    file = tmp_path / "nightshift.yaml"
    file.write_text(CONFIG.replace("URL", url))
    readers, clock = guard_readers(load_config(file, environ={})), SystemClock()
    made = scenario(tmp_path / "mission")
    shop = replace(made.parts.services["shop"], watch_window_s=40, watch_interval_s=1, deploy_timeout_s=10)
    how = Settings(kind="kubernetes", name="shop", namespace="prod", container="web", image="web:{commit}",
                   kubeconfig=cluster.kubeconfig)  # fmt: skip
    made.parts = replace(
        made.parts, services={"shop": shop}, deployer=KubernetesDeployer(how, tmp_path / "deploys", clock),
        watcher=make_watcher(lambda *_: 0, clock, lambda service: readers[service.name], before_s=10),
    )  # fmt: skip
    return made


@pytest.mark.parametrize("worse", [True, False])
def test_the_metrics_decide(tmp_path, cluster, worse: bool) -> None:
    workload = Workload(cluster, lambda image: 0.4 if image == f"web:{OLD}" else 0.8 if worse else 0.3)
    server = Server(tmp_path, workload.port)
    server.start()
    try:
        time.sleep(11)  # what it was before
        made = mission(tmp_path, cluster, server.url)
        asyncio.run(Heal(MemoryDurable(), made.steps, made.mission).run())
    finally:
        server.kill()
        workload.server.shutdown()
        workload.server.server_close()
    image = cluster.read("deployment", "shop")["spec"]["template"]["spec"]["containers"][1]["image"]
    [outcome] = [e.data["outcome"] for e in made.store.journal.of(made.mission) if "outcome" in e.data]
    latency = next(figure for figure in outcome["figures"] if figure["name"] == "latency")
    if worse:
        assert made.stage() == Stage.ROLLED_BACK, made.reasons()
        assert (image, made.content()) == (f"web:{OLD}", b"x = 1\n")
        assert "latency worse than before" in made.store.missions.get(made.mission).reason
        assert latency["low"] > 0.2 and latency["verdict"] == "worse"
        notice = next(n for _, n, _ in made.store.notices.waiting() if n.key.endswith(":ended"))
        assert "+x = 2" in notice.data["diff"] and "-x = 2" in notice.data["undo_diff"]
        assert "+x = 2" in notice.text and "-x = 2" in notice.text, "escalated with both diffs"
        return
    # Nothing to probe: the whole window has to pass.
    assert made.stage() == Stage.HEALED, made.reasons()
    assert image != f"web:{OLD}" and made.content() == b"x = 2\n"
    assert latency["change"] == pytest.approx(-0.25, abs=0.06) and latency["high"] < 0


__all__ = ["KubernetesWorld"]
