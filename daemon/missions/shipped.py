"""Which commits were news when an incident began: the culprit by deploy times.

Three clocks tell, best first: the releases that signals name by their commit, the merges of ours, and when commits of
the branch were made. They are suspicions only, a few more commits for the revert fixer to put to the proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.model import Case, Incident, Service, Suspect
from nightshift.daemon.store.store import Store

WITHIN_MS = 24 * 3_600_000
_LATE_MS = 10 * 60_000
_RANGE, _KEPT, _RECENT = 50, 8, 3
_HEX = re.compile(r"[0-9a-f]{7,40}")
_RELEASED, _MERGED, _COMMITTED = 0.9, 0.8, 0.4


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """A commit that went live, as far as is known, at a time (Unix ms)."""

    commit: str
    at_ms: int
    how: str
    weight: float


def with_deploys(store: Store, service: Service, incident: Incident, case: Case) -> Case:
    """The case with suspects for what was shipped in the day before the incident's first signal, weightiest first.

    What can't be read gives none: they are a help, never a condition. Raises as the store does.
    """
    repo = BareRepo(case.repo)
    try:
        found = tuple(suspects(repo, case.base, _shipments(store, repo, service, incident), incident.first_at_ms))
    except (GitError, ValueError, OSError):
        return case
    diagnosis = replace(case.diagnosis, suspects=(*case.diagnosis.suspects, *found))
    return replace(case, diagnosis=diagnosis)


def suspects(repo: BareRepo, base: str, shipped: Sequence[Shipped], first_at_ms: int) -> Iterator[Suspect]:
    """The commits of base's own line that came with each shipment since the one before it, then those merely made in
    time; each commit once, at most eight. Raises GitError."""
    line = _line(repo, base)
    made = dict(line)
    order = [commit for commit, _ in line]
    given: set[str] = set()
    live = sorted((s for s in shipped if s.commit in made), key=lambda s: s.at_ms)
    for at in reversed(range(len(live))):
        ship = live[at]
        if not -_LATE_MS <= first_at_ms - ship.at_ms <= WITHIN_MS:
            continue
        before = order.index(live[at - 1].commit) if at else order.index(ship.commit) + 1
        brought = order[order.index(ship.commit) : max(before, order.index(ship.commit) + 1)]
        for age, commit in enumerate(c for c in brought if c not in given):
            given.add(commit)
            why = f"{ship.how} {_ago(first_at_ms - ship.at_ms)} the first signal"
            yield Suspect(commit=commit, weight=ship.weight / (1 + age / 4), why=why)
            if len(given) >= _KEPT:
                return
    recent = [c for c, at_ms in line if c not in given and 0 <= first_at_ms - at_ms <= WITHIN_MS]
    for age, commit in enumerate(recent[: min(_RECENT, _KEPT - len(given))]):
        why = f"committed {_ago(first_at_ms - made[commit])} the first signal"
        yield Suspect(commit=commit, weight=_COMMITTED / (1 + age / 4), why=why)


def _shipments(store: Store, repo: BareRepo, service: Service, incident: Incident) -> list[Shipped]:
    """What is known of the service's deploys. A release that names no commit of the repository says nothing here."""
    rows = [(str(r["release"]), int(r["first_at_ms"])) for r in store.ingest.releases_of([service.name])]
    named = sorted(((r, at) for r, at in rows if _HEX.fullmatch(r)), key=lambda row: -row[1])[:_RANGE]
    found = [Shipped(commit=commit, at_ms=at, how="first seen in production", weight=_RELEASED)
             for release, at in named if (commit := repo.resolve(release))]  # fmt: skip
    merges = store.merges.standing(service.name, incident.first_at_ms - WITHIN_MS)
    return found + [Shipped(commit=m.commit, at_ms=m.at_ms, how="deployed", weight=_MERGED) for m in merges]


def _line(repo: BareRepo, base: str) -> list[tuple[str, int]]:
    """(commit, committed at ms) of the newest commits of base's own line, newest first."""
    told = repo.out("log", "--first-parent", f"--max-count={_RANGE * 4}", "--format=%H %ct", base, "--").decode()
    return [(row.split()[0], int(row.split()[1]) * 1000) for row in told.splitlines()]


def _ago(ms: int) -> str:
    minutes = abs(ms) // 60_000
    span = f"{minutes} minutes" if minutes != 1 else "1 minute"
    if minutes >= 120:
        span = f"{minutes // 60} hours"
    return f"{span} {'before' if ms >= 0 else 'after'}"
