"""kmock in a thread of its own, a kubeconfig that leads to it, and a small controller that makes status follow spec."""

import asyncio
import copy
import json
import re
import threading
import time

import kmock
from kmock._internal.k8s import KubernetesError

KINDS = {
    "deployment": kmock.resource("apps", "v1", "deployments"),
    "replicaset": kmock.resource("apps", "v1", "replicasets"),
    "pod": kmock.resource("", "v1", "pods"),
    "node": kmock.resource("", "v1", "nodes"),
}
REVISION = "deployment.kubernetes.io/revision"


class Cluster:
    """`good(template)` says whether pods of a template become available; the controller asks it all the time."""

    def __init__(self, folder, good=None):
        self.handler, self._ready = kmock.KubernetesEmulator(), threading.Event()
        self._loop, self._stop = asyncio.new_event_loop(), asyncio.Event()
        self._good, self._over = good, threading.Event()
        self.protected, self.evicted = set(), []
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._ready.wait(10)
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "k", "cluster": {"server": self.url}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }))  # fmt: skip

    async def _serve(self):
        async with self.handler, kmock.Server(self.handler) as server:
            self.handler["post", re.compile(r"/api/v1/namespaces/[^/]+/pods/[^/]+/eviction")] << self._evict
            self.url = str(server.url)
            self._ready.set()
            while not self._stop.is_set():
                if self._good:
                    self._control()
                await asyncio.sleep(0.02)

    def _control(self):
        """What the deployment controller does, as far as a rollout's progress shows it."""
        for place in list(self.handler.objects):
            if place[0] != KINDS["deployment"]:
                continue
            thing = self.handler.objects[place].raw
            wanted = thing["spec"].get("replicas", 1)
            there = wanted if self._good(thing["spec"]["template"]) else 0
            status = {"observedGeneration": 99, "replicas": wanted, "updatedReplicas": wanted,
                      "availableReplicas": there}  # fmt: skip
            if thing.get("status") != status:
                self.handler.objects[place].patch({"status": status})

    def _evict(self, request):
        """kmock knows no evictions: budgets keep the pods in `protected`, any other goes at once."""
        name = request.url.path.split("/")[-2]
        self.evicted.append((name, request.data["deleteOptions"]["preconditions"]["uid"]))
        if name in self.protected:
            raise KubernetesError(status=429, reason="TooManyRequests", message="disruption budget")
        self.handler.objects[KINDS["pod"], "prod", name].delete()
        return {"apiVersion": "v1", "kind": "Status", "status": "Success"}

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def add(self, kind, thing):
        meta = thing["metadata"]
        self.handler.objects[KINDS[kind], meta.get("namespace"), meta["name"]] = copy.deepcopy(thing)

    def read(self, kind, name, namespace="prod"):
        place = (KINDS[kind], None if kind == "node" else namespace, name)
        return self.handler.objects[place].raw if place in self.handler.objects else None

    def names(self, kind):
        """Those that are there and not being deleted."""
        return sorted(place[2] for place in self.handler.objects if place[0] == KINDS[kind]
                      and not self.handler.objects[place].deleted)  # fmt: skip


def template(image, config_map="", memory="256Mi", **more):
    web = {"name": "web", "image": image, "resources": {"limits": {"memory": memory, "cpu": "500m"}}}
    if config_map:
        web["envFrom"] = [{"configMapRef": {"name": config_map}}]
    return {
        "metadata": {"labels": {"app": "shop"}},
        "spec": {"containers": [{"name": "proxy", "image": "proxy:1"}, web], "newfield": {"kept": True}, **more},
    }


def deployment(made, revision=2, replicas=2, **meta):
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "prod", "uid": "uid-shop", "generation": 1,
                     "annotations": {REVISION: str(revision)}, **meta},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "shop"}}, "template": made},
    }  # fmt: skip


def replicaset(made, revision, age_s=60, owner="shop"):
    born = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age_s))
    hashed = copy.deepcopy(made)
    hashed["metadata"]["labels"]["pod-template-hash"] = f"h{revision}"
    return {
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": f"{owner}-h{revision}", "namespace": "prod", "creationTimestamp": born,
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": owner, "uid": f"uid-{owner}", "controller": True}],
        },
        "spec": {"selector": {"matchLabels": {"app": "shop"}}, "template": hashed},
    }  # fmt: skip


def pod(name, node="n1", quality="BestEffort", owned=True, namespace="prod"):
    owners = (
        [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "shop-h1", "uid": "u", "controller": True}]
        if owned
        else []
    )
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "ownerReferences": owners},
        "spec": {"nodeName": node}, "status": {"qosClass": quality, "phase": "Running"},
    }  # fmt: skip


def node(name):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}}
