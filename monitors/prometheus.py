"""Metrics as a source: PromQL rules evaluated here, so that a service without any alerting set-up is watched too."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import Service, Signal
from nightshift.daemon.ports import EnvironmentBroke, Monitor, Sink
from nightshift.monitors.rules import Rule, Sample, States, advance, dump_states, load_states

if TYPE_CHECKING:
    import requests
    from prometheus_api_client import PrometheusConnect

_log = logging.getLogger(__name__)
_STATUS = re.compile(r"HTTP Status Code (\d+)")


class Settings(BaseModel):
    """Where Prometheus answers and which rules are evaluated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "http://127.0.0.1:9090"
    """Base address of the server."""
    rules: tuple[Rule, ...] = Field(min_length=1)
    """The conditions; names must differ."""
    interval_s: float = Field(default=15.0, gt=0)
    """Seconds between evaluations."""
    timeout_s: float = Field(default=10.0, gt=0)
    """Seconds one query may take (the client's own default is forever)."""
    token: SecretStr | None = None
    """Bearer token, if the server wants one."""
    ca_file: Path | None = None
    """Certificates to verify the server with instead of the system's; verification is never off."""

    @field_validator("rules")
    @classmethod
    def _names_differ(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are called {twice[0]!r}")
        return rules


class BadRule(Exception):
    """The server understood the request and refused this expression."""


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:  # noqa: ARG001
    """The monitor; services are named by rules and labels, so none needs to be known here."""
    return PrometheusMonitor(settings, clock)


class PrometheusMonitor:
    """Evaluates every rule each interval; pending and firing states live in checkpoints."""

    name = "prometheus"

    def __init__(self, settings: Settings, clock: Clock, random: Random | None = None) -> None:
        self._settings, self._clock = settings, clock
        self._backoff = Backoff(first_s=min(1.0, settings.interval_s), most_s=60.0, random=random)
        self._bad: set[str] = set()
        self._server = stable_id("server", settings.url)
        if settings.token:
            register_secret(settings.token.get_secret_value())

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`; a server that is down is a state with one line in the log, never an exception."""
        client = _connect(self._settings)
        states = {r.name: load_states(checkpoints.get(self._checkpoint(r), "")) for r in self._settings.rules}
        try:
            while not stop.wait(self._turn(client, states, sink)):
                pass
        finally:
            client.close()

    def _checkpoint(self, rule: Rule) -> str:
        return f"prometheus:{self._server}:{rule.name}"

    def _turn(self, client: PrometheusConnect, states: dict[str, States], sink: Sink) -> float:
        try:
            for rule in self._settings.rules:
                self._evaluate(client, rule, states, sink)
        except EnvironmentBroke as broke:
            if not self._backoff.tries:
                _log.warning("prometheus is down, will keep trying: %s", broke)
            return self._backoff.next_s()
        if self._backoff.tries:
            _log.info("prometheus answers again after %d tries", self._backoff.tries)
            self._backoff.reset()
        return self._settings.interval_s

    def _evaluate(self, client: PrometheusConnect, rule: Rule, states: dict[str, States], sink: Sink) -> None:
        try:
            samples = query(client, rule.expr)
        except BadRule as bad:
            if rule.name not in self._bad:
                _log.error("rule %r can't be evaluated: %s", rule.name, bad)
                self._bad.add(rule.name)
            return
        self._bad.discard(rule.name)
        after, signals = advance(rule, states[rule.name], samples, self._clock.now_ms(), self.name)
        if after != states[rule.name] or signals:
            self._deliver(sink, signals, {self._checkpoint(rule): dump_states(after)})
        states[rule.name] = after

    def _deliver(self, sink: Sink, signals: Sequence[Signal], checkpoints: Mapping[str, str]) -> None:
        for signal in signals:
            _log.info("rule %r %s for %s", signal.title, "cleared" if signal.resolved else "fires", signal.service)
        sink(signals, checkpoints)


def _connect(settings: Settings) -> PrometheusConnect:
    import requests
    from prometheus_api_client import PrometheusConnect
    from urllib3.util.retry import Retry

    session = requests.Session()
    session.verify = str(settings.ca_file) if settings.ca_file else True
    retry = Retry(total=0)  # the loop has its own back-off; the client's would block `stop`
    return PrometheusConnect(
        url=settings.url.rstrip("/"), auth=_auth(settings.token), session=session, retry=retry,
        timeout=settings.timeout_s,
    )  # fmt: skip


def _auth(token: SecretStr | None) -> Callable[[requests.PreparedRequest], requests.PreparedRequest] | None:
    """As `auth`, not as a header: a netrc entry for the host would replace a header."""
    if token is None:
        return None

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        return request

    return sign


def query(client: PrometheusConnect, expr: str) -> list[Sample]:
    """Evaluate now. Raises `BadRule` for an expression the server refuses, `EnvironmentBroke` for anything else."""
    import requests
    from prometheus_api_client.exceptions import PrometheusApiClientException

    try:
        return _samples(client.custom_query(expr))
    except PrometheusApiClientException as error:
        status = _STATUS.search(str(error))
        if status and status[1] in ("400", "422"):
            raise BadRule(redact(str(error))) from None
        raise EnvironmentBroke(redact(str(error))[:300]) from None
    except requests.RequestException as error:
        raise EnvironmentBroke(redact(str(error))[:300]) from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BadRule(f"the answer is neither vector nor scalar ({type(error).__name__})") from None


def _samples(result: Any) -> list[Sample]:
    """A vector, or a scalar ``[time, "value"]``."""
    if len(result) == 2 and not isinstance(result[0], dict):
        return [Sample(labels={}, value=float(result[1]))]
    return [
        Sample(labels={k: v for k, v in row["metric"].items() if k != "__name__"}, value=float(row["value"][1]))
        for row in result
    ]
