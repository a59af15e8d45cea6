"""Candidates in portions: the most suspicious lines first, so that the worker need not wait for the rest to be drafted.

Drafting every edit of a long function takes longer than trying the likely ones. A thread drafts the next portion while
the worker tries this one; it ends as soon as nobody wants more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from nightshift.fixers.templates.ranking import Candidate, Evidence, Propose, rank
from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit, Source

FIRST, SECOND = 16, 64
"""Suspicious lines in the first portion and in the second; the third has the rest."""


class _Enough(Exception):
    """Nobody wants more candidates."""


def portions(evidence: Evidence) -> list[Evidence]:
    """The evidence split by suspicion, likeliest lines first. Equal suspicion stays together within reason; frames of
    crashes are all in the first part."""
    ranked = sorted(
        ((s, path, n) for path, lines in evidence.suspicion.items() for n, s in lines.items()),
        key=lambda row: (-row[0], row[1], row[2]),
    )
    cuts = [_cut(ranked, FIRST), _cut(ranked, SECOND)]
    parts = [ranked[: cuts[0]], ranked[cuts[0] : max(cuts)], ranked[max(cuts) :]]
    return [
        replace(evidence, suspicion=_by_path(part), crashes=evidence.crashes if at == 0 else ())
        for at, part in enumerate(parts)
        if part or at == 0
    ]


def _cut(ranked: list[tuple[float, str, int]], at: int) -> int:
    """Where to cut: after the lines as suspicious as the last one, unless those are many."""
    end = at
    while 0 < end < min(len(ranked), 2 * at) and ranked[end][0] == ranked[at - 1][0]:
        end += 1
    return min(end, len(ranked))


def _by_path(rows: list[tuple[float, str, int]]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for suspicion, path, line in rows:
        found.setdefault(path, {})[line] = suspicion
    return found


class Portions:
    """Drafts portion after portion in a thread of its own, `limit` candidates in all, of those that `keep` keeps.

    `early` are lines, by path, that only run while their module is imported.
    """

    def __init__(
        self, sources: Mapping[str, Source], evidence: Evidence, limit: int, propose: Propose,
        keep: Callable[[Candidate], bool], early: Mapping[str, Collection[int]],
    ) -> None:  # fmt: skip
        self._early = early
        self._sources, self._parts, self._limit = sources, portions(evidence), limit
        self._propose, self._keep = propose, keep
        self._seen: set[tuple[str, int, int, str]] = set()
        self._ready: list[Candidate] | None = None
        self._broke: Exception | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._start()

    def next(self) -> list[Candidate]:
        """The next portion, best first; empty when there is none. Waits for it, and begins the one after it."""
        while self._thread is not None:
            self._thread.join()
            self._thread = None
            if self._broke is not None:
                raise self._broke
            found, self._ready = self._ready or [], None
            self._start()
            if found:
                return found
        return []

    def _start(self) -> None:
        if self._parts and not self._stopped.is_set() and len(self._seen) < self._limit:
            part = self._parts.pop(0)
            self._thread = threading.Thread(target=self._draft, args=(part,), name="search-drafts", daemon=True)
            self._thread.start()

    def _draft(self, part: Evidence) -> None:
        try:
            found = rank(self._sources, part, self._limit - len(self._seen), self._wanted)
        except _Enough:
            return
        except Exception as error:  # noqa: BLE001 - a thread's edge: the waiting side raises it
            self._broke = error
            return
        fresh = [c for c in found if self._keep(c) and _key(c.edits[0]) not in self._seen]
        self._ready = [replace(c, imports=True) if self._is_early(c.edits[0]) else c for c in fresh]
        self._seen.update(_key(c.edits[0]) for c in self._ready)

    def _is_early(self, edit: Edit) -> bool:
        return edit.line in self._early.get(edit.path, ())

    def _wanted(self, site: Site) -> Iterator[Edit]:
        if self._stopped.is_set():
            raise _Enough
        return self._propose(site)

    def close(self) -> None:
        """Want no more."""
        self._stopped.set()


def _key(edit: Edit) -> tuple[str, int, int, str]:
    return (edit.path, edit.start, edit.end, edit.text)
