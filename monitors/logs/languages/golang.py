"""Go panics and fatal errors: the message, then goroutines; the first goroutine is the one that failed.

Format: the Go runtime's `printpanics` and `traceback`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Trace, cap_frames

_PANIC = re.compile(r"(?:.*\s)?(panic|fatal error)(?: serving [^\s]{1,300})?: (.*)", re.DOTALL)
_ARGUMENTS = re.compile(r"\((?:[^()]|\([^()]*\))*\)$")
_PLACE = re.compile(r"\t(\S.*):(\d{1,9})(?: \+0x[0-9a-f]+)?(?: [fsp][pc]=.*)?$")
_TYPED = re.compile(r"(runtime error|[\w./*]+Error|\*?[\w./]+\.[A-Z]\w+)(?:: |\()(.*)", re.DOTALL)


def parse(lines: Sequence[str]) -> Trace | None:
    """The panic and the frames of the goroutine it came from."""
    kind, message = "", ""
    frames: list[Frame] = []
    function, inside = "", 0
    for line in lines:
        if not inside and (found := _PANIC.match(line.strip())) and not kind:
            kind, message = found[1], found[2].removesuffix(" [recovered]").removesuffix(" [recovered, repanicked]")
        elif line.startswith("goroutine "):
            inside += 1
            if inside > 1:
                break
        elif inside and (place := _PLACE.match(line)):
            frames.append(Frame(path=place[1], line=int(place[2]), function=function))
        elif inside and line.startswith("panic("):
            frames, function = [], "panic"  # what was printed before are the deferred functions that saw it
        elif inside and line[:1] not in ("\t", " ", ""):
            function = _ARGUMENTS.sub("", line.removeprefix("created by ").partition(" in goroutine")[0])
    if not kind and not frames:
        return None
    own = [f for f in frames if not f.function.startswith(("panic", "runtime.", "runtime/"))] or frames
    name, text = _typed(kind or "panic", message)
    return Trace(exception=name, message=text[:4000], frames=cap_frames(reversed(own)))


def parse_stack(lines: Sequence[str]) -> Trace | None:
    """The stack loggers print (zap, `pkg/errors` with ``%+v``): a function, then its place below it."""
    frames: list[Frame] = []
    first = len(lines)
    for number in range(1, len(lines)):
        place = _PLACE.match(lines[number])
        if place is not None and ".go" in place[1] and lines[number - 1][:1] not in ("\t", " ", ""):
            first = min(first, number - 1)
            frames.append(Frame(path=place[1], line=int(place[2]), function=_ARGUMENTS.sub("", lines[number - 1])))
    if not frames:
        return None
    own = [f for f in frames if not f.function.startswith("runtime.")] or frames
    return Trace(exception="error", message=(lines[0] if first else "")[:4000], frames=cap_frames(reversed(own)))


def _typed(kind: str, message: str) -> tuple[str, str]:
    found = _TYPED.match(message)
    if found is None:
        return kind, message
    return f"{kind}: {found[1]}", found[2]
