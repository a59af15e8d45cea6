"""Rust panics, with or without a backtrace, as `std::panicking` prints them (before and since 1.73)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Trace, cap_frames

_OLD = re.compile(r".*thread '[^']*'(?: \(\d+\))? panicked at '(.*)', (.+?):(\d{1,9}):\d{1,9}\s*$", re.DOTALL)
_NEW = re.compile(r".*thread '?[^']*'?(?: \(\d+\))? panicked at (.+?):(\d{1,9}):\d{1,9}:\s*$")
_FUNCTION = re.compile(r"\s+\d{1,5}:\s+(?:0x[0-9a-f]+ - )?(.{1,300})$")
_PLACE = re.compile(r"\s+at (.+?):(\d{1,9})(?::\d{1,9})?\s*$")
_MACHINERY = ("std::", "core::", "rust_begin_unwind", "__rust", "alloc::", "_start", "__libc", "<unknown>", "clone", "start_thread")


def parse(lines: Sequence[str]) -> Trace | None:
    """The panic: its message, and the backtrace or at least the place."""
    message, place, at = "", None, -1
    for number, line in enumerate(lines):
        if found := _OLD.match(line):
            message, place, at = found[1], (found[2], int(found[3])), number
        elif found := _NEW.match(line):
            place, at = (found[1], int(found[2])), number
            message = lines[number + 1] if number + 1 < len(lines) else ""
        if place:
            break
    if place is None:
        return None
    frames = _frames(lines[at:])
    if not any(f.path.endswith(place[0]) or place[0].endswith(f.path) for f in frames if f.path):
        frames.append(Frame(path=place[0], line=place[1], function=frames[-1].function if frames else ""))
    return Trace(exception="panic", message=message[:4000], frames=cap_frames(frames))


def _frames(lines: Sequence[str]) -> list[Frame]:
    frames: list[Frame] = []
    function = ""
    for line in lines:
        if found := _FUNCTION.match(line):
            function = re.sub(r"::h[0-9a-f]{16}$", "", found[1])
        elif (found := _PLACE.match(line)) and function and not function.startswith(_MACHINERY):
            frames.insert(0, Frame(path=found[1].removeprefix("./"), line=int(found[2]), function=function))
            function = ""
    return frames
