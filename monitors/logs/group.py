"""Lines in, signals out: one file's (or stream's) state between lines, the same whatever pieces the bytes came in."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Severity, Signal
from nightshift.monitors.logs.event import Event, Phase, Taken, starts
from nightshift.monitors.logs.json_line import decode, read_json
from nightshift.monitors.logs.record import LEVELS, Record, introduces_crash, level_of, read_record, stamp_ms
from nightshift.monitors.logs.traceback import HEADER, Trace, parse

_log = logging.getLogger(__name__)
JSON_MARKS = (HEADER, "exc_type", "stacktrace")
_SYNTAX_ERRORS = ("SyntaxError", "IndentationError", "TabError")
_DOCKER_KEYS = {"log", "stream", "time", "attrs"}
_SAMPLE_CHARS = 65536


class Grouper:
    """Feed it every line of interest; finished signals gather in `out`."""

    def __init__(
        self, *, service: str, source: str, identity: str, clock: Clock, labels: Mapping[str, str],
        form: str = "auto", errors: bool = False, max_lines: int = 600,
    ) -> None:  # fmt: skip
        self._service, self._source, self._identity, self._clock = service, source, identity, clock
        self._labels, self._form, self._errors, self._max_lines = labels, form, errors, max_lines
        self.out: list[Signal] = []
        self.event: Event | None = None
        self._pending: tuple[int, str] | None = None
        self._previous: tuple[int, str] = (0, "")

    @property
    def idle(self) -> bool:
        """Nothing open: lines without a hit may be skipped."""
        return self.event is None and self._pending is None

    @property
    def ended(self) -> bool:
        """What is open is complete as far as anyone can tell; a little silence makes it so."""
        return self._pending is not None or (self.event is not None and self.event.phase is Phase.ENDED)

    def resume_at(self, position: int) -> int:
        """Where reading must restart so that nothing open gets lost."""
        starts_at = [self.event.resume] if self.event else [self._pending[0]] if self._pending else []
        return min([position, *starts_at])

    def skipped(self, offset: int, raw: bytes) -> None:
        """The last line that was not looked at: the record line of what may follow."""
        self._previous = (offset, raw.decode("utf-8", "replace").rstrip("\r\n"))

    def line(self, offset: int, raw: bytes) -> None:
        """One line (without newline); whatever it holds, the monitor goes on."""
        try:
            self._line(offset, raw)
        except Exception:  # noqa: BLE001 - hostile text found a hole in a parser: said, and the next line is read
            _log.exception("a line at offset %d of %s could not be read", offset, self._source)
            self.event = self._pending = None

    def _line(self, offset: int, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace").rstrip("\r")
        document = decode(text) if self._form != "plain" and "{" in text[:200] else None
        at_ms = None
        if document and text[:1] == "{" and isinstance(document.get("log"), str) and document.keys() <= _DOCKER_KEYS:
            text, at_ms = document["log"].rstrip("\r\n"), stamp_ms(str(document.get("time", "")), 0)
            document = decode(text) if self._form != "plain" else None
        if document is None or not self._document(offset, text, document):
            self._plain(offset, text, at_ms)
        self._previous = (offset, text[:2000])

    def _document(self, offset: int, text: str, document: Mapping[str, object]) -> bool:
        """A JSON record: a signal of its own; an open event sees it as somebody else's line."""
        found = read_json(document, self._clock.now_ms())
        bad = found.record.severity() in (Severity.ERROR, Severity.CRITICAL) and found.record.level != ""
        if found.trace is None and not (self._errors and bad):
            return False
        if self.event and self.event.take(text) is Taken.OVER:
            self.flush()
        sample = text if found.trace is None else _trace_text(found.trace, text)
        self._emit(offset, found.record, found.trace, found.message, sample)
        return True

    def _plain(self, offset: int, text: str, at_ms: int | None) -> None:
        if self.event is not None:
            if self.event.take(text) is not Taken.OVER:
                return
            self.flush()
        if self._pending is not None and not starts(text):
            self.flush()
        if self._form != "json" and not self._one_line(offset, text):
            self._start(offset, text, at_ms)

    def _start(self, offset: int, text: str, at_ms: int | None) -> None:
        if starts(text):
            resume, context = offset, ""
            now_ms = self._clock.now_ms()
            before = text[: max(0, text.find(HEADER))]
            if not before.strip() and introduces_crash(self._previous[1]):
                resume, context = self._previous
            record = read_record(context or before, now_ms)
            if record.at_ms is None and at_ms is not None:
                record = Record(at_ms=at_ms, level=record.level, labels=record.labels)
            self._pending = None
            self.event = Event.start(text, offset=offset, resume=resume, record=record, context=context,
                                     max_lines=self._max_lines)  # fmt: skip
        elif self._errors and level_of(text) in ("error", "critical", "fatal"):
            self._pending = (offset, text[:8192])

    def _one_line(self, offset: int, text: str) -> bool:
        """A traceback escaped into one line, as logfmt writes it."""
        at = text.find(HEADER)
        if at < 0 or "\\n" not in text[at:]:
            return False
        body = text[at:].replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t")
        trace = parse(line.removesuffix('"') for line in body.splitlines())
        if trace is None or not trace.frames:
            return False
        self._emit(offset, read_record(text[:at], self._clock.now_ms()), trace, "", body)
        return True

    def flush(self) -> None:
        """Close what is open: emit it, or forget it when it turned out to be no traceback."""
        event, self.event = self.event, None
        pending, self._pending = self._pending, None
        if event is not None:
            trace = parse(event.lines)
            bogus = trace is None or (event.bare_syntax and not trace.exception.endswith(_SYNTAX_ERRORS))
            if not bogus:
                self._emit(event.offset, event.record, trace, "", "\n".join(event.raw))
        elif pending is not None:
            record = read_record(pending[1], self._clock.now_ms())
            self._emit(pending[0], record, None, pending[1], pending[1])

    def _emit(self, offset: int, record: Record, trace: Trace | None, message: str, sample: str) -> None:
        labels = {**record.labels, **self._labels}
        if trace is not None:
            labels |= {k: v for k, v in (("group", trace.group), ("cause", trace.cause)) if v}
        now_ms = self._clock.now_ms()
        self.out.append(
            Signal(
                key=f"{self._identity}:{offset}", source=self._source, service=self._service,
                title=_title(trace, message), at_ms=now_ms if record.at_ms is None else min(record.at_ms, now_ms),
                kind="crash" if trace else "error", severity=record.severity(),
                exception=trace.exception if trace else "", message=trace.message if trace else message,
                frames=trace.frames if trace else (), labels=labels, sample=sample[:_SAMPLE_CHARS],
            )
        )  # fmt: skip


def _title(trace: Trace | None, message: str) -> str:
    if trace is None:
        return message[:200]
    last = trace.frames[-1] if trace.frames else None
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


__all__ = ["JSON_MARKS", "LEVELS", "Grouper"]
