"""The books that act on a cluster, through the official client against kmock with a controller that follows spec."""

from pathlib import Path

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.runbooks.context import Context
from nightshift.runbooks.limits import Limits
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.records import MemoryRecord
from nightshift.runbooks.runner import Runner
from nightshift.runbooks.testing import FileRecord

from .runbook_kube import Cluster, deployment, node, pod, replicaset, template

GOOD, BAD = template("shop:1"), template("shop:2")


class QuickClock(SystemClock):
    """Real time, short naps."""

    def sleep(self, seconds):
        super().sleep(min(seconds, 0.05))


@pytest.fixture
def world(tmp_path):
    made = []

    def start(good=lambda made: made["spec"]["containers"][1]["image"] != "shop:2"):
        made.append(Cluster(tmp_path, good))
        return made[-1]

    yield start
    for cluster in made:
        cluster.close()


def crashing(cluster, age_s=60, present=BAD, past=GOOD):
    cluster.add("deployment", deployment(present, revision=3))
    cluster.add("replicaset", replicaset(template("shop:0"), 1, 9000))
    cluster.add("replicaset", replicaset(past, 2, 5000))
    cluster.add("replicaset", replicaset(present, 3, age_s))
    cluster.add("replicaset", replicaset(template("other:9"), 9, 10, owner="other"))


def run(cluster, book, record=None, key="run-1", limits=None, **params):
    context = Context(kubeconfig=str(cluster.kubeconfig), clock=QuickClock(), limits=limits or Limits())
    chosen = load_books()[book] if isinstance(book, str) else book
    return Runner(context, record or MemoryRecord()).run(chosen, params, key=key)


def image(cluster):
    return cluster.read("deployment", "shop")["spec"]["template"]["spec"]["containers"][1]["image"]


WHERE = {"name": "shop", "namespace": "prod"}


def test_a_crash_loop_after_a_deploy_is_undone(world):
    cluster = world()
    crashing(cluster)
    result = run(cluster, "crash-loop-undo", **WHERE, ready_within_s="10")
    assert result.status == "done", result
    assert image(cluster) == "shop:1"
    made = cluster.read("deployment", "shop")["spec"]["template"]
    assert made == GOOD, "whole, with fields no client knows, without the controller's hash"
    assert result.steps[0].values["revision"] == 2
    assert "2 available" in result.steps[1].output


def test_an_old_revision_is_not_the_suspect(world):
    cluster = world()
    crashing(cluster, age_s=9000)
    result = run(cluster, "crash-loop-undo", **WHERE)
    assert result.status == "failed"
    assert "not the deploy's fault" in result.reason
    assert image(cluster) == "shop:2"


class Killed(BaseException):
    """The process dies here."""


class DiesBeforeResult(FileRecord):
    def save(self, key, name, entry):
        if "result" in entry:
            raise Killed
        super().save(key, name, entry)


def test_an_undo_that_was_cut_off_does_not_go_forward_again(world, tmp_path):
    cluster = world()
    crashing(cluster)
    folder = tmp_path / "runs"
    with pytest.raises(Killed):
        run(cluster, "crash-loop-undo", DiesBeforeResult(folder), **WHERE)
    assert image(cluster) == "shop:1"
    result = run(cluster, "crash-loop-undo", FileRecord(folder), **WHERE)
    assert result.status == "done"
    assert image(cluster) == "shop:1"


def test_what_others_deployed_meanwhile_is_left_alone(world, tmp_path):
    cluster = world()
    crashing(cluster)
    folder = tmp_path / "runs"

    class DiesBeforeEffect(FileRecord):
        def save(self, key, name, entry):
            super().save(key, name, entry)
            if "evidence" in entry:
                raise Killed

    with pytest.raises(Killed):
        run(cluster, "crash-loop-undo", DiesBeforeEffect(folder), **WHERE)
    cluster.add("deployment", deployment(template("shop:3"), revision=4))
    result = run(cluster, "crash-loop-undo", FileRecord(folder), **WHERE)
    assert result.status == "failed"
    assert "changed by others" in result.reason
    assert image(cluster) == "shop:3"


@pytest.mark.parametrize("mark", ["argocd.argoproj.io/tracking-id", "kustomize.toolkit.fluxcd.io/name"])
def test_a_reconciler_is_not_fought(world, mark):
    cluster = world()
    crashing(cluster)
    cluster.add("deployment", deployment(BAD, revision=3, labels={mark: "x"}))
    result = run(cluster, "crash-loop-undo", **WHERE)
    assert "git.revert" in result.reason
    assert image(cluster) == "shop:2"


def test_a_stuck_rollout_is_undone_but_one_that_completes_is_not(world):
    cluster = world()
    crashing(cluster)
    assert run(cluster, "stuck-rollout", **WHERE, patience_s="0.1", ready_within_s="10").status == "done"
    assert image(cluster) == "shop:1"
    cluster.add("deployment", deployment(template("shop:5"), revision=5))
    cluster.add("replicaset", replicaset(template("shop:5"), 5))
    result = run(cluster, "stuck-rollout", key="run-2", **WHERE, patience_s="10")
    assert "nothing is undone" in result.steps[0].output
    assert image(cluster) == "shop:5"


def test_a_bad_config_map_is_left_behind(world):
    def good(made):
        used = made["spec"]["containers"][1].get("envFrom", [{}])[0].get("configMapRef", {}).get("name")
        return used != "shop-config-b"

    cluster = world(good)
    crashing(cluster, present=template("shop:3", "shop-config-b"), past=template("shop:2", "shop-config-b"))
    cluster.add("replicaset", replicaset(template("shop:1", "shop-config-a"), 1))
    result = run(cluster, "bad-config-map", **WHERE, config_map="shop-config-b", ready_within_s="10")
    assert result.status == "done", result
    assert result.steps[0].values["revision"] == 1
    result = run(cluster, "bad-config-map", key="run-2", **WHERE, config_map="another")
    assert "does not use the config map another" in result.reason


def test_out_of_memory_raises_one_container_s_limit_within_policy(world):
    cluster = world()
    cluster.add("deployment", deployment(template("shop:1")))
    result = run(cluster, "out-of-memory", **WHERE, container="web", ready_within_s="10")
    assert result.status == "done", result
    proxy, web = cluster.read("deployment", "shop")["spec"]["template"]["spec"]["containers"]
    assert web["resources"]["limits"] == {"memory": "384Mi", "cpu": "500m"}
    assert proxy == {"name": "proxy", "image": "proxy:1"}
    assert result.steps[1].status == "skipped"
    tight = Limits(max_memory="400Mi")
    assert run(cluster, "out-of-memory", key="run-2", limits=tight, **WHERE, container="web").status == "done"
    assert (
        cluster.read("deployment", "shop")["spec"]["template"]["spec"]["containers"][1]["resources"]["limits"]["memory"]
        == "400Mi"
    )
    refused = run(cluster, "out-of-memory", key="run-3", limits=tight, **WHERE, container="web")
    assert "max_memory is 400Mi" in refused.reason
    unsure = run(cluster, "out-of-memory", key="run-4", **WHERE)
    assert "several containers" in unsure.reason


def test_a_raise_that_does_not_help_is_undone(world):
    cluster = world(lambda made: False)
    cluster.add("deployment", deployment(template("shop:1")))
    result = run(cluster, "out-of-memory", **WHERE, container="web", ready_within_s="0.2")
    assert result.status == "rolled_back", result
    web = cluster.read("deployment", "shop")["spec"]["template"]["spec"]["containers"][1]
    assert web["resources"]["limits"]["memory"] == "256Mi"


def pressed(cluster):
    cluster.add("node", node("n1"))
    for name in ("a", "b"):
        cluster.add("pod", pod(name))
    cluster.add("pod", pod("other-node", node="n2"))
    cluster.add("pod", pod("reserved", quality="Guaranteed"))
    cluster.add("pod", pod("by-hand", owned=False))


def test_node_pressure_closes_the_node_and_moves_what_reserved_nothing(world):
    cluster = world()
    pressed(cluster)
    result = run(cluster, "node-pressure", node="n1", namespace="prod")
    assert result.status == "done", result
    assert cluster.read("node", "n1")["spec"]["unschedulable"] is True
    assert cluster.names("pod") == ["by-hand", "other-node", "reserved"]


def test_too_many_pods_move_none_and_open_the_node_again(world):
    cluster = world()
    pressed(cluster)
    result = run(cluster, "node-pressure", node="n1", namespace="prod", at_most="1")
    assert result.status == "rolled_back", result
    assert "2 pods would have to move" in result.reason
    assert cluster.read("node", "n1")["spec"]["unschedulable"] is False
    assert len(cluster.names("pod")) == 5


SCALE = """
name: s
description: d
parameters: {add: {type: integer, default: 1}}
steps:
  - {name: up, action: kubernetes.scale, with: {name: shop, namespace: prod, add: '${{ params.add }}'}}
verify:
  - {name: few, action: assert, with: {value: '${{ steps.up.after }}', below: 3}}
"""


def test_scaling_is_undone_when_it_does_not_help(world):
    cluster = world()
    cluster.add("deployment", deployment(GOOD, replicas=2))
    result = run(cluster, parse_book(SCALE))
    assert result.status == "rolled_back", result
    assert cluster.read("deployment", "shop")["spec"]["replicas"] == 2
    assert run(cluster, parse_book(SCALE), key="b", limits=Limits(max_replicas=2)).reason.endswith("(2)")
    assert run(cluster, parse_book(SCALE), key="c", add="-5").ok
    assert cluster.read("deployment", "shop")["spec"]["replicas"] == 1


@pytest.mark.parametrize("namespace", ["kube-system", "other"])
def test_other_namespaces_are_out_of_reach(world, namespace):
    cluster = world()
    allowed = Limits(namespaces=("*",) if namespace == "kube-system" else ("prod", "test-*"))
    for book in ("crash-loop-undo", "out-of-memory", "rollout-restart"):
        result = run(cluster, book, key=book, limits=allowed, name="shop", namespace=namespace)
        assert "not among runbooks.limits.namespaces" in result.reason, (book, result)
    assert not list(cluster.handler["patch"])


DELETE = """
name: s
description: d
parameters: {pod: {}}
steps: [{name: gone, action: kubernetes.delete_pod, with: {name: '${{ params.pod }}', namespace: prod}}]
"""


def test_a_pod_nobody_would_make_again_is_not_deleted_and_a_new_one_of_the_name_is_left(world, tmp_path):
    cluster = world()
    pressed(cluster)
    assert "no controller" in run(cluster, parse_book(DELETE), pod="by-hand").reason
    folder = tmp_path / "runs"
    with pytest.raises(Killed):
        run(cluster, parse_book(DELETE), DiesBeforeResult(folder), key="b", pod="a")
    cluster.add("pod", pod("a") | {"metadata": {**pod("a")["metadata"], "uid": "uid-new"}})
    assert run(cluster, parse_book(DELETE), FileRecord(folder), key="b", pod="a").ok
    assert "a" in cluster.names("pod")


def test_a_pod_that_a_disruption_budget_keeps_stays_and_the_node_is_opened_again(world):
    cluster = world()
    pressed(cluster)
    cluster.protected.add("b")
    text = Path("runbooks/books/node-pressure.yaml").read_text().replace(
        "      namespace: ${{ params.namespace }}\nverify", "      namespace: ${{ params.namespace }}\n      gone_within_s: 0.2\nverify"
    )  # fmt: skip
    result = run(cluster, parse_book(text), node="n1", namespace="prod")
    assert result.status == "rolled_back", result
    assert "a disruption budget keeps the pod prod/b" in result.reason
    assert "b" in cluster.names("pod")
    assert cluster.read("node", "n1")["spec"]["unschedulable"] is False
    assert ("a", "uid-a") in cluster.evicted
