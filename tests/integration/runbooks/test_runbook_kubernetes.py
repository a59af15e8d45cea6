"""kubernetes.rollout_restart through the official client against an HTTP server that keeps Kubernetes objects."""

import json

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.runbooks.actions.rollout_restart import ANNOTATION
from nightshift.runbooks.context import Context
from nightshift.runbooks.load import load_books
from nightshift.runbooks.records import MemoryRecord
from nightshift.runbooks.runner import Runner
from nightshift.runbooks.testing import FileRecord

from .runbook_kube import Cluster

DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "shop", "namespace": "prod", "generation": 2},
    "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}, "annotations": {"kept": "yes"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}, {"name": "proxy", "image": "proxy:1"}]},
        },
    },
    "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
}  # fmt: skip


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    made.add("deployment", DEPLOYMENT)
    yield made
    made.close()


def run(cluster, record=None, key="run-1", clock=None, **params):
    context = Context(kubeconfig=str(cluster.kubeconfig), clock=clock or ManualClock())
    runner = Runner(context, record or MemoryRecord())
    return runner.run(load_books()["rollout-restart"], {"name": "shop", "namespace": "prod"} | params, key=key)


def mark(cluster):
    return cluster.read("deployment", "shop")["spec"]["template"]["metadata"]["annotations"].get(ANNOTATION)


def test_the_template_is_marked_and_nothing_else_changes(cluster):
    assert mark(cluster) is None
    result = run(cluster)
    assert result.ok, result.reason
    template = cluster.read("deployment", "shop")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"kept": "yes", ANNOTATION: mark(cluster)}
    assert [c["name"] for c in template["spec"]["containers"]] == ["web", "proxy"]
    assert mark(cluster) in result.steps[0].output


def test_it_is_a_strategic_merge_patch(cluster):
    run(cluster)
    (patch,) = cluster.handler["patch"]
    assert patch.headers["Content-Type"] == "application/strategic-merge-patch+json"
    assert patch.params["fieldManager"] == "nightshift"


def test_repeating_a_run_sets_the_same_mark_another_run_sets_another(cluster):
    run(cluster)
    first = mark(cluster)
    run(cluster, record=MemoryRecord())
    assert mark(cluster) == first
    run(cluster, key="run-2")
    assert mark(cluster) != first


def test_a_rollout_that_does_not_complete_is_a_failure(cluster):
    stuck = json.loads(json.dumps(DEPLOYMENT))
    stuck["status"]["availableReplicas"] = 1
    cluster.add("deployment", stuck)
    clock = ManualClock()
    result = run(cluster, clock=clock, ready_within_s="30")
    assert result.status == "failed"
    assert "not ready after 30 s" in result.reason
    assert mark(cluster)


def test_a_workload_that_is_not_there(cluster):
    result = run(cluster, name="nobody")
    assert result.status == "failed"
    assert "no deployment prod/nobody" in result.reason


def test_without_the_right_to_it_the_reason_says_which_is_missing(cluster):
    cluster.handler["patch"] << 403
    result = run(cluster)
    assert "grant the verb patch on deployments in prod" in result.reason


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_cluster_in_trouble_is_no_verdict_and_the_run_goes_on_later(cluster, tmp_path, status):
    record = FileRecord(tmp_path / "runs")
    cluster.handler["patch"][:1] << status
    with pytest.raises(EnvironmentBroke, match=str(status)):
        run(cluster, record)
    assert run(cluster, record).ok
    assert len(cluster.handler["patch"]) == 2


def test_a_cluster_that_is_away_and_a_missing_kubeconfig(cluster, tmp_path):
    cluster.kubeconfig.write_text(cluster.kubeconfig.read_text().replace(cluster.url.rstrip("/"), "http://127.0.0.1:9"))
    with pytest.raises(EnvironmentBroke, match="can't be reached"):
        run(cluster)
    cluster.kubeconfig.unlink()
    with pytest.raises(EnvironmentBroke, match="configuration"):
        run(cluster)
