"""A cluster as a source: containers that crash in a loop or are killed for their memory, seen by list and watch."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Service, Severity, Signal
from nightshift.daemon.ports import EnvironmentBroke, Monitor, Refused, Sink
from nightshift.monitors.deaths import Death, deaths_of, service_of
from nightshift.monitors.interrupt import Interrupt

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

_log = logging.getLogger(__name__)
_CONNECT_S = 10.0


class Settings(BaseModel):
    """Which cluster, which pods, and what counts as a crash loop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kubeconfig: Path | None = None
    """A kubeconfig file; None uses the pod's own service account (in-cluster)."""
    context: str = ""
    """Context of the kubeconfig; '' is its current one."""
    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; none means all of them (needs a ClusterRole)."""
    label_selector: str = ""
    """Only pods that match, for example ``team=shop``."""
    restarts: int = Field(default=3, ge=1)
    """A container that died this often is reported although kubelet does not call it CrashLoopBackOff yet."""
    service_labels: tuple[str, ...] = ("nightshift.service", "app.kubernetes.io/name", "app")
    """Pod labels that name the service, the first one set counts; without any, the container's name."""
    services: Mapping[str, str] = Field(default_factory=dict)
    """Other names: from what the labels say to the name of the service here."""
    lookback_s: float = Field(default=3600.0, ge=0)
    """Deaths older than this at start-up are history, unless the container is in its crash loop right now."""
    watch_s: float = Field(default=240.0, gt=0)
    """Seconds after which the server is asked to end a watch, so that dead connections don't go unnoticed."""
    log_lines: int = Field(default=60, ge=0)
    """Lines of the dead container's log taken as the sample; 0 reads none."""
    log_bytes: int = Field(default=16384, ge=1)
    """Cap of that sample."""


class Expired(Exception):
    """410: the resource version is too old, list again."""


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:  # noqa: ARG001
    """The monitor; services are named by pod labels."""
    return KubernetesMonitor(settings, clock)


def reachable(settings: Settings) -> str:
    """What may be watched, in words, for a check by hand; raises EnvironmentBroke or Refused with what is wrong."""
    api, clock = _connect(settings), SystemClock()
    names = settings.namespaces or ("",)
    for name in names:
        watch = _Namespace(settings, clock, Backoff(), name, lambda *_: None, {}, threading.Event())
        watch._call(api, "list", 10.0, limit=1)
    return ", ".join(name or "all namespaces" for name in names)


class KubernetesMonitor:
    """One list+watch per namespace; each death is told once (pod uid, container, ordinal), also across restarts."""

    name = "kubernetes"

    def __init__(self, settings: Settings, clock: Clock, random: Random | None = None) -> None:
        self._settings, self._clock, self._random = settings, clock, random

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`; an unreachable cluster or a missing right is a state, logged once, tried again."""
        if len(self._settings.namespaces) < 2:
            self._namespace("".join(self._settings.namespaces), sink, checkpoints, stop).run()
            return
        halt, failed = threading.Event(), list[BaseException]()
        watches = [self._namespace(name, sink, checkpoints, halt) for name in self._settings.namespaces]
        threads = [threading.Thread(target=_guarded, args=(w.run, failed), daemon=True) for w in watches]
        for thread in threads:
            thread.start()
        while not failed and not stop.wait(1.0):
            pass
        halt.set()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    def _namespace(self, name: str, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> _Namespace:
        backoff = Backoff(random=self._random)
        return _Namespace(self._settings, self._clock, backoff, name, sink, checkpoints, stop)


def _guarded(run: Callable[[], None], failed: list[BaseException]) -> None:
    try:
        run()
    except BaseException as error:  # noqa: BLE001 - a thread's edge; watch() raises it again
        failed.append(error)


class _Namespace:
    """The list+watch of one namespace ('' = all)."""

    def __init__(
        self, settings: Settings, clock: Clock, backoff: Backoff, namespace: str, sink: Sink,
        checkpoints: Mapping[str, str], stop: threading.Event,
    ) -> None:  # fmt: skip
        self.where = namespace or "all namespaces"
        self._settings, self._clock, self._backoff = settings, clock, backoff
        self._namespace, self._sink, self._stop = namespace, sink, stop
        self._checkpoint = f"kubernetes:{namespace or '*'}"
        self._told = _load(checkpoints.get(self._checkpoint, ""))
        self._interrupt = Interrupt(stop, f"kubernetes-{self.where}")
        self._not_before_ms = clock.now_ms() - round(settings.lookback_s * 1000)
        self._version = ""
        self._logs_refused = False
        self._state = ""

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                self._cycle(_connect(self._settings))
            except (EnvironmentBroke, Refused) as trouble:
                self._pause(str(trouble))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self._pause(f"kubernetes {self.where}: an answer of a shape nobody expects: {error!r}"[:300])

    def _pause(self, state: str) -> None:
        if not self._stop.is_set():
            self._say(state)
            self._stop.wait(self._backoff.next_s())

    def _say(self, state: str) -> None:
        """Each state is one line in the log, however often it is met."""
        if state != self._state:
            _log.log(logging.WARNING if state else logging.INFO, "%s", state or f"kubernetes {self.where}: watching")
            self._state = state

    def _cycle(self, api: CoreV1Api) -> None:
        if not self._version:
            self._relist(api)
        try:
            while not self._stop.is_set():
                start = self._clock.monotonic()
                self._follow(api)
                if self._clock.monotonic() - start < 1:  # a proxy that ends every watch at once
                    self._stop.wait(self._backoff.next_s())
        except Expired:
            _log.info("kubernetes %s: the watch expired (410), listing again", self.where)
            self._version = ""
            self._stop.wait(self._backoff.next_s())

    def _relist(self, api: CoreV1Api) -> None:
        alive: set[str] = set()
        token: str | None = None
        while True:
            page = json.loads(self._call(api, "list", limit=500, _continue=token).data)
            for pod in page.get("items") or ():
                alive.add(str(pod["metadata"].get("uid")))
                self._look(api, pod)
            meta = page.get("metadata") or {}
            self._version, token = str(meta.get("resourceVersion") or "0"), meta.get("continue")
            if not token:
                break
        self._told = {k: v for k, v in self._told.items() if k.partition("/")[0] in alive}

    def _follow(self, api: CoreV1Api) -> None:
        """One watch until the server ends it. Raises Expired on 410, EnvironmentBroke when the line drops."""
        from urllib3.exceptions import HTTPError

        more = {"resource_version": self._version, "allow_watch_bookmarks": True, "watch": True}
        read_s = self._settings.watch_s + 30
        response = self._call(api, "watch", read_s, timeout_seconds=round(self._settings.watch_s) or 1, **more)
        self._say("")
        try:
            with self._interrupt.guarding(response.shutdown):
                for line in _lines(response):
                    self._event(api, line)
        except (HTTPError, OSError) as error:
            raise EnvironmentBroke(f"kubernetes {self.where}: the watch broke ({type(error).__name__})") from None
        finally:
            response.close()

    def _event(self, api: CoreV1Api, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind, thing = event["type"], event["object"]
        except (ValueError, KeyError, TypeError):
            raise EnvironmentBroke(f"kubernetes {self.where}: the watch sent something that is no event") from None
        if kind == "ERROR":
            if thing.get("code") == 410:
                raise Expired
            raise EnvironmentBroke(f"kubernetes {self.where}: {redact(str(thing.get('message')))[:200]}")
        self._backoff.reset()
        if kind in ("ADDED", "MODIFIED"):
            self._look(api, thing)
        self._version = str((thing.get("metadata") or {}).get("resourceVersion") or self._version)

    def _look(self, api: CoreV1Api, pod: Mapping[str, Any]) -> None:
        news = [death for death in deaths_of(pod) if self._counts(death)]
        if not news:
            return
        told = {**self._told, **{f"{death.uid}/{death.container}": death.ordinal for death in news}}
        self._sink([self._signal(api, death) for death in news], {self._checkpoint: json.dumps(told)})
        self._told = told

    def _counts(self, death: Death) -> bool:
        if self._told.get(f"{death.uid}/{death.container}", 0) >= death.ordinal:
            return False
        recent = not death.at_ms or death.at_ms >= self._not_before_ms
        often = death.ordinal >= self._settings.restarts and death.exit_code != 0
        return death.looping or (recent and (death.oom or often))

    def _signal(self, api: CoreV1Api, death: Death) -> Signal:
        what = "killed for its memory" if death.oom else "crashes in a loop"
        service = service_of(
            death.labels, self._settings.service_labels, self._settings.services, fallback=death.container
        )
        return Signal(
            key=f"kubernetes:{death.uid}:{death.container}:{death.ordinal}", source="kubernetes", service=service,
            title=f"container {death.container} {what}", at_ms=death.at_ms or self._clock.now_ms(),
            kind="oom" if death.oom else "crash_loop", severity=Severity.CRITICAL,
            message=f"{death.namespace}/{death.pod}: {death.reason or 'ended'}, exit code {death.exit_code}, "
            f"death number {death.ordinal}",
            labels={"namespace": death.namespace, "pod": death.pod, "container": death.container},
            sample=self._log_of(api, death),
        )  # fmt: skip

    def _log_of(self, api: CoreV1Api, death: Death) -> str:
        """The tail of the dead container's log, or '' where it can't be had."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        if not self._settings.log_lines or self._logs_refused:
            return ""
        try:
            answer = api.read_namespaced_pod_log(
                death.pod, death.namespace, container=death.container, previous=death.gone,
                tail_lines=self._settings.log_lines, limit_bytes=self._settings.log_bytes,
                _preload_content=False, _request_timeout=(_CONNECT_S, 30),
            )  # fmt: skip
            with answer:
                return str(answer.read(self._settings.log_bytes).decode("utf-8", "replace"))
        except ApiException as error:
            if error.status == 403:
                self._logs_refused = True
                _log.warning("kubernetes %s: no logs in reports: grant verb 'get' on 'pods/log'", self.where)
            return ""
        except (HTTPError, OSError):
            return ""

    def _call(self, api: CoreV1Api, verb: str, read_s: float = 60.0, **more: Any) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        call: Callable[..., Any] = api.list_pod_for_all_namespaces
        where: tuple[str, ...] = ()
        if self._namespace:
            call, where = api.list_namespaced_pod, (self._namespace,)
        more = {key: value for key, value in more.items() if value is not None}
        if self._settings.label_selector:
            more["label_selector"] = self._settings.label_selector
        try:
            return call(*where, _preload_content=False, _request_timeout=(_CONNECT_S, read_s), **more)
        except ApiException as error:
            raise self._explained(error.status, verb, str(error.reason)) from None
        except (HTTPError, OSError) as error:
            raise EnvironmentBroke(f"kubernetes is not reachable: {type(error).__name__}") from None

    def _explained(self, status: int | None, verb: str, reason: str) -> Exception:
        if status == 410:
            return Expired()
        if status == 403:
            role = f"a Role in {self._namespace}" if self._namespace else "a ClusterRole"
            return Refused(f"kubernetes {self.where}: may not {verb} pods: grant verb '{verb}' on 'pods' with {role}")
        if status == 401:
            return Refused("kubernetes does not accept the credentials (401)")
        return EnvironmentBroke(f"kubernetes {self.where}: {verb} pods failed: {status} {reason}")


def _lines(response: Any) -> Any:
    """Complete lines of a chunked answer, as they come."""
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())


def _load(text: str) -> dict[str, int]:
    try:
        return {str(k): int(v) for k, v in json.loads(text or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _connect(settings: Settings) -> CoreV1Api:
    """A client of its own; raises EnvironmentBroke when there is no usable configuration."""
    from kubernetes import client, config

    made = client.Configuration()
    try:
        if settings.kubeconfig:
            config.load_kube_config(
                str(settings.kubeconfig), settings.context or None, client_configuration=made, persist_config=False
            )
        else:
            config.load_incluster_config(client_configuration=made)
    except (config.ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentBroke(f"kubernetes: no usable configuration: {redact(str(error))[:200]}") from None
    made.retries = 0
    return client.CoreV1Api(client.ApiClient(made))
