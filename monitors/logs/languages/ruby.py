"""Ruby exceptions as the interpreter prints them (`Exception#full_message`, 2.x to 3.4, either order) and as `Logger`
and Rails log them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Raised, Trace, cap_frames

_HEAD = re.compile(
    r"(?:.*?[\s|\]])??([^\s:][^:]{0,300}):(\d{1,9}):in [`']([^']{1,200})': (.*?)(?: \(([A-Z][\w:]{0,200})\))?\s*$"
)
_FRAME = re.compile(r"\s+(?:\d+: )?from (.{1,300}?):(\d{1,9})(?::in [`'](.{1,200})')?\s*$")
_BARE = re.compile(r"\s*(?:\[[^\]]{1,80}\] )?(?!from )([^\s:][^:]{0,300}):(\d{1,9}):in [`']([^']{1,300})'\s*$")
_LOGGED = re.compile(r"(?:.* -- [^:]{0,100}: )?(.*) \(([A-Z][\w:]{0,200})\)\s*$")
_RAILS = re.compile(r"(?:.*\s)?([A-Z][\w:]{0,200}) \((.*)\):?\s*$")


def is_frame(text: str) -> bool:
    """Whether a line is a frame."""
    return _FRAME.match(text) is not None


def parse(lines: Sequence[str]) -> Trace | None:
    """The exception, its place and the callers; of several chained ones the cause, which Ruby prints last."""
    lines = [line[:2000] for line in lines]
    raised = _logged(lines) if any(_BARE.match(line) for line in lines) else _bottom(lines) or _printed(lines)
    if not raised:
        return None
    about, last = raised[-1], raised[0]
    return Trace(exception=about.exception, message=about.message, frames=cap_frames(about.frames),
                 group="" if last is about else f"{last.exception}: {last.message}"[:300])  # fmt: skip


def _printed(lines: Sequence[str]) -> list[Raised]:
    """Head first, callers below it."""
    raised: list[Raised] = []
    for line in lines:
        if found := _FRAME.match(line):
            if raised and len(raised[-1].frames) < 200:
                raised[-1].frames.insert(0, _frame(found))
        elif found := _HEAD.match(line):
            raised.append(_head(found))
    return raised


def _bottom(lines: Sequence[str]) -> list[Raised]:
    """Callers first, numbered, head below them; the cause comes first then."""
    start = next((n for n, line in enumerate(lines) if line.startswith("Traceback ")), -1)
    raised: list[Raised] = []
    frames: list[Frame] = []
    for line in lines[start + 1 :] if start >= 0 else ():
        if found := _FRAME.match(line):
            frames = [*frames[-200:], _frame(found)]
        elif found := _HEAD.match(line):
            one = _head(found)
            one.frames, frames = [*frames, *one.frames], []
            raised.insert(0, one)
    return raised


def _logged(lines: Sequence[str]) -> list[Raised]:
    """A logger's line that names the exception, then places, innermost first."""
    frames = [_frame(found) for line in lines if (found := _BARE.match(line))][:200]
    for line in lines:
        if found := _RAILS.match(line) if line.rstrip().endswith("):") else _LOGGED.match(line):
            name, message = (found[1], found[2]) if line.rstrip().endswith("):") else (found[2], found[1])
            return [Raised(exception=name, message=message.strip()[:4000], frames=frames[::-1])]
        if found := _HEAD.match(line):
            one = _head(found)
            one.frames = [*frames[::-1], *one.frames]
            return [one]
    return []


def _head(found: re.Match[str]) -> Raised:
    place = Frame(path=found[1], line=int(found[2]), function=found[3])
    return Raised(exception=found[5] or "RuntimeError", message=found[4][:4000], frames=[place])


def _frame(found: re.Match[str]) -> Frame:
    return Frame(path=found[1], line=int(found[2]), function=found[3] or "")
