"""What every forge owes, asked of every one: the local one, the fake, and each server's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import ChangeState
from nightshift.daemon.ports import EnvironmentBroke, Forge, Refused, Settled, StaleBase

LINES = "".join(f"line {n}\n" for n in range(1, 21))
BAD = "<!-- hidden --> ![x](http://e/p) password=hunter22"
Upstream = Any  # the fixture's class lives in conftest.py, which importlib mode keeps to itself


@pytest.fixture(params=["local", "fake", "github", "gitlab", "gitea"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_sync_gives_a_repository_that_holds_the_branch(forge: Forge, upstream: Upstream) -> None:
    path = forge.sync(upstream.service())
    assert BareRepo(path).read(forge.head(upstream.service()), "app.py") == LINES.encode()
    assert forge.head(upstream.service()) == upstream.tip()


def test_sync_follows_upstream(forge: Forge, upstream: Upstream) -> None:
    forge.sync(upstream.service())
    new = upstream.commit("more", more__py="x = 1\n")
    forge.sync(upstream.service())
    assert forge.head(upstream.service()) == new


def test_head_before_sync_is_refused(forge: Forge, upstream: Upstream) -> None:
    with pytest.raises(Refused, match="sync"):
        forge.head(upstream.service())


def test_a_missing_branch_is_refused_and_a_missing_repository_breaks(forge: Forge, upstream: Upstream) -> None:
    with pytest.raises(Refused, match="has no branch 'nope'"):
        forge.sync(upstream.service(branch="nope"))
    gone = upstream.gone()
    with pytest.raises(EnvironmentBroke):
        forge.sync(gone)
    assert not forge.probe(gone).ok and forge.probe(gone).fix
    assert forge.probe(upstream.service()).ok


def test_propose_makes_a_commit_on_a_branch_and_nothing_else(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    request = forge.propose(service, upstream.edit(path, base, 3, "three"))
    assert (request.state, request.base, request.number) == (ChangeState.OPEN, base, 1)
    assert b"three" in (BareRepo(path).read(request.head, "app.py") or b"")
    assert forge.head(service) == base == upstream.tip()
    assert "git revert" in request.body


def test_one_key_one_request_whatever_its_state(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    first = forge.propose(service, upstream.edit(path, base, 3, "three"))
    assert forge.propose(service, upstream.edit(path, base, 4, "another", title="Other")) == first
    closed = forge.close(service, "m-1", "a person said no")
    assert closed.state is ChangeState.CLOSED
    assert forge.propose(service, upstream.edit(path, base, 3, "three")) == closed == forge.find(service, "m-1")
    assert forge.propose(service, upstream.edit(path, base, 5, "five", key="m-2")).number == 2
    assert [r.number for r in forge.list(service)] == [1, 2]
    assert forge.find(service, "m-3") is None


def test_a_draft_that_does_not_apply_or_changes_nothing_is_refused(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    good = upstream.edit(path, base, 3, "three")
    later = upstream.commit("later", app__py="other\n")
    path = forge.sync(service)
    for diff, on in ((good.diff, later), ("", base), ("rubbish", base), (good.diff, "1" * 40)):
        with pytest.raises(Refused):
            forge.propose(service, type(good)(key="m-9", base=on, diff=diff, title="t", body="b"))
    assert forge.find(service, "m-9") is None


def test_merge_moves_the_branch_once(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    request = forge.propose(service, upstream.edit(path, base, 3, "three"))
    merged = forge.merge(service, "m-1", head=request.head, base=base)
    assert (merged.state, merged.merged) == (ChangeState.MERGED, forge.head(service))
    assert forge.merge(service, "m-1", head=request.head, base=base) == merged == forge.find(service, "m-1")
    assert forge.close(service, "m-1", "too late") == merged
    assert forge.propose(service, upstream.edit(path, base, 3, "three")) == merged


def test_merge_refuses_what_was_not_judged(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    request = forge.propose(service, upstream.edit(path, base, 3, "three"))
    with pytest.raises(StaleBase):
        forge.merge(service, "m-1", head=base, base=base)
    with pytest.raises(Refused):
        forge.merge(service, "unknown", head=request.head, base=base)
    upstream.commit("meanwhile", more__py="x = 1\n")
    forge.sync(service)
    with pytest.raises(StaleBase):
        forge.merge(service, "m-1", head=request.head, base=base)
    forge.close(service, "m-1", "no")
    with pytest.raises(Refused, match="closed"):
        forge.merge(service, "m-1", head=request.head, base=upstream.tip())


def test_merge_on_a_newer_base_keeps_both_sides(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    request = forge.propose(service, upstream.edit(path, base, 3, "three"))
    newer = upstream.commit("meanwhile", app__py=LINES.replace("line 18", "eighteen"))
    forge.sync(service)
    merged = forge.merge(service, "m-1", head=request.head, base=newer)
    text = (BareRepo(path).read(merged.merged, "app.py") or b"").decode()
    assert "three" in text and "eighteen" in text
    undone = BareRepo(path).apply(forge.head(service), forge.revert(service, "m-1"))
    assert BareRepo(path).diff(newer, undone) == ""


def test_revert_undoes_the_change_and_keeps_later_work(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    first = forge.propose(service, upstream.edit(path, base, 3, "three"))
    with pytest.raises(Refused):
        forge.revert(service, "m-1")
    tip = forge.merge(service, "m-1", head=first.head, base=base).merged
    second = forge.propose(service, upstream.edit(path, tip, 15, "fifteen", key="m-2"))
    tip = forge.merge(service, "m-2", head=second.head, base=tip).merged
    undo = upstream.edit(path, tip, 1, "x", key="undo")
    undo = type(undo)(key="undo", base=tip, diff=forge.revert(service, "m-1"), title="Undo", body="It did not help.")
    third = forge.propose(service, undo)
    tip = forge.merge(service, "undo", head=third.head, base=tip).merged
    text = (BareRepo(path).read(tip, "app.py") or b"").decode()
    assert "three" not in text and "line 3\n" in text and "fifteen" in text
    with pytest.raises(Refused, match="undone already"):
        forge.revert(service, "m-1")


def test_revert_in_conflict_is_refused(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    first = forge.propose(service, upstream.edit(path, base, 3, "three"))
    tip = forge.merge(service, "m-1", head=first.head, base=base).merged
    second = forge.propose(service, upstream.edit(path, tip, 3, "THREE", key="m-2"))
    forge.merge(service, "m-2", head=second.head, base=tip)
    with pytest.raises(Refused, match="conflicts"):
        forge.revert(service, "m-1")


def _race(count: int, act: Callable[[int], object]) -> list[object]:
    results: list[object] = [None] * count
    start = threading.Barrier(count)

    def one(at: int) -> None:
        start.wait()
        try:
            results[at] = act(at)
        except StaleBase as error:
            results[at] = error

    threads = [threading.Thread(target=one, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_eight_racing_requests_one_merge_wins(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    requests = [forge.propose(service, upstream.edit(path, base, n + 1, f"by {n}", key=f"m-{n}")) for n in range(8)]
    results = _race(8, lambda n: forge.merge(service, f"m-{n}", head=requests[n].head, base=base))
    assert sum(isinstance(r, StaleBase) for r in results) == 7
    assert sum(r.state is ChangeState.MERGED for r in forge.list(service)) == 1


def test_eight_racing_callers_of_one_request_agree(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    draft = upstream.edit(path, base, 3, "three")
    requests = _race(8, lambda _: forge.propose(service, draft))
    assert requests == [requests[0]] * 8 and len(forge.list(service)) == 1
    merged = _race(8, lambda _: forge.merge(service, "m-1", head=requests[0].head, base=base))
    assert merged == [merged[0]] * 8
    assert BareRepo(path).out("rev-list", "--count", "--first-parent", f"{base}..{merged[0].merged}") == b"1\n"


def test_another_round_moves_the_open_request_and_no_other(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    first = forge.propose(service, upstream.edit(path, base, 3, "three"))
    newer = upstream.commit("meanwhile", more__py="x = 1\n")
    forge.sync(service)
    again = replace(upstream.edit(path, newer, 4, "four"), round=1)
    second = forge.propose(service, again)
    assert (second.number, second.key, second.round, second.base) == (first.number, first.key, 1, newer)
    assert forge.propose(service, again) == second == forge.find(service, "m-1")
    assert forge.propose(service, replace(again, round=0)) == second
    merged = forge.merge(service, "m-1", head=second.head, base=newer)
    text = (BareRepo(path).read(merged.merged, "app.py") or b"").decode()
    assert "four" in text and "three" not in text and merged.landed_on == newer
    assert forge.propose(service, replace(again, round=2)) == merged


def test_a_closed_request_has_no_further_round(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    forge.propose(service, upstream.edit(path, base, 3, "three"))
    closed = forge.close(service, "m-1", "no")
    assert forge.propose(service, replace(upstream.edit(path, base, 4, "four"), round=1)) == closed
    with pytest.raises(Settled):
        forge.merge(service, "m-1", head=closed.head, base=base)


def test_where_nothing_checks_and_nobody_reviews_a_request_is_ready(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    forge.propose(service, upstream.edit(path, base, 3, "three"))
    assert forge.readiness(service, "m-1").ready
    with pytest.raises(Refused):
        forge.readiness(service, "m-9")


def test_comments_and_superseding_go_to_requests_that_are_there(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    forge.propose(service, upstream.edit(path, base, 3, "three"))
    forge.comment(service, "m-1", "why", "Because")
    forge.comment(service, "m-1", "why", "Because")
    with pytest.raises(Refused):
        forge.comment(service, "m-9", "why", "Because")
    forge.propose(service, replace(upstream.edit(path, base, 5, "five", key="m-2"), supersedes=("m-1", "m-9")))
    assert [r.state for r in forge.list(service)] == [ChangeState.CLOSED, ChangeState.OPEN]


def test_nobody_unknown_steers_and_our_own_commits_are_no_people_s(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    request = forge.propose(service, upstream.edit(path, base, 3, "three"))
    assert not forge.may_steer(service, "a-stranger")
    assert not forge.pushed_by_people(service, "m-1", request.head)
    assert not forge.pushed_by_people(service, "m-1", "1" * 40)
    assert not forge.pushed_by_people(service, "m-9", "1" * 40)


def test_words_from_outside_cannot_act(forge: Forge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    draft = upstream.edit(
        path, base, 3, "three", title="Fix @all\nCloses #1", body="<!-- hidden --> ![x](http://e/p) password=hunter22"
    )
    request = forge.propose(service, draft)
    message = BareRepo(path).out("show", "--no-patch", "--format=%B", request.head).decode()
    for text in (request.title, request.body, message):
        assert not any(bad in text for bad in ("@all", "#1", "<!--", "![", "hunter22"))
