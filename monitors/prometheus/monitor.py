"""Metrics as a source: PromQL rules and detectors evaluated here, so that a service without any alerting set-up is
watched too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, TypeVar

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import EnvironmentBroke, Sink
from nightshift.monitors.outage import Outage
from nightshift.monitors.prometheus import episodes
from nightshift.monitors.prometheus.client import BadRule, Prometheus, authorization
from nightshift.monitors.prometheus.detectors import DETECTORS
from nightshift.monitors.prometheus.detectors.base import Base
from nightshift.monitors.prometheus.episodes import Episodes, Manner
from nightshift.monitors.rules import Rule, States, advance, dump_states, load_states

if TYPE_CHECKING:
    from nightshift.monitors.prometheus import Settings

_log = logging.getLogger(__name__)
T = TypeVar("T")
SKIPPED = 10
"""So many rounds pass before a detector whose questions were refused or too heavy is tried again."""


class PrometheusMonitor:
    """Evaluates every rule each interval, every detector at its own; what holds lives in checkpoints. A server that is
    down is a state: nothing clears while it lasts, and it is an incident of its own when it lasts."""

    name = "prometheus"

    def __init__(
        self, settings: Settings, clock: Clock, random: Random | None = None, services: frozenset[str] = frozenset()
    ) -> None:
        self._settings, self._clock, self._services = settings, clock, services
        self._backoff = Backoff(first_s=min(1.0, settings.interval_s), most_s=60.0, random=random)
        self._outage = Outage("prometheus", f"prometheus at {redact(settings.url)}", clock, after_s=settings.blind_s)
        self._bad: set[str] = set()
        self._server = stable_id("server", settings.url)
        self._detectors = {name: found for name in DETECTORS if (found := getattr(settings.detectors, name))}
        self._states: dict[str, States] = {}
        self._episodes: dict[str, Episodes] = {}
        self._due_s: dict[str, float] = {}
        for secret in (settings.token, settings.password):
            if secret:
                register_secret(secret.get_secret_value())
                register_secret(authorization(settings).partition(" ")[2])

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`."""
        self._states = {
            r.name: load_states(checkpoints.get(self._checkpoint(r.name), "")) for r in self._settings.rules
        }
        self._episodes = {
            name: episodes.load_episodes(checkpoints.get(self._checkpoint(f"detector:{name}"), ""))
            for name in self._detectors
        }
        server = Prometheus(self._settings)
        try:
            while not stop.wait(self.turn(server, sink)):
                pass
        finally:
            server.close()

    def _checkpoint(self, name: str) -> str:
        return f"prometheus:{self._server}:{name}"

    def turn(self, server: Prometheus, sink: Sink) -> float:
        """One round; how long to wait for the next."""
        try:
            server.answers()
            for rule in self._settings.rules:
                self._evaluate(server, rule, sink)
            self._detect(server, sink)
        except EnvironmentBroke as broke:
            if lasting := self._outage.missed(str(broke)):
                sink(lasting, {})
            return self._backoff.next_s()
        if back := self._outage.answered():
            sink(back, {})
        self._backoff.reset()
        return self._settings.interval_s

    def _evaluate(self, server: Prometheus, rule: Rule, sink: Sink) -> None:
        samples = self._asked(server, f"rule {rule.name!r}", lambda: server.now(rule.expr))
        if samples is None:
            return
        before = self._states.get(rule.name, {})
        after, signals = advance(rule, before, samples, self._clock.now_ms(), self.name)
        if after != before or signals:
            self._deliver(sink, signals, {self._checkpoint(rule.name): dump_states(after)})
        self._states[rule.name] = after

    def _detect(self, server: Prometheus, sink: Sink) -> None:
        """Those that are due; when they take longer than `interval_s`, the rest waits until the rules had a turn."""
        begun_s = self._clock.monotonic()
        for name, settings in sorted(self._detectors.items(), key=lambda item: self._due_s.get(item[0], 0.0)):
            now_s = self._clock.monotonic()
            if now_s - begun_s > self._settings.interval_s:
                return
            if now_s < self._due_s.get(name, now_s):
                continue
            good = self.detect(name, settings, server, sink, self._clock.now_ms())
            pause = 1 if good else SKIPPED
            self._due_s[name] = now_s + pause * self._settings.detect_interval_s

    def detect(self, name: str, settings: Base, server: Prometheus, sink: Sink, now_ms: int) -> bool:
        """One round of one detector, as of a time; whether it could be done."""
        module = import_module(DETECTORS[name])
        findings = self._asked(
            server, f"detector {name!r}", lambda: list(module.look(settings, server, now_ms // 1000))
        )
        if findings is None:
            return False
        manner = Manner(name=name, title=module.TITLE, severity=settings.severity, for_s=settings.for_s,
                        clear_s=settings.clear_s, services=self._services,
                        unseen=getattr(module, "UNSEEN", Manner.unseen),
                        service_labels=settings.service_labels or self._settings.service_labels)  # fmt: skip
        before = self._episodes.get(name, {})
        after, signals = episodes.advance(manner, before, findings, now_ms)
        if after != before or signals:
            self._deliver(sink, signals, {self._checkpoint(f"detector:{name}"): episodes.dump_episodes(after)})
        self._episodes[name] = after
        return True

    def _asked(self, server: Prometheus, what: str, ask: Callable[[], T]) -> T | None:
        """The answer; None when this question is refused or too heavy for a server that answers others. Raises
        EnvironmentBroke when it answers nothing."""
        try:
            found = ask()
        except BadRule as bad:
            self._complain(what, str(bad))
            return None
        except ArithmeticError as error:  # numbers no service has, from an exporter that is wrong
            self._complain(what, f"{type(error).__name__}: {error}")
            return None
        except EnvironmentBroke as broke:
            server.answers()
            self._complain(what, f"the server answers, but not this: {broke}")
            return None
        self._bad.discard(what)
        return found

    def _complain(self, what: str, why: str) -> None:
        if what not in self._bad:
            _log.error("%s can't be evaluated: %s", what, why)
            self._bad.add(what)

    def _deliver(self, sink: Sink, signals: Sequence[Signal], checkpoints: Mapping[str, str]) -> None:
        for signal in signals:
            _log.info("%r %s for %s", signal.title, "cleared" if signal.resolved else "fires", signal.service)
        sink(signals, checkpoints)
