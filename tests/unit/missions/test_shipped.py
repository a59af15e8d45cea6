"""What was news when an incident began, on a real repository and a real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.shipped import WITHIN_MS, Shipped, suspects, with_deploys
from nightshift.daemon.model import Case, Incident, IncidentState, Service, Severity, Signal
from nightshift.daemon.store.shipping import Merged
from nightshift.daemon.store.store import Store

START_S = 1_700_000_000
MINUTE_MS = 60_000


@pytest.fixture
def line(tmp_path: Path) -> tuple[BareRepo, list[str]]:
    """Ten commits, two days apart, oldest first."""
    repo, made = BareRepo.ensure(tmp_path / "r.git"), []
    tree = repo.out("mktree").decode().strip()
    for n in range(10):
        made.append(repo.commit(tree, made[-1:], f"c{n}", at_s=START_S + n * 2 * 86400))
    return repo, made


def ship(commit: str, at_ms: int, how: str = "deployed") -> Shipped:
    return Shipped(commit=commit, at_ms=at_ms, how=how, weight=0.8)


def test_everything_a_deploy_brought_is_suspected_newest_first(line) -> None:
    repo, made = line
    now = (START_S + 10**7) * 1000
    live = [ship(made[3], now - 10 * WITHIN_MS), ship(made[6], now - 7 * MINUTE_MS)]
    found = list(suspects(repo, made[-1], live, now))
    assert [s.commit for s in found] == [made[6], made[5], made[4]]
    assert found[0].why == "deployed 7 minutes before the first signal"
    assert [s.weight for s in found] == sorted((s.weight for s in found), reverse=True)


def test_what_was_shipped_long_before_or_afterwards_is_no_suspect(line) -> None:
    repo, made = line
    now = (START_S + 10**7) * 1000
    for at_ms in (now - 2 * WITHIN_MS, now + 60 * MINUTE_MS):
        assert list(suspects(repo, made[-1], [ship(made[5], at_ms)], now)) == []


def test_without_a_deploy_the_commits_of_the_day_are_weak_suspects(line) -> None:
    repo, made = line
    first = (START_S + 5 * 2 * 86400) * 1000 + 5 * MINUTE_MS
    found = list(suspects(repo, made[-1], [], first))
    assert [(s.commit, s.why) for s in found] == [(made[5], "committed 5 minutes before the first signal")]
    assert found[0].weight < 0.5


def test_releases_and_merges_of_the_store_tell(line, tmp_path: Path) -> None:
    repo, made = line
    store = Store.open(tmp_path / "s.db")
    now = (START_S + 10**7) * 1000
    rows = [(made[2][:12], now - 3 * WITHIN_MS), (made[4], now - MINUTE_MS), ("v7", now), ("deadbeef" * 5, now)]
    store.ingest.add("releases", [{"service": "shop", "release": r, "first_at_ms": at} for r, at in rows])
    store.merges.add(Merged(key="m", service="shop", fixer="revert", kind="revert", commit=made[8],
                            at_ms=now - 30 * MINUTE_MS, alone=True))  # fmt: skip
    signal = Signal(key="k", source="logs", service="shop", title="t", at_ms=now)
    incident = Incident(id="i", fingerprint="f", service="shop", title="t", severity=Severity.ERROR, count=1,
                        state=IncidentState.OPEN, first_at_ms=now, last_at_ms=now, signal=signal)  # fmt: skip
    case = Case(id="c", repo=repo.path, base=made[-1])
    found = with_deploys(store, Service(name="shop", repo="r"), incident, case).diagnosis.suspects
    assert found[0].commit == made[4] and found[0].why == "first seen in production 1 minute before the first signal"
    assert any(s.commit == made[8] and s.why == "deployed 30 minutes before the first signal" for s in found)
    assert len({s.commit for s in found}) == len(found) <= 8
    gone = Case(id="c", repo=str(tmp_path / "none.git"), base=made[-1])
    assert with_deploys(store, Service(name="shop", repo="r"), incident, gone) == gone
    store.close()
