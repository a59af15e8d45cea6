"""``at …`` stacks: Java (and Kotlin, Scala), JavaScript on Node, .NET. Told apart by how each frame names its place.

Formats: `Throwable.printStackTrace`, V8's stack trace API, `System.Exception.ToString`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import Raised, Trace, cap_frames

_JAVA = re.compile(r"\s+at (?:[\w.$-]+(?:@[\w.-]+)?/+)*([\w.$<>]+)\.([\w$<>-]+)\((Native Method|Unknown Source|<generated>|<unknown>|[\w$.-]+)(?::(\d{1,9}))?\)")
_NODE = re.compile(r"\s+at (?:async )?(?:(.{1,200}?) \()?((?:file://|node:|[A-Za-z]:[\\/])?[^\s():][^():]{0,300}):(\d{1,9}):\d{1,9}\)?$")
_NET = re.compile(r"\s+at ([\w.`<>\[\],+$|]+)\.([\w`<>\[\],|.]+)\(.{0,500}?\)(?: in (.{1,300}):(?:line )?(\d{1,9}))?\s*$")
_PLAIN = re.compile(r"\s+at (.{1,300})$")
_HEAD = re.compile(
    r"(?:^|[\s(:|\]])(?:Exception in thread \"[^\"]{0,200}\" |Unhandled exception\. |Uncaught |Caused by: |Suppressed: "
    r"|Wrapped by: |\[cause\]: |---> |\(Inner Exception #\d+\) )?"
    r"((?:[A-Za-z_$][\w$]{0,80}[./+])*[A-Z][\w$]{0,100})(?: \[[\w.-]{1,60}\])?(?:: (.*)|:?\s*(?:\{)?$)", re.DOTALL
)  # fmt: skip
_NAMED = re.compile(r"(?:Exception|Error|Throwable|Failure|Fault|Abort|Interrupt|Rejection)$")
_CAUSE = re.compile(r"\s*(?:Caused by: |Wrapped by: |\[cause\]: |---> |\[\[?cause\]?\]: )")
_SUPPRESSED = re.compile(r"\s*(?:Suppressed: |\(Inner Exception #\d+\))")
_INNER_END = re.compile(r"\s*--- End of inner exception")

def is_frame(text: str) -> bool:
    """Whether a line is a frame of such a stack."""
    return text[:1] in " \t" and text.lstrip().startswith("at ") and _frame(text) is not None


def parse(lines: Sequence[str]) -> Trace | None:
    """The trace of one exception and its causes; the deepest cause whose frames are the service's own is the bug."""
    raised = _split(lines)
    if not raised:
        return None
    about = next((r for r in reversed(raised) if any(in_app(f.path) for f in r.frames)), raised[-1])
    if not about.frames:
        about = next((r for r in raised if r.frames), about)
    first = raised[0]
    return Trace(exception=about.exception, message=about.message, frames=cap_frames(about.frames),
                 cause=_line(raised[-1]) if raised[-1] is not about else "",
                 group=_line(first) if first is not about else "")  # fmt: skip


def _split(lines: Iterable[str]) -> list[Raised]:
    """The exceptions, outermost first, frames outermost first. .NET prints inner exceptions' frames before the outer
    one's and says where they end; the others print each exception's frames below it."""
    raised, owner, muted = [Raised()], 0, False
    for line in lines:
        frame = _frame(line) if line.lstrip().startswith("at ") else None
        if frame is not None:
            if not muted and len(raised[owner].frames) < 200:
                raised[owner].frames.insert(0, frame)
        elif _SUPPRESSED.match(line):
            muted = True
        elif _INNER_END.match(line):
            owner = max(0, owner - 1)
        elif (cause := _CAUSE.match(line)) or not raised[owner].frames:
            found = _exception(line[cause.end() :] if cause else line)
            if cause and not raised[-1].empty() and len(raised) < 50:
                raised.append(Raised())
            owner, muted = len(raised) - 1, muted and not cause
            if found and (cause or not raised[-1].exception):
                raised[-1].exception, raised[-1].message = found
    return [r for r in raised if not r.empty()]


def _exception(text: str) -> tuple[str, str] | None:
    """(type, message) named in a line: the last candidate that is named like an exception, else the first."""
    best = None
    for found in _HEAD.finditer(text[:4000]):
        name = found[1].replace("/", ".").replace("$", ".").replace("+", ".")
        if _NAMED.search(name):
            return name, (found[2] or "").strip()[:4000]
        best = best or (name, (found[2] or "").strip()[:4000])
    at = re.search(r"((?:[A-Za-z_$][\w$]{0,80}[.])*[A-Z][\w$]{0,100}(?:Exception|Error|Throwable))(?:: (.*))?", text[:4000])
    if at is not None:
        return at[1].replace("$", "."), (at[2] or "").strip()
    return best if best and text.startswith(best[0]) else None


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
