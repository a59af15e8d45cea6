"""An HTTP server that behaves like the Kubernetes API and follows scripts, and the objects it serves."""

import asyncio
import contextlib
import json
import re
import threading
import time
from collections import Counter

from kmock._internal.apps import Server
from kmock._internal.k8s import KubernetesEmulator, KubernetesError

from nightshift.daemon.kit.clock import ManualClock
from nightshift.monitors import kubernetes
from nightshift.monitors.testing import ListSink, watching

ERROR = {"reason": "Error", "exitCode": 1, "finishedAt": "2026-01-02T03:04:05Z"}
KILLED = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-02T03:04:05Z"}
LOOPING = {"waiting": {"reason": "CrashLoopBackOff"}}
NOW = ManualClock(1_767_323_050_000)


def pod(name, state=None, last=None, restarts=0, version="1", labels=None):
    row = {
        "name": "web", "restartCount": restarts, "state": state or {"running": {}},
        "lastState": {"terminated": last} if last else {},
    }  # fmt: skip
    meta = {
        "name": name, "namespace": "prod", "uid": f"uid-{name}", "resourceVersion": version,
        "labels": {"app": "shop"} if labels is None else labels,
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"containerStatuses": [row]}}


def listing(*pods, version="10"):
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": list(pods)}


def event(kind, thing):
    return {"type": kind, "object": thing}


GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


def answered(step):
    """A number in a script is an error status."""
    if isinstance(step, int):
        raise KubernetesError(status=step, reason="Scripted", message="as the test says")
    return step


class Cluster:
    """kmock in a thread of its own. `lists` and `watches` are scripts: the last entry is served for ever."""

    def __init__(self, folder):
        self.lists, self.watches, self.requests = [listing()], [["hold"]], []
        self.others = {}
        self.log_answer, self.slow_s, self.token = b"ValueError: out of stock\n", 0.0, ""
        self._counts = Counter()
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }))  # fmt: skip

    async def _serve(self):
        self._end = asyncio.Event()
        async with KubernetesEmulator() as api, Server(api) as server:
            api["get", re.compile(r"/api(s/(apps|batch))?/v1/(namespaces/[a-z]+/)?[a-z]+")] << self._answer
            api["get", re.compile(r"/api/v1/namespaces/prod/pods/[^/]+/log")] << self._log
            self.url = str(server.url).rstrip("/")
            self._ready.set()
            await self._end.wait()

    def _log(self, request):
        self.requests.append(("log", {**request.params, "path": request.url.path}))
        return answered(self.log_answer)

    async def _answer(self, request):
        verb, what = "watch" if request.params.get("watch") else "list", request.url.path.rpartition("/")[2]
        given = request.headers.get("Authorization", "")
        self.requests.append((verb, {**request.params, "path": request.url.path, "what": what, "token": given}))
        if self.token and given != f"Bearer {self.token}":
            return answered(401)
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        lists, watches = (self.lists, self.watches) if what == "pods" else self.others.get(what, (None, None))
        script = (watches or [["hold"]]) if verb == "watch" else (lists or [listing()])
        turn = self._counts[verb, what]
        self._counts[verb, what] += 1
        step = script(request.params) if callable(script) else script[min(turn, len(script) - 1)]
        return self._stream(step) if isinstance(step, list) else answered(step)

    async def _stream(self, events):
        yield b""
        for item in events:
            if item == "hold":
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._end.wait(), 30)
            elif item == "breathe":
                await asyncio.sleep(0.05)
            elif item == "pause":  # long enough for what came before to be told
                await asyncio.sleep(1.2)
            elif item == "drop":
                raise ConnectionResetError
            else:
                yield item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n"

    def asked(self, verb, what="pods"):
        return [p for v, p in self.requests if v == verb and p.get("what", what) == what]

    def count(self, verb, what="pods"):
        return len(self.asked(verb, what))

    def keys(self):
        """The kubeconfig with the token that is in force now."""
        text = json.loads(self.kubeconfig.read_text())
        text["users"][0]["user"]["token"] = self.token
        self.kubeconfig.write_text(json.dumps(text))

    def close(self):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


def monitor(cluster, clock=NOW, **more):
    settings = kubernetes.Settings.model_validate({"kubeconfig": cluster.kubeconfig, "watch": ["pods"], **more})
    return kubernetes.create(settings, {}, clock)


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.02)


def told(cluster, number=1, **more):
    """Watch until that many signals came and nothing else does."""
    sink = ListSink()
    with watching(monitor(cluster, **more), sink):
        sink.wait(lambda s: len(s.signals) >= number)
        time.sleep(0.7)  # more than one tick: what must not come gets the chance to
    assert len(sink.signals) == number and len(sink.received) == number
    return sink.signals


def waiting(reason, message="because"):
    return {"waiting": {"reason": reason, "message": message}}
