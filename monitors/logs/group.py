"""Events in, signals out: what each block of a log says, as the rest of the house understands it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Severity, Signal
from nightshift.monitors.logs import segment
from nightshift.monitors.logs.json_line import decode, read_json
from nightshift.monitors.logs.languages import PARSERS, parse_any
from nightshift.monitors.logs.lines import starts_record
from nightshift.monitors.logs.record import Record, logfmt, read_record
from nightshift.monitors.logs.segment import Block
from nightshift.monitors.logs.tangle import own_lines
from nightshift.monitors.logs.traceback import HEADER, Trace, parse

if TYPE_CHECKING:
    from nightshift.monitors.logs.rules import Rules

_log = logging.getLogger(__name__)
_SAMPLE_CHARS = 65536
_LINE_CHARS = 8192
_STAMP = re.compile(r"^[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?Z|[+-]\d\d:?\d\d)?[\])]?\s+")


class Grouper:
    """Makes signals of one file's (or stream's) events; they gather in `out`.

    `idle`: no event is open; `ended`: the open one is complete as far as anyone can tell. The scanner sets both.
    """

    __slots__ = (
        "_clock",
        "_errors",
        "_identity",
        "_labels",
        "_service",
        "_source",
        "ended",
        "form",
        "idle",
        "known",
        "out",
    )

    def __init__(
        self, *, service: str, source: str, identity: str, clock: Clock, labels: Mapping[str, str],
        form: str = "auto", errors: bool = False, max_lines: int = 600,  # noqa: ARG002 - what files are configured with
    ) -> None:  # fmt: skip
        self._service, self._source, self._identity, self._clock = service, source, identity, clock
        self._labels, self.form, self._errors = labels, form, errors
        self.out: list[Signal] = []
        self.idle, self.ended = True, False
        self.known: object = None

    def count(self, counted: list[tuple[int, int, int]], base: int) -> None:
        """Events of known kinds, for those who have a table of them; here each event is read."""
        raise NotImplementedError

    def read(self, block: Block, lines: list[tuple[int, bytes]], at_ms: int | None = None, key: int = 0) -> None:  # noqa: ARG002
        """One event and its lines with their offsets; whatever it holds, reading goes on."""
        try:
            signal = self._signal(block.kind, lines, at_ms)
        except Exception:  # noqa: BLE001 - hostile text found a hole in a parser: said, and the next event is read
            _log.exception("an event at offset %d of %s could not be read", lines[0][0], self._source)
            return
        if signal is not None:
            self.out.append(signal)

    def judge(self, rules: Rules, offset: int, line: bytes) -> None:
        """Hold one line against the user's rules."""
        rules.judge(line, key=f"{self._identity}:{offset}", service=self._service, source=self._source,
                    labels=self._labels, out=self.out.append)  # fmt: skip

    def _signal(self, kind: int, lines: list[tuple[int, bytes]], at_ms: int | None) -> Signal | None:
        texts = [line[:_LINE_CHARS].decode("utf-8", "replace") for _, line in lines]
        offset, first = lines[0][0], texts[0]
        if kind == segment.JSON:
            return self._document(offset, lines[0][1].decode("utf-8", "replace"), at_ms)
        if kind == segment.LINE:
            return self._line(offset, first, at_ms)
        body = next((n for n, text in enumerate(texts) if HEADER in text), 0) if kind <= segment.PYTHON else 0
        trace, before = self._trace(kind, texts, body)
        if trace is None:
            return self._line(offset, first, at_ms) if self._errors and starts_record(lines[0][1]) else None
        record = read_record(before, self._clock.now_ms())
        return self._made(offset, record, trace, "", "\n".join(texts), at_ms)

    def _trace(self, kind: int, texts: list[str], body: int) -> tuple[Trace | None, str]:
        """The trace, and the record line it belongs to."""
        if kind == segment.PYTHON:
            return parse(texts[body:]), texts[0] if body else ""
        if kind == segment.TANGLED:
            body = next((n for n, text in enumerate(texts) if HEADER in text or text.startswith("  File ")), 0)
            before = texts[0] if body else texts[0][: max(0, texts[0].find(HEADER))]
            return parse(own_lines(texts[body:])), before
        return PARSERS[kind](texts), texts[0] if starts_record(texts[0].encode("utf-8", "replace")) else ""

    def _document(self, offset: int, text: str, at_ms: int | None) -> Signal | None:
        document = decode(text) if self.form != "plain" else None
        if document is None:
            return self._line(offset, text[:_LINE_CHARS], at_ms) if HEADER in text else None
        found = read_json(document, self._clock.now_ms())
        bad = found.record.severity() in (Severity.ERROR, Severity.CRITICAL) and found.record.level != ""
        if found.trace is None and not (self._errors and bad):
            return None
        sample = text if found.trace is None else _trace_text(found.trace, text)
        return self._made(offset, found.record, found.trace, found.message, sample, at_ms)

    def _line(self, offset: int, text: str, at_ms: int | None) -> Signal | None:
        """One line: a trace escaped into it, as logfmt writes it, or an error record."""
        at = text.find(HEADER)
        if at >= 0 and "\\n" in text[at:]:
            body = text[at:].replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t")
            trace = parse(line.removesuffix('"') for line in body.splitlines())
            if trace is not None and trace.frames:
                return self._made(offset, read_record(text[:at], self._clock.now_ms()), trace, "", body, at_ms)
        fields = logfmt(text) if "=" in text else {}
        said = fields.get("msg") or fields.get("message") or ""
        for value in fields.values():
            if "\n" in value and at < 0 and (trace := parse_any(value)) is not None:
                trace = trace if trace.message else replace(trace, message=said)
                return self._made(offset, self._of(fields, text), trace, "", value, at_ms)
        if not self._errors or at >= 0:
            return None
        if said:
            return self._made(offset, self._of(fields, text), None, said, text, at_ms)
        return self._made(offset, read_record(text, self._clock.now_ms()), None, text, text, at_ms)

    def _of(self, fields: Mapping[str, str], text: str) -> Record:
        """What a logfmt record says besides its message."""
        record = read_record(text, self._clock.now_ms())
        named = {key: fields[key][:300] for key in ("request_id", "trace_id", "logger", "component") if fields.get(key)}
        return Record(at_ms=record.at_ms, level=record.level, labels={**named, **record.labels})

    def _made(
        self, offset: int, record: Record, trace: Trace | None, message: str, sample: str, at_ms: int | None
    ) -> Signal:
        labels = {**record.labels, **self._labels}
        if trace is not None:
            labels |= {k: v for k, v in (("group", trace.group), ("cause", trace.cause)) if v}
        now_ms = self._clock.now_ms()
        told_ms = record.at_ms if record.at_ms is not None else at_ms
        return Signal(
            key=f"{self._identity}:{offset}", source=self._source, service=self._service,
            title=_title(trace, message), at_ms=now_ms if told_ms is None else min(told_ms, now_ms),
            kind="crash" if trace else "error", severity=record.severity(),
            exception=trace.exception if trace else "", message=trace.message if trace else message,
            frames=trace.frames if trace else (), labels=labels, sample=sample[:_SAMPLE_CHARS],
        )  # fmt: skip


def _title(trace: Trace | None, message: str) -> str:
    if trace is None:
        return _STAMP.sub("", message, count=1)[:200]
    last = next((f for f in reversed(trace.frames) if in_app(f.path)), trace.frames[-1] if trace.frames else None)
    where = f" in {last.function or last.path.rpartition('/')[2]}" if last else ""
    if not trace.exception:
        return f"traceback without its last line{where}"
    return f"{trace.exception}: {trace.message}"[:200].removesuffix(": ") + where


def _trace_text(trace: Trace, text: str) -> str:
    """The traceback of a JSON record as people read it, then the record itself."""
    lines = ["Traceback (most recent call last):"]
    for frame in trace.frames:
        lines += [f'  File "{frame.path}", line {frame.line}, in {frame.function}', f"    {frame.code}"]
    lines.append(f"{trace.exception}: {trace.message}")
    return "\n".join([*(line for line in lines if line.strip()), text[: _SAMPLE_CHARS // 4]])
