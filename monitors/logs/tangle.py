"""Python traces that aren't alone: behind prefixes, with other writers' lines in between, several at once.

Every line goes to the open trace that owns it (by its prefix, or by the grammar); what nobody owns and looks bad is
an event of its own, so that a line between two frames is never lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightshift.monitors.logs.event import Event, Phase, Taken, starts
from nightshift.monitors.logs.lines import is_bad
from nightshift.monitors.logs.record import Record
from nightshift.monitors.logs.traceback import parse

if TYPE_CHECKING:
    from nightshift.monitors.logs.segment import Block, Text

MAX_OPEN = 16
_SYNTAX_ERRORS = ("SyntaxError", "IndentationError", "TabError")
Line = tuple[int, bytes]


def untangle(text: Text, at: int) -> list[Block]:
    """The events from the trace that starts at `at` to where no trace is open any more. Raises NeedMore."""
    from nightshift.monitors.logs import segment

    begin = segment._record_before(text, at)
    tangle, here = _Tangle(), at
    while here - at < segment.MAX_BYTES:
        if here >= text.stop:
            if not text.final:
                raise segment.NeedMore(begin, ended=all(e.phase is Phase.ENDED for e, _ in tangle.open))
            break
        if (here > at and text.endless(here)) or not tangle.take(here, text.line(here)):
            break
        here = text.after(here)
    context = [(begin, text.line(begin))] if begin < at else []
    traces = [t for t in tangle.traces() if _is_trace(t)]
    if not traces:
        return []
    last = max(t[-1][0] for t in traces)
    events = [(segment.TANGLED, tuple(context + t if t[0][0] == at else t)) for t in traces]
    events += [(segment.LINE, (line,)) for line in tangle.left if line[0] < last and is_bad(line[1])]
    events.sort(key=lambda e: e[1][0][0])
    return [segment.Block(kind, lines[0][0], text.after(last), lines) for kind, lines in events]


class _Tangle:
    """The traces open at once, those that are over, and lines nobody owns."""

    def __init__(self) -> None:
        self.open: list[tuple[Event, list[Line]]] = []
        self._over: list[list[Line]] = []
        self.left: list[Line] = []

    def take(self, at: int, line: bytes) -> bool:
        """Give a line to its owner; False when nothing is open any more."""
        text = line.decode("utf-8", "replace")
        strangers: list[Event] = []
        for event, lines in list(self.open):
            taken = event.take(text)
            if taken is Taken.OWN:
                lines.append((at, line))
                for stranger in strangers:
                    stranger.forgive()
                return True
            if taken is Taken.FOREIGN:
                strangers.append(event)
            else:
                self.open.remove((event, lines))
                self._over.append(lines)
        if starts(text) and len(self.open) < MAX_OPEN and (self.open or not self._over):
            for stranger in strangers:
                stranger.forgive()
            self.open.append((open_event(text), [(at, line)]))
        else:
            self.left.append((at, line))
        return bool(self.open)

    def traces(self) -> list[list[Line]]:
        return [*self._over, *(lines for _, lines in self.open)]


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
