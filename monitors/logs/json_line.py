"""Exceptions inside JSON log lines: as a string anywhere in the record, or as structure with frames and locals.

Understood: any string field that holds a traceback (`exc_info`, `exception`, `stack`, ECS `error.stack_trace`, …),
structlog's `dict_tracebacks`, and the event format of the Sentry SDKs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from nightshift.daemon.model import Frame
from nightshift.monitors.logs.record import Record, epoch_ms, stamp_ms
from nightshift.monitors.logs.traceback import HEADER, Raised, Trace, choose, parse

_TIMES = ("timestamp", "@timestamp", "time", "ts", "asctime", "datetime", "created", "date")
_LEVELS = ("level", "levelname", "severity", "log.level", "lvl")
_RENAMED = {
    "logger_name": "logger", "name": "logger", "method": "request_method", "http_method": "request_method",
    "path": "request_path", "url": "request_path", "uri": "request_path", "requestId": "request_id",
}  # fmt: skip
_SKIPPED = {*_TIMES, *_LEVELS, "message", "event", "msg", "exc_info", "exc_text", "exception", "stack", "traceback"}
_MAX_LABELS, _MAX_VALUE, _MAX_DEPTH = 24, 300, 4


@dataclass(frozen=True, kw_only=True)
class JsonRecord:
    """A decoded line: its circumstances, its message and the trace it carries, if any."""

    record: Record
    message: str
    trace: Trace | None


def decode(text: str) -> dict[str, Any] | None:
    """The JSON object a line is, or ends with after a short prefix; None for anything else."""
    start = text.find("{", 0, 200)
    if start < 0 or not text.rstrip().endswith("}"):
        return None
    try:
        value = orjson.loads(text[start:].encode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def read_json(document: Mapping[str, Any], now_ms: int) -> JsonRecord:
    """What a JSON record says; never raises, whatever the document holds."""
    level = next((_level(document[k]) for k in _LEVELS if isinstance(document.get(k), str | int)), "")
    message = next((document[k] for k in ("event", "message", "msg") if isinstance(document.get(k), str)), "")
    record = Record(at_ms=_time(document, now_ms), level=level, labels=_labels(document, level))
    trace = _trace(document)
    if trace is not None and not trace.message:
        said = next((v for k in ("error", "err") if isinstance(v := document.get(k), str)), message)
        trace = replace(trace, message=said.partition("\n")[0][:4000])
    return JsonRecord(record=record, message=message[:4000], trace=trace)


_NUMBERED = ((60, "fatal"), (50, "error"), (40, "warn"), (30, "info"))


def _level(value: str | int) -> str:
    """A level's name; numbers as pino and bunyan count them."""
    if isinstance(value, str):
        return value.lower()
    return next((name for least, name in _NUMBERED if least <= value < 100), "debug")


def _time(document: Mapping[str, Any], now_ms: int) -> int | None:
    for key in _TIMES:
        value = document.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return epoch_ms(value)
        if isinstance(value, str) and (at := stamp_ms(value, now_ms)) is not None:
            return at
    return None


def _labels(document: Mapping[str, Any], level: str) -> dict[str, str]:
    labels = {"level": level} if level else {}
    request = document.get("request")
    nested = {f"request_{k}": v for k, v in request.items()} if isinstance(request, dict) else {}
    for key, value in (*nested.items(), *document.items()):
        if len(labels) >= _MAX_LABELS or key in _SKIPPED or not isinstance(value, str | int | float | bool):
            continue
        text = value if isinstance(value, str) else orjson.dumps(value).decode() if _small(value) else ""
        if text and HEADER not in text:
            labels.setdefault(_RENAMED.get(key, key)[:60], text[:_MAX_VALUE])
    return labels


def _small(value: float | bool) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _trace(document: Mapping[str, Any]) -> Trace | None:
    for value in _values(document, 0):
        if isinstance(value, str):
            found = parse(value[value.index(HEADER) :].splitlines()) if HEADER in value else None
            if found is None or not found.exception:
                found = _foreign(value) or found
        elif isinstance(value, list):
            found = choose([r for stack in reversed(value[:20]) for r in _structlog(stack, 0)])
        else:
            found = choose([_sentry(one) for one in value["values"][:20] if isinstance(one, dict)])
        if found is not None and (found.exception or found.frames):
            return found
    return None


def _foreign(value: str) -> Trace | None:
    """A trace of another language; only texts of several lines are looked at."""
    from nightshift.monitors.logs.languages import parse_any

    return parse_any(value)


def _values(value: Any, depth: int) -> Iterator[Any]:
    """Every part that may carry a trace: strings, lists of structlog stacks, Sentry's `exception`."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        if value and all(isinstance(v, dict) and "exc_type" in v for v in value):
            yield value
        else:
            for item in value[:50]:
                yield from _values(item, depth + 1)
    elif isinstance(value, dict):
        if isinstance(value.get("values"), list):
            yield value
        for item in list(value.values())[:100]:
            yield from _values(item, depth + 1)


def _structlog(stack: Mapping[str, Any], member: int, depth: int = 0) -> list[Raised]:
    """One stack of `dict_tracebacks` and, behind it, the members of a group, numbered from 1."""
    frames = [_frame(f, "filename", "name", "line", "locals") for f in _dicts(stack.get("frames"))]
    syntax = stack.get("syntax_error")
    if isinstance(syntax, dict):
        frames.append(_frame(syntax, "filename", "name", "line", "locals"))
    found = [Raised(exception=str(stack.get("exc_type") or "")[:200], message=str(stack.get("exc_value") or "")[:4000],
                    frames=frames, member=member)]  # fmt: skip
    members = stack.get("exceptions")
    for stacks in members[:8] if isinstance(members, list) and depth < _MAX_DEPTH else []:
        number = max(r.member for r in found) + 1
        for one in reversed(_dicts(stacks)[:20]):
            found += _structlog(one, number, depth + 1)
    return found


def _sentry(value: Mapping[str, Any]) -> Raised:
    stacktrace = value.get("stacktrace")
    frames = _dicts(stacktrace.get("frames")) if isinstance(stacktrace, dict) else []
    kind, module = str(value.get("type") or ""), str(value.get("module") or "")
    name = kind if not module or module == "builtins" else f"{module}.{kind}"
    paths = [{**f, "filename": f.get("abs_path") or f.get("filename") or ""} for f in frames]
    return Raised(exception=name[:200], message=str(value.get("value") or "")[:4000],
                  frames=[_frame(f, "filename", "function", "context_line", "vars") for f in paths])  # fmt: skip


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [v for v in value[:2000] if isinstance(v, dict)] if isinstance(value, list) else []


def _frame(data: Mapping[str, Any], path: str, function: str, code: str, variables: str) -> Frame:
    line, found = data.get("lineno"), data.get(variables)
    named = list(found.items())[:50] if isinstance(found, dict) else []
    return Frame(
        path=str(data.get(path) or "")[:1000], line=line if isinstance(line, int) and 0 <= line < 2**31 else 0,
        function=str(data.get(function) or "")[:300], code=str(data.get(code) or "").strip()[:500],
        locals=tuple((str(k)[:100], (v if isinstance(v, str) else repr(v))[:2000]) for k, v in named),
    )  # fmt: skip
