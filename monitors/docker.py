"""A container engine as a source: containers that die, run out of memory or turn unhealthy.

The engine remembers its last 256 events only (health checks alone fill that in minutes), so after an absence the
stopped containers are looked at as well; both ways lead to the same key.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit import labels
from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service, Severity, Signal
from nightshift.daemon.ports import EnvironmentBroke, Monitor, Sink
from nightshift.monitors.deaths import unix_ms
from nightshift.monitors.interrupt import Interrupt

if TYPE_CHECKING:
    from docker import DockerClient

_log = logging.getLogger(__name__)
_CHECKPOINT = "docker:after_ns"
_COMPOSE = "com.docker.compose.service"
_ASKED = frozenset({"2", "3", "9", "15"})
_ASKED_CODES = frozenset({130, 131, 137, 143})


class Settings(BaseModel):
    """Which engine, and which of its containers are services."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = ""
    """Address of the engine (``unix:///…`` or ``tcp://…``); '' takes DOCKER_HOST or the usual socket."""
    services: Mapping[str, str] = Field(default_factory=dict)
    """Container name to service name."""
    every_container: bool = False
    """Report containers that belong to no known service too, under their own name."""
    log_lines: int = Field(default=60, ge=0)
    """Last lines of the container taken as the sample; 0 reads none."""
    log_bytes: int = Field(default=16384, ge=1)
    """Cap of that sample."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds one request to the engine may take (the event stream itself has no end)."""


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:  # noqa: ARG001
    """The monitor; `services` tells which compose services and container names are known. Times are the engine's."""
    return DockerMonitor(settings, services)


def reachable(settings: Settings) -> str:
    """Which engine answers, in words, for a check by hand; raises EnvironmentBroke."""
    from docker.errors import DockerException
    from requests import RequestException

    try:
        with _connect(settings) as engine:
            return f"Docker {engine.version()['Version']}"
    except (DockerException, RequestException, OSError) as error:
        raise EnvironmentBroke(str(error)[:200]) from None


class DockerMonitor:
    """Follows the engine's events from where it left off; an engine that is away is a state, logged once."""

    name = "docker"

    def __init__(self, settings: Settings, services: Mapping[str, Service], random: Random | None = None) -> None:
        self._settings, self._services = settings, services
        self._backoff = Backoff(random=random)

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`."""
        from docker.errors import DockerException
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        run = _Run(self._settings, self._services, sink, checkpoints, stop)
        while not stop.is_set():
            try:
                run.follow(self._backoff)
            except (EnvironmentBroke, DockerException, RequestException, HTTPError, OSError) as trouble:
                if not self._backoff.tries and not stop.is_set():
                    _log.warning("the container engine is away, will keep trying: %s", str(trouble)[:200])
            stop.wait(self._backoff.next_s())


class _Run:
    """What is remembered between reconnections."""

    def __init__(
        self, settings: Settings, services: Mapping[str, Service], sink: Sink,
        checkpoints: Mapping[str, str], stop: threading.Event,
    ) -> None:  # fmt: skip
        self._settings, self._services, self._sink, self._stop = settings, services, sink, stop
        saved = checkpoints.get(_CHECKPOINT, "")
        self._after_ns = int(saved) if saved.isdigit() else 0
        self._interrupt = Interrupt(stop, "docker")
        self._seen: deque[tuple[int, str, str]] = deque(maxlen=1024)
        self._asked: set[str] = set()
        self._starved: set[str] = set()
        self._unhealthy: dict[str, str] = {}

    def follow(self, backoff: Backoff) -> None:
        """Catch up, then follow until the stream ends. Raises DockerException or OSError when the engine is away."""
        with _connect(self._settings) as engine:
            self._catch_up(engine)
            if backoff.tries:
                _log.info("the container engine answers again")
                backoff.reset()
            stream = self._events(engine)
            with self._interrupt.guarding(stream.close):
                for event in stream:
                    self._event(engine, event)
        if not self._stop.is_set():
            raise EnvironmentBroke("its event stream ended")

    def _catch_up(self, engine: DockerClient) -> None:
        """Everything up to now: the events the engine still has, then deaths it has forgotten the events of."""
        now_ns = unix_ms(engine.info()["SystemTime"]) * 1_000_000
        if self._after_ns:
            died = {self._event(engine, event) for event in self._events(engine, until_ns=now_ns)}
            self._forgotten(engine, died)
        # a second of overlap, because an event may be published a little after its time; _seen drops the doubles
        self._after_ns = max(self._after_ns, now_ns - 10**9)
        self._sink((), {_CHECKPOINT: str(self._after_ns)})

    def _events(self, engine: DockerClient, until_ns: int = 0) -> Any:
        return engine.events(
            since=_stamp(self._after_ns + 1), until=_stamp(until_ns) if until_ns else None, decode=True,
            filters={"type": "container", "event": ["die", "kill", "oom", "health_status"]},
        )  # fmt: skip

    def _event(self, engine: DockerClient, event: Mapping[str, Any]) -> str:
        """Tell what an event means; returns the container's id if it died."""
        at_ns, action, actor = int(event.get("timeNano") or 0), str(event.get("Action", "")), event.get("Actor") or {}
        container, attributes = str(actor.get("ID", "")), actor.get("Attributes") or {}
        died = container if action == "die" else ""
        if (at_ns, container, action) in self._seen or not self._ours(attributes):
            return died
        before = set(self._asked), set(self._starved), dict(self._unhealthy)
        after_ns = max(self._after_ns, at_ns)
        try:
            signals = [self._signal(engine, kind, actor, at_ns) for kind in self._told(action, container, attributes)]
            self._sink(signals, {_CHECKPOINT: str(after_ns)})
        except BaseException:  # not told: it will be replayed, and must then mean the same
            self._asked, self._starved, self._unhealthy = before
            raise
        self._seen.append((at_ns, container, action))
        self._after_ns = after_ns
        return died

    def _told(self, action: str, container: str, attributes: Mapping[str, str]) -> list[str]:
        """The kinds of signal an event of one of our services causes."""
        if action == "kill" and attributes.get("signal", "9") in _ASKED:
            self._asked.add(container)  # somebody stops it on purpose: what follows is no crash
        elif action == "oom" and container not in self._starved:
            self._starved.add(container)
            return ["oom"]
        elif action == "die":
            return self._death(container, attributes)
        elif action == "health_status: unhealthy" and container not in self._unhealthy:
            return ["unhealthy"]
        elif action == "health_status: healthy" and container in self._unhealthy:
            return ["healthy"]
        return []

    def _death(self, container: str, attributes: Mapping[str, str]) -> list[str]:
        known = container in self._asked or container in self._starved
        for memory in (self._asked, self._starved):
            memory.discard(container)
        return ["exit"] if not known and attributes.get("exitCode", "0") != "0" else []

    def _signal(self, engine: DockerClient, kind: str, actor: Mapping[str, Any], at_ns: int) -> Signal:
        container, attributes = str(actor["ID"]), actor.get("Attributes") or {}
        look = _inspect(engine, container)
        state = look.get("State") or {}
        if kind == "exit" and state.get("OOMKilled"):
            kind = "oom"
        started = str(state.get("StartedAt") or "")
        # the run that died is named by its start; when it is gone or runs again, by the event's own time
        run = started if 0 < unix_ms(started) <= at_ns // 10**6 else str(at_ns)
        key = f"docker:{container}:{kind}:{run}"
        if kind == "unhealthy":
            key = self._unhealthy.setdefault(container, f"docker:{container}:unhealthy:{at_ns}")
        elif kind == "healthy":
            key = f"{self._unhealthy.pop(container)}:resolved"
        return self._as_signal(engine, kind, key, container, attributes, at_ns // 10**6)

    def _as_signal(
        self, engine: DockerClient, kind: str, key: str, container: str, attributes: Mapping[str, str], at_ms: int
    ) -> Signal:
        name, service, code = attributes.get("name", ""), self._service(attributes), attributes.get("exitCode", "")
        said = {"oom": "ran out of memory", "exit": f"died with exit code {code}"}.get(kind, "is unhealthy")
        return Signal(
            key=key, source="docker", service=service, title=f"container of {service} {said}", at_ms=at_ms,
            kind="unhealthy" if kind == "healthy" else kind, resolved=kind == "healthy",
            severity=Severity.CRITICAL if kind == "oom" else Severity.ERROR,
            message=f"{name} ({attributes.get('image', '?')}, {container[:12]}) {said}",
            labels={"container": name, "image": attributes.get("image", ""), "exit_code": code},
            sample="" if kind == "healthy" else self._log_of(engine, container),
        )  # fmt: skip

    def _forgotten(self, engine: DockerClient, known: set[str]) -> None:
        """Deaths since the checkpoint of containers that no event told of."""
        for row in engine.api.containers(all=True, filters={"status": ["exited", "dead"]}):
            attributes = {**(row.get("Labels") or {}), "image": row.get("Image", ""), "name": _name(row)}
            if row["Id"] in known or not self._ours(attributes):
                continue
            state = _inspect(engine, row["Id"]).get("State") or {}
            at_ms, code = unix_ms(state.get("FinishedAt")), int(state.get("ExitCode") or 0)
            starved = bool(state.get("OOMKilled"))
            asked = code in _ASKED_CODES and not starved  # whether somebody stopped it isn't recorded anywhere
            if at_ms * 1_000_000 > self._after_ns and code and not asked:
                kind = "oom" if starved else "exit"
                key = f"docker:{row['Id']}:{kind}:{state.get('StartedAt')}"
                attributes["exitCode"] = str(code)
                self._sink([self._as_signal(engine, kind, key, row["Id"], attributes, at_ms)], {})

    def _ours(self, attributes: Mapping[str, str]) -> bool:
        return not _is_sandbox(attributes) and bool(self._service(attributes))

    def _service(self, attributes: Mapping[str, str]) -> str:
        """The service a container belongs to; '' when it is none of ours."""
        name, compose = attributes.get("name", ""), attributes.get(_COMPOSE, "")
        told = attributes.get(labels.SERVICE) or self._settings.services.get(name)
        known = next((n for n in (compose, name) if n in self._services), "")
        return told or known or ((compose or name) if self._settings.every_container else "")

    def _log_of(self, engine: DockerClient, container: str) -> str:
        from docker.errors import APIError

        if not self._settings.log_lines:
            return ""
        try:
            raw = engine.api.logs(container, stdout=True, stderr=True, stream=False, tail=self._settings.log_lines)
        except APIError:  # removed in the meantime, or a log driver that can't be read
            return ""
        return str(raw[-self._settings.log_bytes :].decode("utf-8", "replace"))


def _stamp(at_ns: int) -> str:
    return f"{at_ns // 10**9}.{at_ns % 10**9:09d}"


def _is_sandbox(attributes: Mapping[str, str]) -> bool:
    return any(key.startswith(labels.SANDBOX) for key in attributes)


def _name(row: Mapping[str, Any]) -> str:
    return str((row.get("Names") or [""])[0]).lstrip("/")


def _inspect(engine: DockerClient, container: str) -> Mapping[str, Any]:
    """What the engine knows of a container; nothing when it is gone."""
    from docker.errors import NotFound

    try:
        found: Mapping[str, Any] = engine.api.inspect_container(container)
    except NotFound:
        return {}
    return found


def _connect(settings: Settings) -> Any:
    """The engine as a context manager."""
    import contextlib

    import docker

    timeout = round(settings.timeout_s) or 1
    made = (
        docker.DockerClient(base_url=settings.url, timeout=timeout)
        if settings.url
        else docker.from_env(timeout=timeout)
    )
    return contextlib.closing(made)
