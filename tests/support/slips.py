"""What the template search proposes for a piece of code, without running anything."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.fixers.templates.ranking import Candidate, Evidence, rank
from nightshift.fixers.templates.source import Source

Seen = Mapping[str, str]
NONE: Seen = {}


def ranked(code: str, seen: Seen = NONE, words: tuple[str, ...] = ()) -> list[Candidate]:
    """Every candidate, best first, all lines suspect; `seen` types for the names of every function."""
    lines = range(1, code.count("\n") + 1)
    known = {name: frozenset({kind}) for name, kind in seen.items()}
    suspicion, kinds = {"m.py": dict.fromkeys(lines, 1.0)}, {"m.py": dict.fromkeys(lines, known)}
    evidence = Evidence(suspicion=suspicion, kinds=kinds, words=words)
    return rank({"m.py": Source("m.py", code)}, evidence, 100_000)


def proposed(code: str, seen: Seen = NONE, words: tuple[str, ...] = ()) -> list[str]:
    return [c.edits[0].applied(code) for c in ranked(code, seen, words)]
