"""The facts of a decision, as the store, the clock and the repository have them at this moment."""

from __future__ import annotations

import re
from pathlib import Path

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.missions.policy.decision import Case
from nightshift.daemon.missions.policy.settings import Settings
from nightshift.daemon.missions.policy.switch import stopped
from nightshift.daemon.missions.policy.trust import DAY_MS, Merge, trust_of
from nightshift.daemon.model import Incident, Mission, Patch, Reproduction, Service
from nightshift.daemon.store.store import Store

_HOUR_MS = 3_600_000
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{7,40})")


def facts(
    store: Store, clock: Clock, settings: Settings, service: Service, *, mission: Mission, incident: Incident | None,
    patch: Patch | None, reproduction: Reproduction | None, budget_s: float,
) -> Case:  # fmt: skip
    """Raises as the store does: then nothing is decided, and nothing happens."""
    now = clock.now_ms()
    trust = None
    if patch is not None:
        record = store.merges.of(service.name, patch.fixer, patch.kind)
        merges = [Merge(at_ms=m.at_ms, reverted_ms=m.reverted_ms) for m in record]
        trust = trust_of(merges, now, settings.earning)
    return Case(
        service=service, patch=patch, reproduction=reproduction, stopped=stopped(store, settings), now_ms=now,
        severity=incident.severity if incident else None, trust=trust, left_s=budget_s - mission.spent_s,
        bad_last_hour=store.memory.bad_since(service.name, now - _HOUR_MS),
        open_missions=store.missions.open_of(service.name),
        merged_last_day=store.merges.alone_since(service.name, now - DAY_MS),
    )  # fmt: skip


def notice_reverts(store: Store, service: Service, repository: Path, now_ms: int, settings: Settings) -> list[str]:
    """Look for merges that people reverted since, by what git writes into a revert's message; the keys of those.

    `repository` is the daemon's own, synced. One that can't be read gives nothing: the merges stay as they are known.
    """
    since_ms = now_ms - settings.earning.days * DAY_MS
    standing = store.merges.standing(service.name, since_ms)
    if not standing:
        return []
    told = _reverted(repository, service.branch, standing[-1].commit)
    found = []
    for merge in standing:
        by = next((who for commit, who in told.items() if merge.commit.startswith(commit)), None)
        if by is not None and store.merges.revert(merge.key, now_ms, by):
            found.append(merge.key)
    return found


def _reverted(repository: Path, branch: str, since: str) -> dict[str, str]:
    """Reverted commit → who reverted it, of what a branch got after a commit (or of its last 2000 commits, should that
    one not be known). Not by time: clocks differ, and dates of commits are what people say."""
    shape = ("--max-count=2000", "--format=%an%x00%B%x01", "--grep=This reverts commit")
    try:
        repo = BareRepo(repository)
        after = (f"^{since}",) if repo.resolve(since) else ()
        log = repo.out("log", *shape, f"refs/heads/{branch}", *after, "--")
    except (GitError, OSError):
        return {}
    found: dict[str, str] = {}
    for entry in log.decode("utf-8", "replace").split("\x01"):
        who, _, text = entry.strip().partition("\0")
        found |= dict.fromkeys(_REVERTS.findall(text), who)
    return found
