"""Ruby exceptions as the interpreter prints them (`Exception#full_message`, 2.x to 3.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Trace, cap_frames

_HEAD = re.compile(r"(?:.*?[\s|\]])??(\S[^:]{0,300}):(\d{1,9}):in [`']([^']{1,200})': (.*?)(?: \(([A-Z][\w:]{0,200})\))?\s*$", re.DOTALL)
_FRAME = re.compile(r"\s+(?:\d+: )?from (.{1,300}?):(\d{1,9})(?::in [`'](.{1,200})')?\s*$")


def is_frame(text: str) -> bool:
    """Whether a line is a frame."""
    return _FRAME.match(text) is not None


def parse(lines: Sequence[str]) -> Trace | None:
    """The exception, its place and the callers."""
    frames: list[Frame] = []
    exception = message = ""
    for line in lines:
        if found := _FRAME.match(line):
            frames.insert(0, Frame(path=found[1], line=int(found[2]), function=found[3] or ""))
        elif not exception and (found := _HEAD.match(line)):
            frames.append(Frame(path=found[1], line=int(found[2]), function=found[3]))
            message, exception = found[4], found[5] or "RuntimeError"
    if not exception:
        return None
    return Trace(exception=exception, message=message[:4000], frames=cap_frames(_crash_last(frames, lines)))


def _crash_last(frames: list[Frame], lines: Sequence[str]) -> list[Frame]:
    """The head is printed first and is the crash site; callers follow it."""
    head = next((f for line in lines if (m := _HEAD.match(line)) for f in frames
                 if (f.path, f.line, f.function) == (m[1], int(m[2]), m[3])), None)  # fmt: skip
    return [*(f for f in frames if f is not head), *([head] if head else [])]
