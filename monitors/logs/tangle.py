"""Python traces that aren't alone: behind prefixes, with other writers' lines in between, several at once.

Every line goes to the open trace that owns it (by its prefix, or by the grammar); what nobody owns and looks bad is
an event of its own, so that a line between two frames is never lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightshift.monitors.logs.event import Event, Phase, Taken, starts
from nightshift.monitors.logs.json_bytes import json_is_event
from nightshift.monitors.logs.lines import is_bad, starts_record
from nightshift.monitors.logs.record import Record
from nightshift.monitors.logs.traceback import GROUP, HEADER, parse

if TYPE_CHECKING:
    from nightshift.monitors.logs.segment import Block, Text

MAX_OPEN = 16
_SYNTAX_ERRORS = ("SyntaxError", "IndentationError", "TabError")
Line = tuple[int, bytes]


def untangle(text: Text, at: int, begin: int) -> list[Block]:
    """The events from the trace that starts at `at` to where no trace is open any more; `begin` is where the record
    starts that it belongs to. Raises NeedMore."""
    from nightshift.monitors.logs import segment

    tangle, here = _Tangle(), at
    while here - at < segment.MAX_BYTES:
        if here >= text.stop:
            if not text.final:
                raise segment.NeedMore(begin, ended=all(o.event.phase is Phase.ENDED for o in tangle.open))
            break
        if (here > at and text.endless(here)) or not tangle.take(here, text.line(here)):
            break
        here = text.after(here)
    context = [(begin, text.line(begin))] if begin < at else []
    traces = [one for one in tangle.traces() if _is_trace(one.lines)]
    text.patience.spend(0 if traces else len(tangle.left) + sum(len(one.lines) for one in tangle.traces()))
    if not traces:
        return []
    last = max(one.lines[-1][0] for one in traces)
    spoken = {line for one in traces for line in one.context}
    tangle.left = [line for line in tangle.left if line not in spoken]
    events = [(segment.TANGLED, (*(context if t.lines[0][0] == at else t.context), *t.lines)) for t in traces]
    events += [(_kind(text, line[1]), (line,)) for line in tangle.left if line[0] < last and _tells(text, line[1])]
    events.sort(key=lambda e: e[1][0][0])
    return [segment.Block(kind, lines[0][0], text.after(last), lines) for kind, lines in events]


def _kind(text: Text, line: bytes) -> int:
    from nightshift.monitors.logs import segment

    return segment.JSON if line[:1] == b"{" and text.form != "plain" else segment.LINE


def _tells(text: Text, line: bytes) -> bool:
    """Whether a line nobody owns is an event by itself."""
    return json_is_event(line) if line[:1] == b"{" and text.form != "plain" else text.errors and is_bad(line)


class _Open:
    """A trace being collected; `prefix` is what stands before its header. Once a line had exactly that prefix, only
    such lines are its own: `[pid 12]` and `[pid 13]` are two writers, while timestamps differ from line to line.
    `context` is the error record right above, if nobody owns it."""

    __slots__ = ("context", "event", "exact", "lines", "prefix")

    def __init__(self, text: str, at: int, line: bytes, above: Line | None) -> None:
        self.event, self.lines, self.exact = open_event(text), [(at, line)], False
        self.prefix = _prefix(text)
        self.context = [above] if above and not self.prefix and _is_record(above[1]) else []

    def has(self, text: str) -> bool:
        """Whether a line has exactly this trace's prefix."""
        return self.prefix.strip(" |") != "" and text.startswith(self.prefix.rstrip())


class _Tangle:
    """The traces open at once, those that are over, and lines nobody owns."""

    def __init__(self) -> None:
        self.open: list[_Open] = []
        self._over: list[_Open] = []
        self.left: list[Line] = []
        self._above: Line | None = None

    def take(self, at: int, line: bytes) -> bool:
        """Give a line to its owner; False when nothing is open any more."""
        text = line.decode("utf-8", "replace")
        above, self._above = self._above, None
        if starts(text) and self._is_over(text):
            return False
        another = 0 < len(self.open) < MAX_OPEN and self._begins_another(text)
        if not another and self._owned(at, line, text):
            return True
        if starts(text) and len(self.open) < MAX_OPEN and (self.open or not self._over):
            self.open.append(_Open(text, at, line, above))
        else:
            self._above = (at, line)
            self.left.append(self._above)
        return bool(self.open)

    def _is_over(self, text: str) -> bool:
        """Whether a header comes behind a prefix when all open traces have ended and have none."""
        alone = all(o.event.phase is Phase.ENDED and not o.prefix for o in self.open)
        return bool(self.open) and alone and _prefix(text).strip(" |") != ""

    def _begins_another(self, text: str) -> bool:
        """Whether a header is another writer's: no open trace awaits one, and none has its prefix."""
        return (
            starts(text)
            and not any(o.event.phase is Phase.CHAIN or o.has(text) for o in self.open)
            and (_prefix(text).strip(" |") != "")
        )

    def _owned(self, at: int, line: bytes, text: str) -> bool:
        strangers: list[Event] = []
        exact = [o for o in self.open if o.has(text)]
        for one in exact or list(self.open):
            if one.exact and not exact:
                strangers.append(one.event)
                continue
            taken = one.event.take(text)
            if taken is Taken.OWN:
                one.lines.append((at, line))
                one.exact = one.exact or bool(exact)
                for stranger in strangers:
                    stranger.forgive()
                return True
            if taken is Taken.FOREIGN:
                strangers.append(one.event)
            else:
                self.open.remove(one)
                self._over.append(one)
        if not exact:
            for one in [o for o in self.open if o.exact]:
                self._foreign(one)
        return False

    def _foreign(self, one: _Open) -> None:
        """A line that is not of this writer; too many of them, and the trace is over."""
        if one.event.foreign() is Taken.OVER:
            self.open.remove(one)
            self._over.append(one)

    def traces(self) -> list[_Open]:
        return [*self._over, *self.open]


def _is_record(line: bytes) -> bool:
    return line[:1] != b"{" and starts_record(line) and is_bad(line)


def _prefix(text: str) -> str:
    """What stands before a header."""
    return text[: max(0, text.find(HEADER))].removesuffix(GROUP)


def open_event(text: str) -> Event:
    """A trace that starts with this line."""
    return Event.start(text, offset=0, resume=0, record=Record(), context="", max_lines=600)


def own_lines(lines: list[str]) -> list[str]:
    """The lines of a trace without the prefix all of them have."""
    event = open_event(lines[0])
    for line in lines[1:]:
        event.take(line)
    return event.lines


def _is_trace(lines: list[Line]) -> bool:
    texts = [line.decode("utf-8", "replace") for _, line in lines]
    event = open_event(texts[0])
    for text in texts[1:]:
        event.take(text)
    trace = parse(event.lines)
    return trace is not None and not (event.bare_syntax and not trace.exception.endswith(_SYNTAX_ERRORS))
