"""Who touched the place that crashes: blame of the frames' lines, and the log of the functions around them.

Blame alone is blind to deletions (the commit that took a guard away owns no line any more), so the log of the
function's lines is read too. Only the repository the daemon owns is read, with GitPython.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Diagnosis, Frame, Suspect

if TYPE_CHECKING:
    from git import Repo

_READ_TIMEOUT_S = 30.0
_AROUND_LINES = 10
_FRAME_DECAY = 0.6
_LINE, _FUNCTION_LINE, _FUNCTION_LOG = 1.0, 0.5, 0.7


@dataclass(frozen=True, kw_only=True)
class Revision:
    """What a rationale needs to know of a commit; `summary` is one redacted, printable line."""

    id: str
    parents: tuple[str, ...]
    summary: str
    date: str


@contextmanager
def opened(path: str) -> Iterator[Repo]:
    """The daemon's repository through GitPython, deaf to the configuration of the user and the system."""
    from git import Repo

    with Repo(path) as repo:
        repo.git.update_environment(
            GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", GIT_NO_LAZY_FETCH="1", GIT_TERMINAL_PROMPT="0",
            GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*", LC_ALL="C",
        )  # fmt: skip
        yield repo


def revision(repo: Repo, commit: str) -> Revision:
    """The facts of one commit."""
    found = repo.commit(commit)
    summary = "".join(c for c in str(found.summary) if c.isprintable())[:100]
    date = datetime.fromtimestamp(found.committed_date, UTC).date().isoformat()
    return Revision(id=found.hexsha, parents=tuple(p.hexsha for p in found.parents), summary=redact(summary), date=date)


def first_parents(repo: Repo, tip: str, count: int, *without: str) -> list[str]:
    """The branch's own line of commits, newest first."""
    excluded = [f"^{commit}" for commit in without]
    return str(repo.git.rev_list("--first-parent", f"--max-count={count}", tip, *excluded)).split()


def suspects(repo: Repo, base: str, diagnosis: Diagnosis) -> list[Suspect]:
    """Commits by suspicion, highest first: those the diagnosis names, then blame and log of the frames' places."""
    found: dict[str, Suspect] = {}
    given = (suspect for suspect in diagnosis.suspects if suspect.commit)
    for suspect in (*given, *_of_frames(repo, base, diagnosis.frames)):
        before = found.get(suspect.commit)
        if before is None or suspect.weight > before.weight:
            found[suspect.commit] = suspect
    return sorted(found.values(), key=lambda suspect: -suspect.weight)


def _of_frames(repo: Repo, base: str, frames: Sequence[Frame]) -> Iterator[Suspect]:
    from git import GitCommandError

    bare = BareRepo(str(repo.git_dir))
    for depth, frame in enumerate(reversed(frames)):
        source = bare.read(base, frame.path)
        if source is None:
            continue
        first, last = function_lines(source, frame.line)
        try:
            yield from _of_place(repo, base, frame, (first, last), _FRAME_DECAY**depth)
        except GitCommandError:
            continue


def _of_place(repo: Repo, base: str, frame: Frame, lines: tuple[int, int], weight: float) -> Iterator[Suspect]:
    place = f"{frame.path}:{frame.line}"
    for entry in repo.blame_incremental(base, frame.path, L=f"{lines[0]},{lines[1]}", w=True,
                                        kill_after_timeout=_READ_TIMEOUT_S):  # fmt: skip
        hit = frame.line in entry.linenos
        yield Suspect(path=frame.path, line=frame.line, function=frame.function, commit=entry.commit.hexsha,
                      weight=weight * (_LINE if hit else _FUNCTION_LINE),
                      why=f"it wrote {place}" if hit else f"it wrote lines around {place}")  # fmt: skip
    log = repo.git.log(f"-L{lines[0]},{lines[1]}:{frame.path}", "--format=%H", "--no-patch", "-n", "20", base,
                       kill_after_timeout=_READ_TIMEOUT_S)  # fmt: skip
    for age, commit in enumerate(str(log).split()):
        faded = weight * _FUNCTION_LOG / (1 + age / 4)
        yield Suspect(path=frame.path, line=frame.line, function=frame.function, commit=commit,
                      weight=faded, why=f"it changed the code around {place}")  # fmt: skip


def function_lines(source: bytes, line: int) -> tuple[int, int]:
    """First and last line of the innermost function around a line; ten lines around it where there is none."""
    total = source.count(b"\n") + 1
    line = min(max(line, 1), total)
    spans = [(last - first, first, last) for _, first, last in functions(source) if first <= line <= last]
    if not spans:
        return max(1, line - _AROUND_LINES), min(total, line + _AROUND_LINES)
    return min(spans)[1:]


def functions(source: bytes) -> list[tuple[str, int, int]]:
    """(name, first line, last line) of every Python function, decorators included; [] when it is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    firsts = [min([n.lineno, *(d.lineno for d in n.decorator_list)]) for n in nodes]
    return [(n.name, first, n.end_lineno or n.lineno) for n, first in zip(nodes, firsts, strict=True)]


def top_level_names(source: bytes) -> set[str]:
    """Functions and classes a Python module defines at its top; empty when it is not Python."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {n.name for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
