"""An event of any Sentry SDK as the signal a log would have given: the same exception in the same frames is the same
incident, whoever saw it. What users typed, sent or are called is not taken over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Severity, Signal
from nightshift.monitors.logs.traceback import Trace
from nightshift.monitors.sentry.exceptions import MESSAGE_CHARS, obj, thrown
from nightshift.monitors.sentry.rendering import told

_SEVERITIES: Mapping[str, Severity] = {
    "fatal": Severity.CRITICAL, "error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO,
    "log": Severity.INFO, "debug": Severity.INFO,
}  # fmt: skip
_COMMIT = re.compile(r"(?:^|[@+-])([0-9a-f]{40}|(?=[0-9]*[a-f])[0-9a-f]{7,39})$")
_MAX_AGE_MS = 30 * 86_400_000
_LABELS = ("release", "environment", "transaction", "platform")


def signal_of(event: Mapping[str, Any], *, project: str, service: str, event_id: str, now_ms: int) -> Signal | None:
    """The signal; None for what is no failure: a message below `error`, or nothing at all."""
    level, platform = str(event.get("level") or "error").lower(), str(event.get("platform") or "")
    severity, message = _SEVERITIES.get(level, Severity.ERROR), message_of(event)
    trace, text = told(thrown(event, platform), platform, fatal=level == "fatal")
    if trace is None and (not message or severity in (Severity.INFO, Severity.WARNING)):
        return None
    return Signal(
        key=f"sentry:{project}:{event_id}", source=f"sentry:{project}", service=service,
        title=_title(trace) if trace else message.partition("\n")[0][:200],
        at_ms=_ms(event.get("timestamp"), now_ms), kind="crash" if trace else "error", severity=severity,
        exception=trace.exception if trace else "", message=trace.message if trace else message,
        frames=trace.frames if trace else (), labels=_labels(event, trace), sample=text or message,
    )  # fmt: skip


def message_of(event: Mapping[str, Any]) -> str:
    """What was logged, for events without an exception."""
    entry = event.get("logentry") or event.get("message")
    if isinstance(entry, dict):
        entry = entry.get("formatted") or entry.get("message")
    return entry[:MESSAGE_CHARS] if isinstance(entry, str) else ""


def _title(trace: Trace) -> str:
    last = next((f for f in reversed(trace.frames) if in_app(f.path)), trace.frames[-1] if trace.frames else None)
    where = f" in {last.function or last.path.rpartition('/')[2]}" if last else ""
    return f"{trace.exception}: {trace.message}"[:200].removesuffix(": ") + where


# ---------------------------------------------------------------- the rest


def _labels(event: Mapping[str, Any], trace: Trace | None) -> dict[str, str]:
    labels = {name: event[name] for name in _LABELS if isinstance(event.get(name), str) and event[name]}
    contexts, tags = obj(event.get("contexts")), event.get("tags")
    labels["trace_id"] = obj(contexts.get("trace")).get("trace_id")
    named = dict(pair for pair in tags if _pair(pair)) if isinstance(tags, list) else obj(tags)
    labels["request_id"] = named.get("request_id")
    sdk = obj(event.get("sdk"))
    labels["sdk"] = f"{sdk['name']} {sdk.get('version', '')}".strip() if sdk.get("name") else None
    if trace:
        labels |= {"group": trace.group, "cause": trace.cause}
    if commit := _COMMIT.search(str(event.get("release") or "")):
        labels["commit"] = commit[1]
    return {name: value[:300] for name, value in labels.items() if isinstance(value, str) and value}


def _pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)


def _ms(stamp: object, now_ms: int) -> int:
    """Seconds, or RFC 3339 (UTC unless it says otherwise). What lies ahead, or thirty days back, is taken for now."""
    try:
        if isinstance(stamp, str) and not stamp.replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(stamp)
            at_ms = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        else:
            at_ms = int(float(stamp) * 1000) if isinstance(stamp, (int, float, str)) else now_ms
    except (ValueError, OverflowError):
        return now_ms
    return at_ms if now_ms - _MAX_AGE_MS <= at_ms <= now_ms else now_ms
