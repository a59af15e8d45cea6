"""Rust panics, with or without a backtrace, as `std::panicking` prints them (before and since 1.73)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Trace, cap_frames

_OLD = re.compile(
    r".*?thread '[^']*'(?: \(\d+\))? panicked at '(.*)', ([^\n]{1,500}?):(\d{1,9}):\d{1,9}\s*(?:\n|$)", re.DOTALL
)
_NEW = re.compile(r".*thread '?[^']*'?(?: \(\d+\))? panicked at (.+?):(\d{1,9}):\d{1,9}:\s*$")
_FUNCTION = re.compile(r"\s+\d{1,5}:\s+(?:0x[0-9a-f]+ - )?(.{1,300})$")
_PLACE = re.compile(r"\s+at (.+?):(\d{1,9})(?::\d{1,9})?\s*$")
_HASH = re.compile(r"::h[0-9a-f]{16}$|\[[0-9a-f]{16}\]")
_MACHINERY = (
    "std::",
    "core::",
    "rust_begin_unwind",
    "__rust",
    "alloc::",
    "_start",
    "__libc",
    "<unknown>",
    "clone",
    "start_thread",
)


def parse(lines: Sequence[str]) -> Trace | None:
    """The panic: its message, and the backtrace, whose innermost frames are the panic's own, or at least the place."""
    for at, line in enumerate(lines):
        if found := _NEW.match(line):
            path, number, message = found[1], int(found[2]), lines[at + 1] if at + 1 < len(lines) else ""
        elif "panicked at '" in line and (found := _OLD.match("\n".join(lines[at : at + 30]))):
            message, path, number = found[1], found[2], int(found[3])
        else:
            continue
        frames = _frames(lines[at:], path, number) or [Frame(path=path, line=number, function="")]
        return Trace(exception="panic", message=message.partition("\n")[0][:4000], frames=cap_frames(frames))
    return None


def _frames(lines: Sequence[str], path: str, number: int) -> list[Frame]:
    """Down to the place that panicked; without a frame there, all but the runtime's own."""
    frames: list[Frame] = []
    function = ""
    for line in lines:
        if found := _FUNCTION.match(line):
            function = _HASH.sub("", found[1])
        elif (found := _PLACE.match(line)) and function:
            frames.insert(0, Frame(path=found[1].removeprefix("./"), line=int(found[2]), function=function))
            function = ""
    for at in range(len(frames) - 1, -1, -1):
        if frames[at].line == number and (frames[at].path.endswith(path) or path.endswith(frames[at].path)):
            frames = frames[: at + 1]
            break
    else:
        frames = [f for f in frames if not f.function.lstrip("<").startswith(_MACHINERY)]
        if frames:
            frames.append(Frame(path=path, line=number, function=""))
    return [f for f in frames if f is frames[-1] or not f.function.lstrip("<").startswith(_MACHINERY)]
