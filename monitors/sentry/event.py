"""An event of any Sentry SDK as the signal a log would have given: the same exception in the same frames is the same
incident, whoever saw it. What users typed, sent or are called is not taken over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Frame, Severity, Signal
from nightshift.monitors.logs.traceback import Raised, Trace, cap_frames, choose
from nightshift.monitors.sentry.recorded import locals_of
from nightshift.monitors.sentry.rendering import render

_SEVERITIES: Mapping[str, Severity] = {"fatal": Severity.CRITICAL, "error": Severity.ERROR}
_COMMIT = re.compile(r"(?:^|[@+-])([0-9a-f]{7,40})$")
_MAX_VALUES, _MAX_FRAMES, _MESSAGE_CHARS = 50, 500, 4000
_LABELS = ("release", "environment", "transaction", "platform")


def signal_of(event: Mapping[str, Any], *, project: str, service: str, event_id: str, now_ms: int) -> Signal | None:
    """The signal; None for what is no failure (information, warnings). Raises ValueError for what is no event."""
    severity = _SEVERITIES.get(str(event.get("level") or "error").lower())
    raised = list(_raised(event))
    if severity is None or not (raised or message_of(event)):
        return None
    trace = choose(raised)
    title = _title(trace) if trace else message_of(event).partition("\n")[0][:200]
    return Signal(
        key=f"sentry:{project}:{event_id}", source=f"sentry:{project}", service=service, title=title,
        at_ms=min(now_ms, _ms(event.get("timestamp"), now_ms)), kind="crash" if trace else "error", severity=severity,
        exception=trace.exception if trace else "", message=trace.message if trace else message_of(event),
        frames=trace.frames if trace else (), labels=_labels(event, trace),
        sample=render(raised, python=_python(event)) if raised else message_of(event),
    )  # fmt: skip


def message_of(event: Mapping[str, Any]) -> str:
    """What was logged, for events without an exception."""
    entry = event.get("logentry") or event.get("message")
    if isinstance(entry, dict):
        entry = entry.get("formatted") or entry.get("message")
    return entry[:_MESSAGE_CHARS] if isinstance(entry, str) else ""


def _title(trace: Trace) -> str:
    last = next((f for f in reversed(trace.frames) if in_app(f.path)), trace.frames[-1] if trace.frames else None)
    where = f" in {last.function or last.path.rpartition('/')[2]}" if last else ""
    return f"{trace.exception}: {trace.message}"[:200].removesuffix(": ") + where


# ---------------------------------------------------------------- exceptions


def _raised(event: Mapping[str, Any]) -> Iterator[Raised]:
    """Causes first, then what was raised, then the members of a group."""
    values = _values(event.get("exception"))
    meta = _values(_object(event.get("_meta")).get("exception"), meta=True)
    python = _python(event)
    groups = _groups(values)
    members = []
    for number, value in enumerate(values[:_MAX_VALUES]):
        mechanism = _object(value.get("mechanism"))
        member = _member(mechanism, groups)
        one = Raised(
            exception=_type(value), message=str(value.get("value") or "")[:_MESSAGE_CHARS], member=member,
            frames=list(_frames(value, meta[number] if number < len(meta) else {}, python=python)),
        )  # fmt: skip
        if member:
            members.append(one)
        elif not one.empty():
            yield one
    yield from sorted((one for one in members if not one.empty()), key=lambda one: one.member)


def _values(found: object, *, meta: bool = False) -> list[dict[str, Any]]:
    """SDKs send `{values: [...]}`, some a list, old ones one object; `_meta` numbers its values."""
    if isinstance(found, dict):
        inner = found.get("values", None if meta else [found] if found.get("type") or found.get("value") else [])
        if meta and isinstance(inner, dict):
            return [_object(inner.get(str(n))) for n in range(_MAX_VALUES)]
        found = inner
    return [value for value in found if isinstance(value, dict)] if isinstance(found, list) else []


def _groups(values: list[dict[str, Any]]) -> set[object]:
    mechanisms = (_object(value.get("mechanism")) for value in values)
    return {m["exception_id"] for m in mechanisms if m.get("is_exception_group") and _number(m.get("exception_id"))}


def _member(mechanism: Mapping[str, Any], groups: set[object]) -> int:
    parent, own = mechanism.get("parent_id"), mechanism.get("exception_id")
    return int(own) if _number(parent) and parent in groups and _number(own) and isinstance(own, int) else 0


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _type(value: Mapping[str, Any]) -> str:
    kind, module = str(value.get("type") or ""), str(value.get("module") or "")
    dotted = f"{module}.{kind}" if kind and module and module not in ("builtins", "__main__") else kind
    return dotted[:300]


def _frames(value: Mapping[str, Any], meta: Mapping[str, Any], *, python: bool) -> Iterator[Frame]:
    found = _object(value.get("stacktrace")).get("frames")
    marks = _object(_object(meta.get("stacktrace")).get("frames"))
    frames = [frame for frame in found if isinstance(frame, dict)] if isinstance(found, list) else []
    made = []
    for number, frame in enumerate(frames[-_MAX_FRAMES:], max(0, len(frames) - _MAX_FRAMES)):
        path = str(frame.get("abs_path") or frame.get("filename") or frame.get("module") or "")[:1000]
        line = frame.get("lineno")
        made.append(Frame(
            path=path.removeprefix("file://").removeprefix("app:///"),
            line=line if isinstance(line, int) and 0 < line < 10**9 else 0,
            function=_function(frame, python=python), code=str(frame.get("context_line") or "").strip()[:500],
            locals=locals_of(frame, marks.get(str(number)), python=python) if in_app(path) else (),
        ))  # fmt: skip
    yield from cap_frames(made)


def _function(frame: Mapping[str, Any], *, python: bool) -> str:
    """As a traceback names it: Python's SDK sends qualified names, tracebacks show the last part."""
    name = str(frame.get("function") or "")[:300]
    return name.rpartition(".")[2] if python and not name.endswith(">") else name.rpartition("<locals>.")[2]


# ---------------------------------------------------------------- the rest


def _labels(event: Mapping[str, Any], trace: Trace | None) -> dict[str, str]:
    labels = {name: event[name] for name in _LABELS if isinstance(event.get(name), str) and event[name]}
    contexts, tags = _object(event.get("contexts")), event.get("tags")
    labels["trace_id"] = _object(contexts.get("trace")).get("trace_id")
    named = dict(pair for pair in tags if _pair(pair)) if isinstance(tags, list) else _object(tags)
    labels["request_id"] = named.get("request_id")
    sdk = _object(event.get("sdk"))
    labels["sdk"] = f"{sdk['name']} {sdk.get('version', '')}".strip() if sdk.get("name") else None
    if trace:
        labels |= {"group": trace.group, "cause": trace.cause}
    if commit := _COMMIT.search(str(event.get("release") or "")):
        labels["commit"] = commit[1]
    return {name: value[:300] for name, value in labels.items() if isinstance(value, str) and value}


def _pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)


def _ms(stamp: object, now_ms: int) -> int:
    """Seconds, or RFC 3339 (UTC unless it says otherwise)."""
    try:
        if isinstance(stamp, str) and not stamp.replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(stamp)
            return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))
        return max(0, int(float(stamp) * 1000)) if isinstance(stamp, (int, float, str)) else now_ms
    except (ValueError, OverflowError):
        return now_ms


def _python(event: Mapping[str, Any]) -> bool:
    return str(event.get("platform") or "") == "python"


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
