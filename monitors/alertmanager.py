"""Alerts that others already judge: Alertmanager's webhook (version 4) read into signals, one per alert."""

from __future__ import annotations

import hmac
import json
import logging
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import register_secret
from nightshift.daemon.model import Service, Severity, Signal
from nightshift.daemon.ports import EnvironmentBroke, Monitor, Refused, Sink

_log = logging.getLogger(__name__)

BODY_LIMIT = 4 << 20
"""Bytes of one webhook call that are read; more is refused."""
ALERT_LIMIT = 10_000
"""Alerts of one webhook call that are read; more is refused."""
SERVICE_LABELS = ("nightshift_service", "service", "app", "job")
_SEVERITIES: Mapping[str, Severity] = {
    "critical": Severity.CRITICAL, "page": Severity.CRITICAL, "emergency": Severity.CRITICAL,
    "error": Severity.ERROR, "high": Severity.ERROR, "warning": Severity.WARNING, "warn": Severity.WARNING,
    "info": Severity.INFO, "none": Severity.INFO, "low": Severity.INFO,
}  # fmt: skip


class Settings(BaseModel):
    """Who may call the webhook, and how alerts name services."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr | None = None
    """Bearer token a caller must show (`http_config.authorization.credentials` of the receiver)."""
    anonymous: bool = False
    """Take calls without a token; without this and without a token every call is refused."""
    service_labels: tuple[str, ...] = Field(default=SERVICE_LABELS, min_length=1)
    """Labels that name the service; the first one set counts."""


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:  # noqa: ARG001
    """The monitor; the HTTP server calls its `receive`."""
    return AlertmanagerMonitor(settings)


class AlertmanagerMonitor:
    """Waits for webhook calls and hands their signals to the sink; HA pairs send everything twice, keys drop that."""

    name = "alertmanager"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sink: Sink | None = None
        if settings.token:
            register_secret(settings.token.get_secret_value())

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:  # noqa: ARG002
        """Blocks until `stop`; Alertmanager keeps what is refused meanwhile and sends it again."""
        self._sink = sink
        try:
            stop.wait()
        finally:
            self._sink = None

    def receive(self, body: bytes, authorization: str | None) -> int:
        """Handle one call; returns how many signals are durable.

        Raises `Refused` (answer 401), ValueError (400), `EnvironmentBroke` (503) when nobody watches.
        """
        signals = handle(body, authorization, self._settings)
        sink = self._sink
        if sink is None:
            raise EnvironmentBroke("alertmanager: not watching")
        if signals:
            sink(signals, {})
        return len(signals)


def handle(body: bytes, authorization: str | None, settings: Settings) -> list[Signal]:
    """The signals of one call. Raises `Refused` for a wrong or missing token, ValueError for a wrong body."""
    expected = settings.token.get_secret_value() if settings.token else ""
    if expected:
        shown = (authorization or "").partition(" ")
        right = hmac.compare_digest(shown[2].strip().encode(), expected.encode())
        if shown[0].lower() != "bearer" or not right:
            raise Refused("alertmanager webhook: wrong or missing bearer token")
    elif not settings.anonymous:
        raise Refused("alertmanager webhook: no token is configured; set one, or `anonymous: true`")
    return parse_webhook(body, settings.service_labels)


def parse_webhook(body: bytes, service_labels: tuple[str, ...] = SERVICE_LABELS) -> list[Signal]:
    """One signal per alert (by fingerprint) of a version 4 body; unknown fields are ignored.

    Raises ValueError with a text for the caller when the body is not such a message.
    """
    if len(body) > BODY_LIMIT:
        raise ValueError(f"body of {len(body)} bytes; at most {BODY_LIMIT} are read")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"body is not JSON: {type(error).__name__}") from None
    if not isinstance(message, dict) or not isinstance(message.get("alerts"), list):
        raise ValueError("body is no Alertmanager webhook: no list 'alerts'")
    if str(message.get("version", "4")) != "4":
        raise ValueError(f"webhook version {str(message['version'])[:20]!r}; only '4' is understood")
    if len(message["alerts"]) > ALERT_LIMIT:
        raise ValueError(f"{len(message['alerts'])} alerts; at most {ALERT_LIMIT} are read")
    left_out = _left_out(message)
    found = {s.key: s for alert in message["alerts"] for s in [_signal(alert, left_out, service_labels)]}
    return list(found.values())


def _left_out(message: Mapping[str, Any]) -> int:
    count = message.get("truncatedAlerts") or 0
    if not isinstance(count, int) or count <= 0:
        return 0
    _log.warning("alertmanager left %d alerts out of a group (its max_alerts setting)", count)
    return count


def _signal(alert: object, left_out: int, service_labels: tuple[str, ...]) -> Signal:
    if not isinstance(alert, dict):
        raise ValueError("an alert is no object")
    labels, notes = _texts(alert, "labels"), _texts(alert, "annotations")
    status = str(alert.get("status") or "firing")
    if status not in ("firing", "resolved"):
        raise ValueError(f"alert status {status[:20]!r}; known are firing and resolved")
    resolved = status == "resolved"
    fingerprint = str(alert.get("fingerprint") or stable_id("alert", *(f"{k}={v}" for k, v in sorted(labels.items()))))
    starts = str(alert.get("startsAt") or "")
    title = labels.get("alertname") or "alert"
    links: dict[str, str] = {k: notes[k] for k in ("runbook_url", "dashboard_url") if k in notes}
    text = notes.get("summary") or notes.get("description") or title
    return Signal(
        key=f"alertmanager:{fingerprint}:{starts}:{status}", source="alertmanager",
        service=next((labels[n] for n in service_labels if labels.get(n)), "unknown"), title=title,
        at_ms=_ms(alert.get("endsAt") if resolved else starts, "endsAt" if resolved else "startsAt"), kind="alert",
        severity=_SEVERITIES.get(labels.get("severity", "").lower(), Severity.WARNING),
        message=text + (f" ({left_out} more alerts of this group were truncated)" if left_out else ""),
        labels={**labels, **links, "fingerprint": fingerprint}, sample=notes.get("description", ""), resolved=resolved,
    )  # fmt: skip


def _texts(alert: Mapping[str, Any], field: str) -> dict[str, str]:
    found = alert.get(field) or {}
    if not isinstance(found, dict):
        raise ValueError(f"an alert's {field} are no object")
    return {str(k): str(v) for k, v in found.items()}


def _ms(stamp: object, field: str) -> int:
    try:
        moment = datetime.fromisoformat(str(stamp))
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return max(0, int(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise ValueError(f"an alert's {field} is no RFC 3339 time: {str(stamp)[:40]!r}") from None
