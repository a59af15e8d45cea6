"""Alertmanager asked for its alerts (`GET /api/v2/alerts`), for networks in which it can't call us.

What fires is told under the key the webhook would use, so both ways together count once. What is missing in two answers
in turn is resolved (an Alertmanager that has just been started knows nothing yet); what is silenced or inhibited is
neither raised nor resolved.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import Signal, dump, load
from nightshift.daemon.ports import Sink
from nightshift.monitors.alertmanager.message import ALERT_LIMIT, signal_of
from nightshift.monitors.outage import Outage

if TYPE_CHECKING:
    from nightshift.monitors.alertmanager import Settings

_log = logging.getLogger(__name__)
_CHECKPOINT = "alertmanager:firing"
_BODY_LIMIT = 32 << 20


class Unreachable(Exception):
    """No usable answer; the text says why."""


class Poller:
    """A monitor. Alertmanager being away is a state: while it lasts nothing is resolved."""

    name = "alertmanager"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._firing: dict[str, Signal] = {}
        self._absent: set[str] = set()
        self._outage = Outage("alertmanager", f"alertmanager at {redact(settings.poll_url)}", clock)
        if settings.poll_token:
            register_secret(settings.poll_token.get_secret_value())

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Ask until `stop`."""
        self._firing = _known(checkpoints.get(_CHECKPOINT, "{}"))
        backoff = Backoff(first_s=min(1.0, self._settings.poll_interval_s))
        while not stop.is_set():
            wait_s = self._settings.poll_interval_s
            try:
                alerts = self.ask()
            except Unreachable as trouble:
                wait_s = backoff.next_s()
                if lasting := self._outage.missed(str(trouble)):
                    sink(lasting, {})
            else:
                backoff.reset()
                self.compare(alerts, sink)
            stop.wait(wait_s)

    def compare(self, alerts: Sequence[Mapping[str, Any]], sink: Sink) -> None:
        """Tell what fires now and did not, and what did and no longer does; both in one step with the new state."""
        signals, firing, quiet = [], {}, set()
        for alert in alerts[:ALERT_LIMIT]:
            try:
                signal = signal_of({**alert, "status": "firing"}, self._settings.service_labels)
            except ValueError as wrong:
                _log.warning("an alert of alertmanager can't be read: %s", wrong)
                continue
            if _state(alert) == "active":
                firing[signal.key] = signal
            else:
                quiet.add(signal.key)
        signals = [signal for key, signal in firing.items() if key not in self._firing]
        whole = len(alerts) <= ALERT_LIMIT  # or what is missing may only be cut off
        absent = {key for key in self._firing if whole and key not in firing and key not in quiet}
        over, self._absent = absent & self._absent, absent
        signals += [self._ended(self._firing[key]) for key in sorted(over)]
        kept = {key: signal for key, signal in self._firing.items() if key not in over} | firing
        told = {_CHECKPOINT: json.dumps({key: dump(_brief(signal)) for key, signal in kept.items()})}
        signals += self._outage.answered()
        if signals or kept.keys() != self._firing.keys():
            sink(signals, told)
        self._firing = kept

    def _ended(self, signal: Signal) -> Signal:
        key = signal.key.removesuffix(":firing") + ":resolved"
        return replace(signal, key=key, at_ms=self._clock.now_ms(), resolved=True)

    def ask(self) -> list[Mapping[str, Any]]:
        """All alerts Alertmanager holds, silenced ones included. Raises Unreachable."""
        import httpx

        token = self._settings.poll_token
        headers = {"authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        url = f"{self._settings.poll_url.rstrip('/')}/api/v2/alerts"
        try:
            with httpx.stream("GET", url, headers=headers, timeout=self._settings.poll_timeout_s) as answer:
                answer.raise_for_status()
                found = json.loads(_bounded(answer.iter_bytes()))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}"[:300]) from None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Unreachable("the answer is no list of alerts")
        return found


def _bounded(pieces: Iterable[bytes]) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > _BODY_LIMIT:
            raise ValueError(f"more than {_BODY_LIMIT} bytes")
    return bytes(body)


def _state(alert: Mapping[str, Any]) -> str:
    status = alert.get("status")
    return str(status.get("state", "active")) if isinstance(status, dict) else "active"


def _brief(signal: Signal) -> Signal:
    """Enough to tell its end."""
    return replace(signal, message=signal.message[:200], sample="")


def _known(text: str) -> dict[str, Signal]:
    try:
        return {str(key): load(Signal, data) for key, data in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError):
        _log.warning("what fired before can't be read; what fires now is told again, under the same keys")
        return {}
