"""The books that act on a cluster, on a real API server: the one that KUBECONFIG names. In a namespace of their own, which
goes when they end. Nothing has to run there: kubelets and controllers may be missing."""

import json
import os
import time
import uuid

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.runbooks.context import Context
from nightshift.runbooks.limits import Limits
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.runner import Runner

from .runbook_kube import REVISION, deployment, replicaset, template

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="KUBECONFIG names no API server"),
]


@pytest.fixture(scope="module")
def cluster():
    from kubernetes import client, config

    config.load_kube_config(os.environ["KUBECONFIG"])
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    if given := os.environ.get("NIGHTSHIFT_TEST_NAMESPACE"):  # an empty one, where namespaces can't be made
        yield given, core, apps
        return
    name = f"nightshift-test-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    try:
        yield name, core, apps
    finally:
        core.delete_namespace(name)


def made(apps, namespace, name, images, **more):
    """A deployment without replicas and its history, each revision with an image."""
    thing = deployment(plain(images[-1], **more), revision=len(images), replicas=0)
    thing["metadata"] = {"name": name, "annotations": {REVISION: str(len(images))}}
    found = apps.create_namespaced_deployment(namespace, thing)
    deadline = time.monotonic() + 5  # a controller, if there is one, makes the newest replica set itself
    while time.monotonic() < deadline and not revisions(apps, namespace, name):
        time.sleep(0.2)
    known = revisions(apps, namespace, name)
    for revision, image in enumerate(images, 1):
        if revision in known:
            continue
        old = replicaset(plain(image, **more), revision)
        labels = old["spec"]["template"]["metadata"]["labels"]
        old["metadata"] = {"name": f"{name}-h{revision}", "labels": labels, "annotations": {REVISION: str(revision)},
                           "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name,
                                                "uid": found.metadata.uid, "controller": True}]}  # fmt: skip
        old["spec"] |= {"replicas": 0, "selector": {"matchLabels": labels}}
        apps.create_namespaced_replica_set(namespace, old)
    return found


def revisions(apps, namespace, name):
    sets = apps.list_namespaced_replica_set(namespace).items
    mine = [r for r in sets if any(o.name == name for o in r.metadata.owner_references or [])]
    return {int((r.metadata.annotations or {}).get(REVISION, 0)) for r in mine}


def plain(image, memory="64Mi"):
    whole = template(image, memory=memory)
    del whole["spec"]["newfield"]
    return whole


def run(book, namespace, key, **params):
    params |= {"namespace": namespace}
    context = Context(kubeconfig=os.environ["KUBECONFIG"], clock=SystemClock(), limits=Limits(namespaces=(namespace,)))
    return Runner(context).run(book, params, key=key)


def without_waiting(name):
    """A shipped book without its look at the rollout: there may be no controller."""
    data = load_books()[name].model_dump(mode="json", by_alias=True) | {"verify": []}
    for step in data["steps"]:
        step["with"] = {k: v for k, v in step["with"].items() if not k.endswith("ready_within_s")}
    return parse_book(json.dumps(data))


def test_a_rollout_is_undone_once(cluster):
    namespace, _, apps = cluster
    made(apps, namespace, "shop", ["shop:1", "shop:2"])
    assert run(without_waiting("crash-loop-undo"), namespace, "a", name="shop").ok
    containers = apps.read_namespaced_deployment("shop", namespace).spec.template.spec.containers
    assert [c.image for c in containers] == ["proxy:1", "shop:1"]
    labels = apps.read_namespaced_deployment("shop", namespace).spec.template.metadata.labels
    assert labels == {"app": "shop"}


def test_a_limit_is_raised_and_put_back(cluster):
    namespace, _, apps = cluster
    made(apps, namespace, "memory", ["shop:1"])
    assert run(without_waiting("out-of-memory"), namespace, "b", name="memory", container="web").ok
    found = apps.read_namespaced_deployment("memory", namespace).spec.template.spec.containers
    limits = {c.name: c.resources.limits for c in found if c.resources and c.resources.limits}
    assert {name: limit["memory"] for name, limit in limits.items()} == {"web": "96Mi"}


SCALE = """
name: s
description: d
parameters: {name: {}, namespace: {}}
steps:
  - {name: up, action: kubernetes.scale, with: {name: '${{ params.name }}', namespace: '${{ params.namespace }}', replicas: 3}}
verify:
  - {name: few, action: assert, with: {value: false}}
"""


def test_scaling_is_undone(cluster):
    namespace, _, apps = cluster
    made(apps, namespace, "scale", ["shop:1"])
    result = run(parse_book(SCALE), namespace, "c", name="scale")
    assert result.status == "rolled_back", result
    assert apps.read_namespaced_deployment("scale", namespace).spec.replicas == 0
