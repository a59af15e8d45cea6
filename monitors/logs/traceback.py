"""Reading Python tracebacks as text: chained, grouped, with caret lines, with locals, from any logger.

The grammar is what CPython's `traceback` module prints (3.8 to 3.14), plus loguru's variant of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Frame

HEADER = "Traceback (most recent call last)"
GROUP = "+ Exception Group "
CAUSE = "The above exception was the direct cause of the following exception:"
CONTEXT = "During handling of the above exception, another exception occurred:"
FRAME = re.compile(r'\s*(?:> ?)?File "([^"\n]{1,1000})", line (\d{1,9})(?:, in (.{1,300}))?\s*$')
DIVIDER = re.compile(r" *\+[-+]+(?: (?:\d+|\.\.\.) -+)?\s*$")
NUMBERED = re.compile(r" *\+[-+]+ (?:\d+|\.\.\.) -+\s*$")
_MEMBER = re.compile(r" *\| ?")
_RAISED = re.compile(r"([A-Za-z_][\w.]{0,200}(?:<locals>\.[\w.]{1,200})?)(?::(?: (.*)|$)|$)", re.DOTALL)
_MARKERS = re.compile(r"[\s~^]+$")
_LOCAL = re.compile(r" {4}([A-Za-z_]\w{0,100}) = (.*)$", re.DOTALL)
_LEVELS = {"debug", "info", "notice", "warn", "warning", "error", "critical", "fatal", "trace"}
MAX_FRAMES = 64


@dataclass(kw_only=True)
class Raised:
    """One exception of a traceback. `member` numbers the sub-exception of a group it belongs to (0: none)."""

    exception: str = ""
    message: str = ""
    frames: list[Frame] = field(default_factory=list)
    member: int = 0

    def empty(self) -> bool:
        return not self.exception and not self.frames


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What a signal says of a traceback: the exception it is about and the frames to start from."""

    exception: str
    message: str
    frames: tuple[Frame, ...]
    group: str = ""
    cause: str = ""


def exception_line(text: str) -> tuple[str, str] | None:
    """(type, message) when a line can be the last line of a traceback, else None."""
    found = _RAISED.match(text.rstrip())
    if found is None:
        return None
    name, message = found[1], found[2] or ""
    if name.lower() in _LEVELS or not (name.rpartition(".")[2][:1].isupper() or "." in name):
        return None
    return name, message


def parse(lines: Iterable[str]) -> Trace | None:
    """The trace in collected lines (foreign lines and prefixes already removed); None when there is none."""
    raised = _Reader().read(lines)
    return choose(raised) if raised else None


def choose(raised: list[Raised]) -> Trace | None:
    """What a chain is about: the last one raised; of a group, its first member, which is the bug itself.

    Frames are that exception's; when none of them is the service's own code, those of the nearest one whose are.
    """
    raised = [r for r in raised if not r.empty()]
    if not raised:
        return None
    final = next((r for r in reversed(raised) if not r.member), raised[-1])
    about = _member_of(final, raised)
    sources = [about, final, *reversed(raised)]
    frames = next((r.frames for r in sources if any(in_app(f.path) for f in r.frames)), about.frames or final.frames)
    root = raised[0] if raised[0] is not final and not raised[0].member else None
    return Trace(
        exception=about.exception, message=about.message, frames=cap_frames(frames),
        group=_line(final) if final is not about else "", cause=_line(root) if root else "",
    )  # fmt: skip


def _member_of(final: Raised, raised: list[Raised]) -> Raised:
    if not final.exception.endswith("Group"):
        return final
    members: dict[int, Raised] = {}
    for one in raised[raised.index(final) + 1 :]:
        if one.member:
            members[one.member] = one
    return next((m for m in members.values() if m.exception and not m.exception.endswith("Group")), final)


def _line(raised: Raised) -> str:
    return f"{raised.exception}: {raised.message}"[:300].removesuffix(": ")


def cap_frames(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """At most 64 frames: the outermost 16 and the innermost 48."""
    all_ = tuple(frames)
    return all_ if len(all_) <= MAX_FRAMES else all_[:16] + all_[-48:]


class _Reader:
    """One pass over the lines of a traceback."""

    def __init__(self) -> None:
        self.raised: list[Raised] = [Raised()]
        self.grouped = False
        self.members = 0
        self.frame_open = False

    def read(self, lines: Iterable[str]) -> list[Raised]:
        for line in lines:
            self._line(line)
        return [r for r in self.raised if not r.empty()]

    def _line(self, line: str) -> None:
        if GROUP + HEADER in line:
            self.grouped = True
        elif self.grouped and DIVIDER.match(line):
            self.members += 1
            self._next(self.members if NUMBERED.match(line) else 0)
            return
        member = _MEMBER.match(line) if self.grouped else None
        body = line[member.end() :] if member else line
        if HEADER in body or CAUSE in body or CONTEXT in body:
            self._next(self.raised[-1].member)
        elif found := FRAME.match(body):
            self._frame(found)
        elif body[:1] in (" ", "\t"):
            self._detail(body)
        elif not self.raised[-1].exception and (ended := exception_line(body)):
            self.raised[-1].exception, self.raised[-1].message = ended[0], ended[1][:4000]

    def _next(self, member: int) -> None:
        self.frame_open = False
        if self.raised[-1].empty():
            self.raised[-1].member = member
        else:
            self.raised.append(Raised(member=member))

    def _frame(self, found: re.Match[str]) -> None:
        if self.raised[-1].exception:
            return
        path, line, function = found.groups()
        self.raised[-1].frames.append(Frame(path=path, line=int(line), function=(function or "").strip()))
        self.frame_open = True

    def _detail(self, body: str) -> None:
        """Source line, caret line, or `name = repr` as `capture_locals` prints it after the source line."""
        if not self.frame_open or self.raised[-1].exception or _MARKERS.match(body):
            return
        frames = self.raised[-1].frames
        last = frames[-1]
        if not last.code:
            frames[-1] = _with(last, code=body.strip()[:500])
        elif (found := _LOCAL.match(body)) and len(last.locals) < 50:
            frames[-1] = _with(last, locals=(*last.locals, (found[1], found[2][:2000])))


def _with(frame: Frame, *, code: str | None = None, locals: tuple[tuple[str, str], ...] | None = None) -> Frame:
    return Frame(
        path=frame.path, line=frame.line, function=frame.function,
        code=frame.code if code is None else code, locals=frame.locals if locals is None else locals,
    )  # fmt: skip
