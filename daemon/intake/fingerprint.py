"""Which signals have one cause? Stable across releases that move lines, hosts, addresses, ids and messages.

A crash is its exception type and the service's own functions on the stack; an alert its labels without those that
name one instance; anything else its text with every token that holds a digit masked (over 16 public log sets that
groups as well as template miners do, at many times their speed).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from nightshift.daemon.intake.template import template
from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Frame, Signal

_VOLATILE = re.compile(
    r"(?i)(?:^|_)(?:pod|pod_name|instance|ip|host|hostname|node|uid|id|replica|replicaset|endpoint|image|fingerprint|"
    r"url|link|links|value|exit_code|timestamp|time|at|prometheus|severity|level|version|revision|release|commit|log|count)$"
    r"|(?i:url|link)$|pod_template_hash|controller_revision_hash"
)
_CACHED_FRAMES = 100
_BUILD = re.compile(r"(?:[0-9a-f]{7,}|v?\d[\w.-]*)$", re.IGNORECASE)


def fingerprint(signal: Signal) -> str:
    """A short stable id, equal for signals of one kind in one service; the service itself is not part of it."""
    if signal.frames:
        stack = tuple([(f.path, f.function) for f in signal.frames])
        return (_crash if len(stack) <= _CACHED_FRAMES else _crash.__wrapped__)(_type(signal.exception), stack)
    if signal.exception:
        return stable_id("fp", "crash", _type(signal.exception), template(signal.message))
    if signal.kind == "error":
        return stable_id("fp", "error", template(signal.title))
    stable = sorted(f"{k}={v}" for k, v in signal.labels.items() if v and not _volatile(k))
    title = "" if "alertname" in signal.labels else template(signal.title)
    return stable_id("fp", signal.source, signal.kind, title, *stable)


@lru_cache(maxsize=512)
def _crash(exception: str, frames: tuple[tuple[str, str], ...]) -> str:
    """In a storm the same stacks come again and again."""
    return stable_id("fp", "crash", exception, *places(Frame(path=p, line=0, function=f) for p, f in frames))


@lru_cache(maxsize=1024)
def _volatile(label: str) -> bool:
    return _VOLATILE.search(label) is not None


def places(frames: Iterable[Frame]) -> list[str]:
    """Where a crash happened, crash site first: each function of the service once, so recursion has no depth.

    Without any frame of the service's own, the three innermost frames stand for it.
    """
    inward = [f for f in reversed(list(frames)) if f.path]
    own = [f for f in inward if in_app(f.path)] or inward[:3]
    return list(dict.fromkeys(f"{module_tail(f.path)}:{f.function}" for f in own))


def module_tail(path: str) -> str:
    """Folder and file of a path; a folder that names a release is left out: `/srv/9f3c2d1/app.py` → `app.py`."""
    parts = [p for p in path.replace("\\", "/").split("/") if p not in ("", ".", "..")]
    folders = [p for p in parts[:-1][-1:] if not _BUILD.match(p)]
    return "/".join([*folders, *parts[-1:]])


def _type(exception: str) -> str:
    """The exception's own name: which module re-exports it changes with refactorings."""
    return exception.rpartition(".")[2]
