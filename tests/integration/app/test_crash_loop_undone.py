"""From end to end, each part real but the cluster, which is kmock: a deploy crashes in a loop, the Kubernetes monitor sees
it, the incident gets its book, the book may act, the rollout is undone by the official client, replicas come back."""

import json
import socket
import sys
import time

import httpx
import pytest
from integration.runbooks.runbook_kube import Cluster, deployment, replicaset, template

from nightshift.daemon.kit.run import spawn
from nightshift.daemon.store.store import Store
from nightshift.runbooks.load import SHIPPED


def crashing_pod(restarts):
    ended = {"reason": "Error", "exitCode": 1, "finishedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    row = {"name": "web", "image": "shop:2", "restartCount": restarts, "ready": False,
           "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}  # fmt: skip
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "shop-h3-abcde", "namespace": "prod", "uid": "uid-pod", "labels": {"app": "shop", "pod-template-hash": "h3"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "shop-h3", "uid": "u",
                                 "controller": True}],
        },
        "spec": {"containers": [{"name": "web", "image": "shop:2"}]},
        "status": {"phase": "Running", "containerStatuses": [row]},
    }  # fmt: skip


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path, lambda made: made["spec"]["containers"][1]["image"] != "shop:2")
    made.add("deployment", deployment(template("shop:2"), revision=3))
    made.add("replicaset", replicaset(template("shop:1"), 2, 5000))
    made.add("replicaset", replicaset(template("shop:2"), 3, 60))
    made.add("pod", crashing_pod(7))
    yield made
    made.close()


def image(cluster):
    return cluster.read("deployment", "shop")["spec"]["template"]["spec"]["containers"][1]["image"]


@pytest.mark.slow
def test_a_crash_loop_after_a_deploy_is_undone_at_night(tmp_path, cluster):
    books = tmp_path / "books"
    books.mkdir()
    text = (SHIPPED / "crash-loop-undo.yaml").read_text().replace("autonomy: propose", "autonomy: act")
    (books / "crash-loop-undo.yaml").write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "nightshift.yaml"
    config.write_text(json.dumps({
        "state_dir": str(tmp_path / "state"), "http": {"port": port},
        "monitors": {"kubernetes": {"kubeconfig": str(cluster.kubeconfig), "watch": ["pods"]}},
        "runbooks": {"dirs": [str(books)], "kubeconfig": str(cluster.kubeconfig), "limits": {"namespaces": ["prod"]}},
    }))  # fmt: skip
    with (tmp_path / "log").open("ab") as log:
        child = spawn([sys.executable, "-m", "nightshift.daemon.cli", "run", "--config", str(config)], stdout=log)
    try:
        deadline = time.monotonic() + 90
        while image(cluster) != "shop:1":
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-3000:]
            assert child.poll() is None, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.1)
        while not (runs := ended(port)):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.1)
    finally:
        child.terminate()
        child.wait(30)
    assert [(r["book"], r["status"], r["person"]) for r in runs] == [("crash-loop-undo", "done", "")]
    store = Store.open(tmp_path / "state" / "nightshift.db")
    mission = store.missions.get(runs[0]["id"])
    assert mission.stage == "healed", [e.reason for e in store.journal.of(mission.id)]
    assert store.incidents.get(mission.incident).signal.kind == "crash_loop"
    store.close()
    assert len(list(cluster.handler["patch"])) == 1


def ended(port):
    runs = httpx.get(f"http://127.0.0.1:{port}/api/runs", trust_env=False).json()["runs"]
    return [run for run in runs if run["status"] not in ("waiting", "running")]
