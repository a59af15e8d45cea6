"""Which places to look at first: what failing tests run and passing ones don't (Ochiai), and where it crashed."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nightshift.daemon.model import Frame
from nightshift.fixers.javascript.grammar import Source, parses
from nightshift.fixers.javascript.site import Edit, Failing, Site

Propose = Callable[[Site], Iterator[Edit]]
_FRAME = re.compile(
    r"(?:^|[\s(])(?:file://)?(?P<path>/[^\s():]+|[\w./@-]+\.[cm]?[jt]sx?):(?P<line>\d+):\d+\)?\s*$", re.M
)
_CRASH = 1.6
_FADES = 0.8


@dataclass(frozen=True)
class Spectrum:
    """Ochiai's suspiciousness per file: `starts` are offsets (UTF-16) from which a value holds.

    Abreu, Zoeteweij, van Gemund: On the accuracy of spectrum-based fault localization, 2007.
    """

    values: Mapping[str, tuple[list[int], list[float]]] = field(default_factory=dict)

    def at(self, path: str, offset: int) -> float:
        """The suspiciousness of an offset, 0 where no failing test came by."""
        starts, values = self.values.get(path, ([], []))
        found = bisect_right(starts, offset) - 1
        return values[found] if found >= 0 else 0.0


def spectrum(tests: Sequence[Mapping[str, Any]]) -> Spectrum:
    """From what every test ran: `covered` maps a path to [start, end, …] of what ran; failing ones have an `error`."""
    failing = sum(1 for test in tests if test.get("error"))
    changes: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for test in tests:
        side = 0 if test.get("error") else 1
        covered = test.get("covered")
        for path, ends in covered.items() if isinstance(covered, dict) else ():
            for start, end in _merged(ends):
                changes[path][start][side] += 1
                changes[path][end][side] -= 1
    return Spectrum({path: _summed(at, failing) for path, at in changes.items()})


def _merged(ends: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Ranges without overlaps: a script that was loaded twice stands there twice."""
    spans = sorted(zip(ends[::2], ends[1::2], strict=False))
    at = -1
    for start, end in spans:
        if end > at:
            yield max(start, at), end
            at = end


def _summed(changes: Mapping[int, list[int]], failing: int) -> tuple[list[int], list[float]]:
    starts, values, bad, good = [], [], 0, 0
    for offset in sorted(changes):
        bad, good = bad + changes[offset][0], good + changes[offset][1]
        starts.append(offset)
        values.append(bad / math.sqrt(failing * (bad + good)) if bad > 0 and failing else 0.0)
    return starts, values


def crash_lines(stacks: Iterable[str], frames: Sequence[Frame], root: str, known: Iterable[str],
                mapped: Mapping[str, str]) -> dict[tuple[str, int], float]:  # fmt: skip
    """Weights of lines that stand in stacks of failures or in the incident's own frames; the crash site most."""
    found: dict[tuple[str, int], float] = {}
    names = set(known)
    for stack in stacks:
        depth = 0
        for match in _FRAME.finditer(stack):
            path = match["path"].removeprefix(f"{root}/")
            path = mapped.get(path, path)
            if path in names:
                key = path, int(match["line"])
                found[key] = max(found.get(key, 0.0), _CRASH * _FADES**depth)
                depth += 1
    for depth, frame in enumerate(reversed(frames)):
        if frame.path in names:
            key = frame.path, frame.line
            found[key] = max(found.get(key, 0.0), _CRASH * _FADES**depth)
    return found


@dataclass(frozen=True)
class Candidate:
    """One edit with what speaks for it."""

    edit: Edit
    score: float


def rank(sources: Mapping[str, Source], suspicion: Spectrum, crashes: Mapping[tuple[str, int], float], failing: Failing,
         propose: Propose, most: int) -> list[Candidate]:  # fmt: skip
    """Candidates, best first: suspiciousness of the place × the template's weight; each text once; only what parses."""
    blind = not suspicion.values
    found: dict[tuple[str, int, int, str], Candidate] = {}
    for source in sources.values():
        for node in source.nodes:
            line = node.start_point[0] + 1
            seen = suspicion.at(source.path, source.unit(node.start_byte)) if not blind else 0.3
            crash = max(crashes.get((source.path, line), 0.0), 0.4 * crashes.get((source.path, line - 1), 0.0))
            place = seen * (1.0 + crash) if seen else 0.5 * crash
            if place <= 0.0:
                continue
            for edit in propose(Site(source, node, failing)):
                key = edit.path, edit.start, edit.end, edit.text
                score = place * edit.weight
                if key not in found or found[key].score < score:
                    found[key] = Candidate(edit, score)
    ordered = sorted(found.values(), key=lambda c: (-c.score, c.edit.path, c.edit.start, c.edit.text))
    return _whole(ordered, sources, most)


def _whole(ordered: list[Candidate], sources: Mapping[str, Source], most: int) -> list[Candidate]:
    kept: list[Candidate] = []
    for candidate in ordered:
        if len(kept) >= most:
            break
        source = sources[candidate.edit.path]
        if source.root.has_error or parses(source.path, candidate.edit.applied(source.data)):
            kept.append(candidate)
    return kept
