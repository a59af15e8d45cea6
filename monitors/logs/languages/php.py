"""PHP's uncaught exceptions as the engine logs them, with its ``#0 …`` stack."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Trace, cap_frames

_HEAD = re.compile(r".*Uncaught (?:exception ')?([A-Za-z_][\w\\]{0,200})'?(?: with message '(.*)'|: (.*?))? in (\S.{0,300}?):(\d{1,9})\s*$", re.DOTALL)
_FRAME = re.compile(r".*?#\d{1,4} (?:(.{1,300}?)\((\d{1,9})\)|\[internal function\]): (.{1,300})$")
_THROWN = re.compile(r".*\sthrown in (.{1,300}) on line (\d{1,9})\s*$")


def parse(lines: Sequence[str]) -> Trace | None:
    """The exception and its callers; PHP gives the caller's place with the callee's name."""
    head = next((m for line in lines if (m := _HEAD.match(line))), None)
    if head is None:
        return None
    calls = [(m[1] or "", int(m[2] or 0), m[3]) for line in lines if (m := _FRAME.match(line))][:200]
    places = [(head[4], int(head[5])), *((path, line) for path, line, _ in calls)]
    names = [*(_name(call) for _, _, call in calls), "{main}"]
    frames = [Frame(path=p, line=n, function=f) for (p, n), f in zip(places, names, strict=False) if p]
    return Trace(exception=head[1], message=(head[2] or head[3] or "")[:4000], frames=cap_frames(reversed(frames)))


def _name(call: str) -> str:
    return call.partition("(")[0]
