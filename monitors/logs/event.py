"""Which lines belong to one traceback: found by grammar, not by indentation alone, so that other writers of the
same file may interleave a little and every prefix a logger puts before each line is peeled off."""

from __future__ import annotations

import re
from enum import Enum

from nightshift.monitors.logs.grammar import HEAD, MATCHED, OTHERS
from nightshift.monitors.logs.lines import starts_record
from nightshift.monitors.logs.record import Record
from nightshift.monitors.logs.traceback import CAUSE, CONTEXT, DIVIDER, FRAME, GROUP, HEADER, NUMBERED, exception_line

MAX_FOREIGN = 2
MAX_CONTINUATION = 30
MAX_LINE_CHARS = 8192
_SYNTAX = re.compile(r'  File "[^"\n]{1,1000}", line \d{1,9}$')
_DIGITS = re.compile(r"\w*\d\w*")


class Taken(Enum):
    """What an event made of a line: its own, somebody else's in between, or the sign that the event is over."""

    OWN = 0
    FOREIGN = 1
    OVER = 2


class Phase(Enum):
    """Frames are awaited, the exception line has come, or a chain marker promised another traceback."""

    FRAMES = 0
    ENDED = 1
    CHAIN = 2


class Event:
    """A traceback being collected. `offset` is where it starts, `resume` where reading must restart to see it."""

    def __init__(self, *, offset: int, resume: int, record: Record, context: str, max_lines: int) -> None:
        self.offset, self.resume, self.record, self.context = offset, resume, record, context
        self.lines: list[str] = []
        self.raw: list[str] = [context] if context else []
        self.phase = Phase.FRAMES
        self.bare_syntax = False
        self.grouped = False
        self._max_lines = max_lines
        self._prefix: re.Pattern[str] | None = None
        self._settled = True
        self._indent = ""
        self._foreign = 0
        self._continued = 0

    @classmethod
    def start(cls, text: str, *, offset: int, resume: int, record: Record, context: str, max_lines: int) -> Event:
        """An event whose first line is `text`; ask `starts` first."""
        event = cls(offset=offset, resume=resume, record=record, context=context, max_lines=max_lines)
        at = text.find(HEADER)
        if at < 0:
            event.bare_syntax = True
        else:
            event._peel(text[:at])
        event._add(text[at:] if at >= 0 else text, text)
        return event

    def _peel(self, before: str) -> None:
        if before.endswith(GROUP):
            before, self.grouped = before[: -len(GROUP)], True
            self.lines.append(GROUP + HEADER)
        if not before.strip():
            self._indent = before
        elif len(before) <= 400:
            core = before.rstrip()
            masked, last = "", 0
            for run in _DIGITS.finditer(core):
                masked, last = masked + re.escape(core[last : run.start()]) + r"\w+", run.end()
            self._prefix = re.compile(masked + re.escape(core[last:]) + rf" {{0,{len(before) - len(core)}}}")
            self._settled = False

    def take(self, text: str) -> Taken:
        """Judge and, if it is the event's own, keep one more line."""
        body = self._body(text)
        if body is None:
            return self._other()
        if self.grouped and body.lstrip()[:1] in ("|", "+") and self.phase is not Phase.CHAIN:
            done = DIVIDER.match(body) and not NUMBERED.match(body)
            self.phase = Phase.ENDED if done else Phase.FRAMES
            return self._add(body, text)
        if HEADER in body:
            return self._header(body, text)
        if self.phase is Phase.ENDED:
            return self._after(body, text)
        return self._awaited(body, text)

    def _body(self, text: str) -> str | None:
        """The line without the event's prefix or indent; None when it lacks the prefix all other lines have."""
        found = self._prefix.match(text) if self._prefix else None
        if not self._settled:
            if found and _is_content(text[found.end() :]):
                self._settled = True
            elif _is_content(text):
                self._settled, self._prefix = True, None
                return text
        if self._prefix:
            return text[found.end() :] if found else None
        return text[len(self._indent) :] if self._indent and text.startswith(self._indent) else text

    def _header(self, body: str, text: str) -> Taken:
        if self.phase is not Phase.CHAIN:
            return Taken.OVER
        self.phase = Phase.FRAMES
        self.grouped = self.grouped or GROUP + HEADER in body
        return self._add(body, text)

    def _awaited(self, body: str, text: str) -> Taken:
        """A frame, its details, or the exception line (nothing but the next header after a chain marker)."""
        if not body.strip():
            return Taken.OWN
        if self.phase is Phase.FRAMES:
            if body[0] in " \t" or FRAME.match(body):
                return self._add(body, text)
            if exception_line(body) and (self._settled or len(self.lines) > 1):
                self.phase = Phase.ENDED
                return self._add(body, text)
        return self._other()

    def _after(self, body: str, text: str) -> Taken:
        """Behind the exception line: more of its message, notes, or the marker of a chain."""
        if CAUSE in body or CONTEXT in body:
            self.phase = Phase.CHAIN
            return self._add(body, text)
        line = body[:MATCHED].encode("utf-8", "replace")
        if line.startswith(OTHERS) or HEAD.match(line):
            return Taken.OVER  # another language's trace begins
        if body.strip() and (self._foreign or starts_record(line)):
            return self._other()
        self._continued += 1
        return self._add(body, text) if self._continued <= MAX_CONTINUATION else Taken.OVER

    def _other(self) -> Taken:
        self._foreign += 1
        return Taken.OVER if self._foreign > MAX_FOREIGN or self.bare_syntax else Taken.FOREIGN

    def foreign(self) -> Taken:
        """A line that belongs to somebody else, whatever it says."""
        return self._other()

    def forgive(self) -> None:
        """The last foreign line belongs to a trace that is open too: it is no sign that this one is over."""
        self._foreign = max(0, self._foreign - 1)

    def _add(self, body: str, text: str) -> Taken:
        self._foreign = 0
        for kept, line in ((self.lines, body), (self.raw, text)):
            kept.append(line[:MAX_LINE_CHARS])
            if len(kept) > self._max_lines:
                del kept[self._max_lines // 3]
        return Taken.OWN


def starts(text: str) -> bool:
    """Whether a line starts an event: a traceback's header, or the place of a syntax error, which has none."""
    at = text.find(HEADER)
    if at >= 0:
        return text[at + len(HEADER) :].strip() in (":", "")
    return _SYNTAX.match(text) is not None


def _is_content(body: str) -> bool:
    return FRAME.match(body) is not None and body[:1] in (" ", ">")
