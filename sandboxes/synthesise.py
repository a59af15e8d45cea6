"""A test made from a traceback whose frames carry their local variables.

Its oracle is only "this recorded call does not crash". So nothing is made when the crash is a `raise` or `assert`
written on purpose (only a person or a failing test can say what right is), when a recorded value is cut, masked or
not rebuilt from its repr, or when the function overwrote its parameters before it crashed. From the crash frame the
search walks outward to the first caller whose recorded arguments can be rebuilt.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Case, Frame
from nightshift.sandboxes.importing import Place, home_of_tests, places
from nightshift.sandboxes.recorded import Call, call_of

ON_PURPOSE = "raised on purpose; only a person or a failing test can say what right is"
_SOURCE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """One drafted test file. `doubt` is the reason to give when it turns out not to be red."""

    path: str
    text: str
    doubt: str


@dataclass(frozen=True, kw_only=True)
class Syntheses:
    """Drafts to try in order, or the reason why there are none."""

    drafts: tuple[Synthesis, ...] = ()
    reason: str = ""


def synthesise(case: Case, repo: BareRepo, tree: Collection[str]) -> Syntheses:
    """Drafts of a test that repeats the recorded call; raises nothing for hostile sources."""
    frames = case.diagnosis.frames
    parsed = {frame.path: _parse(repo, case.base, frame.path) for frame in frames}
    crash = parsed[frames[-1].path]
    if crash is not None and _on_purpose(crash, frames[-1].line):
        return Syntheses(reason=ON_PURPOSE)
    reasons = []
    for frame in reversed(frames):
        module = parsed[frame.path]
        if module is None:
            continue
        call = call_of(frame, module)
        if isinstance(call, Call):
            return Syntheses(drafts=tuple(_drafts(case, frame, call, repo, tree)))
        reasons.append(call)
    return Syntheses(reason=f"no test can be made: {reasons[0]}" if reasons else "the traceback's files are not there")


def _parse(repo: BareRepo, base: str, path: str) -> ast.Module | None:
    source = repo.read(base, path)
    if source is None or len(source) > _SOURCE_BYTES:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _on_purpose(module: ast.Module, line: int) -> bool:
    kinds = (ast.Raise, ast.Assert)
    return any(isinstance(n, kinds) and n.lineno <= line <= (n.end_lineno or n.lineno) for n in ast.walk(module))


def _drafts(case: Case, frame: Frame, call: Call, repo: BareRepo, tree: Collection[str]) -> Iterator[Synthesis]:
    home = home_of_tests(tree)
    path = f"{home}test_nightshift_{stable_id('x', case.id, frame.path, frame.function).partition('-')[2]}.py"
    for place in places(frame.path, repo, case.base, tree):
        yield Synthesis(
            path=path, text=_text(case, frame, call, place, path.count("/")),
            doubt=f"calling {frame.function} with the recorded values does not raise {_short(case)} again",
        )  # fmt: skip


def _short(case: Case) -> str:
    return case.diagnosis.exception.rpartition(".")[2]


def _text(case: Case, frame: Frame, call: Call, place: Place, depth: int) -> str:
    root = f"str(Path(__file__).resolve().parents[{depth}]{f' / {place.root!r}' if place.root else ''})"
    body = "\n".join(f"    {line}" for line in call.lines(place.module))
    return (
        f'"""Made by Nightshift: repeats the call that raised {_short(case)} in {frame.function}, '
        f'with the values recorded then."""\n\n'
        f"import sys\nfrom pathlib import Path\n\n"
        f"sys.path.insert(0, {root})\n\n\n"
        f"def test_recorded_call_does_not_raise() -> None:\n{body}\n"
    )
