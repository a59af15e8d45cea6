"""Alertmanager's words: its webhook (version 4) and its API's alerts, read into signals, one per alert."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Severity, Signal

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
    more = f" ({left_out} more alerts of this group were truncated)" if left_out else ""
    group = str(message.get("groupKey") or "")
    found = [signal_of(alert, service_labels, more=more, group=group) for alert in message["alerts"]]
    return list({signal.key: signal for signal in found}.values())


def _left_out(message: Mapping[str, Any]) -> int:
    count = message.get("truncatedAlerts") or 0
    if not isinstance(count, int) or count <= 0:
        return 0
    _log.warning("alertmanager left %d alerts out of a group (its max_alerts setting)", count)
    return count


def signal_of(alert: object, service_labels: tuple[str, ...], *, more: str = "", group: str = "") -> Signal:
    """One alert as a signal; the same alert has the same key by webhook and by API. Raises ValueError."""
    if not isinstance(alert, dict):
        raise ValueError("an alert is no object")
    labels, notes = _texts(alert, "labels"), _texts(alert, "annotations")
    resolved = _resolved(alert)
    starts_ms, fingerprint = ms(alert.get("startsAt"), "startsAt"), fingerprint_of(alert)
    title = labels.get("alertname") or "alert"
    links: dict[str, str] = {k: notes[k] for k in ("runbook_url", "dashboard_url") if k in notes}
    told = {**links, "fingerprint": fingerprint, **({"alert_group": group} if group else {})}
    return Signal(
        key=f"alertmanager:{fingerprint}:{starts_ms}:{'resolved' if resolved else 'firing'}", source="alertmanager",
        service=next((labels[n] for n in service_labels if labels.get(n)), "unknown"), title=title,
        at_ms=ms(alert.get("endsAt"), "endsAt") if resolved else starts_ms, kind="alert",
        severity=_SEVERITIES.get(labels.get("severity", "").lower(), Severity.WARNING),
        message=(notes.get("summary") or notes.get("description") or title) + more,
        labels={**labels, **told}, sample=notes.get("description", ""), resolved=resolved,
    )  # fmt: skip


def fingerprint_of(alert: Mapping[str, Any]) -> str:
    """Alertmanager's own name for an alert; made of its labels when it has none."""
    given, labels = alert.get("fingerprint"), _texts(alert, "labels")
    return str(given or stable_id("alert", *(f"{k}={v}" for k, v in sorted(labels.items()))))


def _resolved(alert: Mapping[str, Any]) -> bool:
    status = str(alert.get("status") or "firing")
    if status not in ("firing", "resolved"):
        raise ValueError(f"alert status {status[:20]!r}; known are firing and resolved")
    return status == "resolved"


def _texts(alert: Mapping[str, Any], field: str) -> dict[str, str]:
    found = alert.get(field) or {}
    if not isinstance(found, dict):
        raise ValueError(f"an alert's {field} are no object")
    return {str(k): str(v) for k, v in found.items()}


def ms(stamp: object, field: str) -> int:
    """An RFC 3339 time in Unix milliseconds. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(str(stamp))
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return max(0, int(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise ValueError(f"an alert's {field} is no RFC 3339 time: {str(stamp)[:40]!r}") from None
