"""``at …`` stacks: Java (and Kotlin, Scala), JavaScript on Node, .NET. Told apart by how each frame names its place.

Formats: `Throwable.printStackTrace`, V8's stack trace API, `System.Exception.ToString`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Raised, Trace, cap_frames

_JAVA = re.compile(
    r"\s+at (?:[\w.$-]+(?:@[\w.-]+)?/+)*([\w.$<>]+)\.([\w$<>-]+)\((Native Method|Unknown Source|"
    r"<generated>|<unknown>|[\w$.-]+)(?::(\d{1,9}))?\)"
)
_NODE = re.compile(
    r"\s+at (?:async )?(?:(.{1,200}?) \()?((?:file://|node:|[A-Za-z]:[\\/])?[^\s():][^():]{0,300"
    r"}):(\d{1,9}):\d{1,9}\)?[,\s{]*$"
)
_NET = re.compile(
    r"\s+at ([\w.`<>\[\],+$|]+)\.([\w`<>\[\],|.]+)\(.{0,500}?\)(?: in (.{1,300}):(?:line )?(\d{1,9}))?(?:<---)?\s*$"
)
_PLAIN = re.compile(r"\s+at (.{1,300})$")
_HEAD = re.compile(
    r"\s*(?:Exception in thread \"[^\"]{0,200}\" |Unhandled exception\. |Uncaught (?:exception )?"
    r"|Caused by: |Suppressed: "
    r"|Wrapped by: |\[cause\]: |---> |\(Inner Exception #\d+\) |\[(?=\w+:))*"
    r"((?:[A-Za-z_$][\w$]{0,80}[./+])*[A-Z][\w$]{0,100}(?:`\d)?)(?: \[[\w.-]{1,60}\])?(?:: (.*)|"
    r"\]?:? ?[{,]?$)", re.DOTALL
)  # fmt: skip
_NAMED = re.compile(r"(?:Exception|Error|Throwable|Failure|Fault|Abort|Interrupt|Rejection|Panic)$")
_WITHIN = re.compile(
    r"(?:^|[\s(:\[|\"'=])((?:[A-Za-z_$][\w$]{0,80}[./+])*[A-Z][\w$]{0,100}?(?:Exception|Error|Th"
    r"rowable))(?![\w$])(?:: (.*))?",
    re.DOTALL,
)
_OMITTED = re.compile(r"\s*\.\.\. (\d{1,6}) (?:more|common frames)")
_LEVELS = frozenset(("ERROR", "SEVERE", "FATAL", "WARN", "WARNING", "CRITICAL", "INFO", "DEBUG", "E", "F"))
_CAUSE = re.compile(r"\s*(?:Caused by: |Wrapped by: |\[cause\]: |---> |\[\[?cause\]?\]: )")
_SUPPRESSED = re.compile(r"\s*(?:Suppressed: |(?:---> )?\(Inner Exception #\d+\))")
_INNER_END = re.compile(r"\s*--- End of inner exception")


def is_frame(text: str) -> bool:
    """Whether a line is a frame of such a stack."""
    return text[:1] in " \t" and text.lstrip().startswith("at ") and _frame(text) is not None


def parse(lines: Sequence[str]) -> Trace | None:
    """The trace of one exception and its causes: the deepest cause whose frames are the service's own is the bug."""
    raised = _split(lines)
    if not raised:
        return None
    own = [n for n, r in enumerate(raised) if any(in_app(f.path) for f in r.frames)]
    deepest = own[-1] if own else max((n for n, r in enumerate(raised) if r.frames), default=0)
    about, first, last = raised[deepest], raised[0], raised[-1]
    return Trace(exception=about.exception, message=about.message, frames=cap_frames(about.frames),
                 cause=_line(last) if last is not about else "",
                 group=_line(first) if first is not about else "")  # fmt: skip


def _split(lines: Sequence[str]) -> list[Raised]:
    """The exceptions, outermost first, frames outermost first. .NET prints inner exceptions' frames before the outer
    one's and says where they end; the others print each exception's frames below it."""
    first = next((n for n, line in enumerate(lines) if is_frame(line)), len(lines))
    raised, owner, muted, inside_out = [Raised()], 0, False, False
    raised[0].exception, raised[0].message = _named(lines[:first]) or ("", "")
    for line in lines:
        here, frame = raised[owner], _frame(line) if is_frame(line) else None
        if frame is not None:
            if not muted and len(here.frames) < 200:
                here.frames.insert(0, frame)
        elif (found := _OMITTED.match(line)) and owner and not muted:
            here.frames[:0] = raised[owner - 1].frames[: int(found[1])]
        elif _SUPPRESSED.match(line):
            muted = True
        elif _INNER_END.match(line):
            owner, inside_out = max(0, owner - 1), True
        elif cause := _CAUSE.match(line):
            if not raised[-1].empty() and len(raised) < 50:
                raised.append(Raised())
            owner, muted = len(raised) - 1, False
            raised[-1].exception, raised[-1].message = _exception(line[cause.end() :]) or ("", "")
        elif here.frames and line[:1] == " " and (found_ := _exception(line)) and _NAMED.search(found_[0]):
            muted = True  # the second one of several errors; the first is told
    for outer, inner in pairwise(raised if inside_out else ()):  # .NET's inner ones stop where they were caught
        inner.frames[:0] = outer.frames
    return [r for r in raised if not r.empty()]


def _named(lines: Sequence[str]) -> tuple[str, str] | None:
    """The exception the lines above the first frame name: one that starts a line, else one within the record's line."""
    heads = [line for line in lines if not _CAUSE.match(line)][:40]
    anchored = [found for line in heads if (found := _exception(line))]
    named = [found for found in anchored if _NAMED.search(found[0])]
    dotted = [found for found in anchored if "." in found[0]]
    if named or dotted:
        return (named or dotted)[0]
    within = next((inside for line in heads if (inside := _WITHIN.search(line[:4000]))), None)
    if within is not None:
        return within[1], (within[2] or "").strip()[:4000]
    return anchored[-1] if anchored else None


def _exception(text: str) -> tuple[str, str] | None:
    """(type, message) when a line starts with an exception."""
    found = _HEAD.match(text[:4000].rstrip())
    if found is None or found[1] in _LEVELS:
        return None
    return found[1], (found[2] or "").removesuffix(" {").removesuffix("]" if text[:1] == "[" else "").strip()[:4000]


def _frame(text: str) -> Frame | None:
    text = text[:1000].rstrip()
    if found := _JAVA.match(text):
        owner, function, file, line = found.groups()
        folder = owner.rpartition(".")[0].replace(".", "/")
        name = owner.rpartition(".")[2].partition("$")[0]
        path = f"{folder}/{file if file.endswith(('.java', '.kt', '.scala', '.groovy', '.clj')) else name}".lstrip("/")
        return Frame(path=path, line=int(line or 0), function=f"{name}.{function}")
    if found := _NODE.match(text):
        path = found[2].removeprefix("file://")
        return Frame(path=path, line=int(found[3]), function=(found[1] or "").strip())
    if found := _NET.match(text):
        owner = found[1].rpartition(".")[2]
        path = (found[3] or found[1].replace(".", "/")).replace("\\", "/")
        return Frame(path=path, line=int(found[4] or 0), function=f"{owner}.{found[2]}")
    if found := _PLAIN.match(text):
        return Frame(path="", line=0, function=found[1][:300])
    return None


def _line(raised: Raised) -> str:
    return f"{raised.exception}: {raised.message}"[:300].removesuffix(": ")
