"""PHP's exceptions as the engine logs them, as ``(string)$e`` prints them and as Laravel does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Raised, Trace, cap_frames

_HEAD = re.compile(
    r"(?:.*?\[object\] \(|.*?Uncaught (?:exception ')?|Next (?:exception ')?|(?:\[[^\]]{1,60}\] )?(?:.{0,200}?\s)??)"
    r"([A-Za-z_][\w\\]{0,200})(?:\(code: -?\d+\))?'?(?: with message '(.*)'|: (.*?))? (?:in|at) "
    r"([^\n]{1,300}?):(\d{1,9})\)?\s*$",
    re.DOTALL,
)  # fmt: skip
_ENGINE = re.compile(
    r".*?PHP ((?:Recoverable f|F)atal error|Parse error): +(.*) in (\S[^\n]{0,300}) on line (\d{1,9})", re.DOTALL
)
_FRAME = re.compile(r".*?#\d{1,4} (?:(.{1,300}?)\((\d{1,9})\)|\[internal function\]): (.{1,300})$")
_STACK = re.compile(r"(?:PHP )?Stack trace:|\[stacktrace\]|\[previous exception\]|#0 ")


def parse(lines: Sequence[str]) -> Trace | None:
    """The exception that was raised first among those chained, as PHP prints them; its callers are in its stack."""
    raised = _raised(lines)
    if not raised:
        found = _ENGINE.match("\n".join(lines[:30]))
        place = (Frame(path=found[3], line=int(found[4]), function=""),) if found else ()
        return (
            Trace(exception=f"PHP {found[1]}", message=found[2].partition("\n")[0][:4000], frames=place)
            if found
            else None
        )
    if any("[object] (" in line for line in lines):  # JSON inside the line: backslashes are doubled
        raised = [_plain(r) for r in raised]
    about = next((r for r in raised if any(in_app(f.path) for f in r.frames)), raised[0])
    last = raised[-1]
    outer = "" if last is about else f"{last.exception}: {last.message}"[:300].removesuffix(": ")
    return Trace(exception=about.exception, message=about.message, frames=cap_frames(about.frames), group=outer)


def _raised(lines: Sequence[str]) -> list[Raised]:
    """The exceptions in printed order, each with its frames, outermost first."""
    found: list[Raised] = []
    head: list[str] = []
    calls: list[tuple[str, int, str]] = []
    place = ("", 0)
    for line in lines:
        if frame := _FRAME.match(line[:2000]):
            if found and len(calls) < 200:
                calls.append((frame[1] or "", int(frame[2] or 0), frame[3]))
                found[-1].frames = _frames(place, calls)
        elif _STACK.match(line):
            if told := _HEAD.match("\n".join(head[-30:])):
                place, calls = (_path(told[4]), int(told[5])), []
                message = (told[2] or told[3] or "").partition("\n")[0]
                found.append(Raised(exception=told[1], message=message[:4000], frames=_frames(place, calls)))
            head = []
        else:
            head = [line] if line.startswith("Next ") else [*head, line]
    return found


def _plain(raised: Raised) -> Raised:
    frames = [Frame(path=f.path, line=f.line, function=f.function.replace("\\\\", "\\")) for f in raised.frames]
    return Raised(exception=raised.exception.replace("\\\\", "\\"), message=raised.message, frames=frames)


def _path(text: str) -> str:
    """Messages of type errors name two places: the last one counts."""
    return text.rpartition(" defined in ")[2]


def _frames(place: tuple[str, int], calls: Sequence[tuple[str, int, str]]) -> list[Frame]:
    """PHP gives the caller's place with the callee's name."""
    places = [place, *((path, line) for path, line, _ in calls)]
    names = [*(call.partition("(")[0] for _, _, call in calls), "{main}"]
    return [Frame(path=p, line=n, function=f) for (p, n), f in zip(places, names, strict=False) if p][::-1]
