"""What forges on servers owe besides: words, reviewers, drafts, rounds, caps, rules, and what people do meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.hub.state import HubPull, push_as_person

from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import ChangeDraft, ChangeState, CheckState
from nightshift.daemon.ports import NotYet, Refused, Settled, StaleBase

Upstream = Any
CALLS_PER_INCIDENT = 12


@pytest.fixture(params=["github", "gitlab", "gitea"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def drawn(forge: RemoteForge, upstream: Upstream, line: int = 3, key: str = "m-1", **more: Any) -> ChangeDraft:
    path, base = forge.sync(upstream.service()), upstream.tip()
    return replace(upstream.edit(path, base, line, f"by {key}", key=key), **more)


def pull_of(upstream: Upstream, number: int = 1) -> HubPull:
    return upstream.repo.pull(number)


def another(forge: RemoteForge, root: Path, **settings: Any) -> RemoteForge:
    """A daemon with a folder of its own, at the same server."""
    changed = forge.settings.model_copy(update=settings)
    return RemoteForge(forge.name, forge.dialect, root, forge.clock, changed)


def test_a_whole_incident_takes_no_more_calls_than_it_may(forge: RemoteForge, upstream: Upstream) -> None:
    service, repo = upstream.service(), upstream.repo
    upstream.commit("owners", CODEOWNERS="* @ada\n" if forge.name != "gitea" else ".* @ada\n")
    repo.required_checks, repo.required_approvals = ["unit", "lint"], 1
    draft = drawn(forge, upstream, draft=True, labels=("nightshift", "templates"))
    with upstream.hub.counting() as calls:
        request = forge.propose(service, draft)
        repo.checks[request.head] = {"unit": "success", "lint": "success"}
        pull_of(upstream).reviews.append(("ada", "APPROVED", request.head))
        merged = forge.merge(service, "m-1", head=request.head, base=request.base)
    assert merged.state is ChangeState.MERGED and merged.landed_on == request.base
    assert len(calls) <= CALLS_PER_INCIDENT, calls
    with upstream.hub.counting() as calls:
        assert forge.merge(service, "m-1", head=request.head, base=request.base) == merged
        assert forge.propose(service, draft) == merged == forge.find(service, "m-1")
    assert calls == []


def test_a_request_is_labelled_reviewed_by_owners_and_a_draft(forge: RemoteForge, upstream: Upstream) -> None:
    rules = "app\\.py @ada @acme/core\nnothing @eve\n" if forge.name == "gitea" else "* @eve\n/app.py @ada @acme/core\n"
    upstream.commit("owners", CODEOWNERS=rules)
    request = forge.propose(upstream.service(), drawn(forge, upstream, draft=True, labels=("nightshift", "templates")))
    pull = pull_of(upstream)
    assert pull.draft and pull.labels == ["nightshift", "templates"] and pull.reviewers == ["ada"]
    assert pull.teams == ([] if forge.name == "gitlab" else ["core"])
    assert request.url.startswith(upstream.hub.url) and request.branch == pull.branch == "nightshift/m-1"
    assert upstream.repo.tip(pull.branch) == request.head


def test_reviewers_the_forge_does_not_take_cost_nothing(forge: RemoteForge, upstream: Upstream) -> None:
    rules = "app\\.py @nightshift-bot @nobody @ada\n" if forge.name == "gitea" else "* @nightshift-bot @nobody @ada\n"
    upstream.commit("owners", CODEOWNERS=rules)
    request = forge.propose(upstream.service(), drawn(forge, upstream))
    assert request.state is ChangeState.OPEN and pull_of(upstream).labels == ["nightshift"]
    if forge.name == "github":
        assert pull_of(upstream).reviewers == ["ada"]


def test_the_patch_can_not_choose_its_reviewers(forge: RemoteForge, upstream: Upstream) -> None:
    service = upstream.service()
    path, base = forge.sync(service), upstream.tip()
    repo = BareRepo(path)
    tree = repo.with_files(base, {"CODEOWNERS": b"* @eve\n.* @eve\n", "app.py": b"x\n"})
    forge.propose(service, ChangeDraft(key="m-1", base=base, diff=repo.diff(base, tree), title="t", body="b"))
    assert pull_of(upstream).reviewers == []


def test_another_round_moves_the_same_request_and_says_so_once(forge: RemoteForge, upstream: Upstream) -> None:
    service = upstream.service()
    first = forge.propose(service, drawn(forge, upstream))
    upstream.commit("meanwhile", more__py="x = 1\n")
    with pytest.raises(StaleBase):
        forge.merge(service, "m-1", head=first.head, base=first.base)
    again = drawn(forge, upstream, line=4, round=1, title="Fix it better")
    second = forge.propose(service, again)
    assert (second.number, second.round, second.base) == (first.number, 1, upstream.tip()) and second.head != first.head
    assert forge.propose(service, again) == second
    pull = pull_of(upstream)
    assert pull.title == "Fix it better" and second.head in pull.body and upstream.repo.tip(pull.branch) == second.head
    assert [text for _, text in pull.comments if "Round 2" in text] == [text for _, text in pull.comments]
    assert len(upstream.repo.pulls) == 1
    merged = forge.merge(service, "m-1", head=second.head, base=second.base)
    assert b"by m-1" in BareRepo(forge.path(service)).read(merged.merged, "app.py")


def test_a_comment_is_made_once_whoever_makes_it(forge: RemoteForge, upstream: Upstream, tmp_path: Path) -> None:
    service = upstream.service()
    forge.propose(service, drawn(forge, upstream))
    other = another(forge, tmp_path / "other")
    for one in (forge, forge, other):
        one.sync(service)
        one.comment(service, "m-1", "why", "Because @all of it. Closes #1")
    [(_, said)] = pull_of(upstream).comments
    assert "Because" in said and "@all" not in said and "#1" not in said


def test_a_closed_request_is_found_by_a_daemon_that_knows_nothing(
    forge: RemoteForge, upstream: Upstream, tmp_path: Path
) -> None:
    service = upstream.service()
    draft = drawn(forge, upstream)
    request = forge.propose(service, draft)
    forge.close(service, "m-1", "a person said no")
    assert any("a person said no" in text for _, text in pull_of(upstream).comments)
    other = another(forge, tmp_path / "other")
    other.sync(service)
    found = other.propose(service, draft)
    assert (found.state, found.number) == (ChangeState.CLOSED, request.number) and len(upstream.repo.pulls) == 1


def test_a_daemon_that_knows_nothing_takes_over_an_open_request(
    forge: RemoteForge, upstream: Upstream, tmp_path: Path
) -> None:
    service = upstream.service()
    draft = drawn(forge, upstream)
    request = forge.propose(service, draft)
    pull_of(upstream).labels.clear()
    other = another(forge, tmp_path / "other")
    other.sync(service)
    found = other.propose(service, replace(draft, body="Seen eleven times by now."))
    assert (found.head, found.base, found.number) == (request.head, request.base, request.number)
    assert pull_of(upstream).labels == ["nightshift"] and len(upstream.repo.pulls) == 1
    assert other.merge(service, "m-1", head=found.head, base=found.base).state is ChangeState.MERGED


def test_no_more_requests_are_open_than_may_be(forge: RemoteForge, upstream: Upstream, tmp_path: Path) -> None:
    service, narrow = upstream.service(), another(forge, tmp_path / "narrow", max_open=2)
    narrow.sync(service)
    drafts = [drawn(narrow, upstream, line=n, key=f"m-{n}") for n in range(1, 6)]
    narrow.propose(service, drafts[0])
    narrow.propose(service, drafts[1])
    with pytest.raises(NotYet, match="max_open"):
        narrow.propose(service, drafts[2])
    assert narrow.propose(service, replace(drafts[3], urgent=True)).state is ChangeState.OPEN
    upstream.repo.close(pull_of(upstream, 1))
    upstream.repo.close(pull_of(upstream, 2))
    assert narrow.propose(service, drafts[2]).state is ChangeState.OPEN


def test_what_a_request_makes_needless_is_closed(forge: RemoteForge, upstream: Upstream) -> None:
    service = upstream.service()
    forge.propose(service, drawn(forge, upstream))
    second = forge.propose(service, drawn(forge, upstream, line=4, key="m-2", supersedes=("m-1", "m-0")))
    assert pull_of(upstream).state == "closed" and second.url in pull_of(upstream).comments[-1][1]
    found = forge.find(service, "m-1")
    assert found is not None and found.state is ChangeState.CLOSED and second.state is ChangeState.OPEN


def test_checks_must_be_green_and_reviews_must_hold(forge: RemoteForge, upstream: Upstream) -> None:
    service, repo = upstream.service(), upstream.repo
    required = {"unit", "lint"} if forge.name != "gitlab" else set()
    repo.required_checks, repo.required_approvals = sorted(required), 1
    request = forge.propose(service, drawn(forge, upstream))

    def merge() -> ChangeState:
        return forge.merge(service, "m-1", head=request.head, base=request.base).state

    repo.checks[request.head] = {"unit": "pending"}
    with pytest.raises(NotYet, match="checks are not finished"):
        merge()
    repo.checks[request.head] = {"unit": "failure", "lint": "success"}
    with pytest.raises(Refused, match="unit"):
        merge()
    repo.checks[request.head] = {"unit": "success", "lint": "success"}
    with pytest.raises(NotYet, match="0 of 1 approvals"):
        merge()
    pull_of(upstream).reviews += [("ada", "APPROVED", request.head), ("ada", "CHANGES_REQUESTED", request.head)]
    with pytest.raises(NotYet, match="requested by ada"):
        merge()
    assert forge.readiness(service, "m-1").objections == ("ada",)
    pull_of(upstream).reviews.append(("ada", "APPROVED", request.head))
    ready = forge.readiness(service, "m-1")
    assert ready.ready and {c.name for c in ready.checks} == {"unit", "lint"}
    assert {c.state for c in ready.checks} == {CheckState.GREEN}
    assert upstream.tip() == request.base
    assert merge() is ChangeState.MERGED


def test_where_nothing_is_required_everything_that_ran_must_be_green(forge: RemoteForge, upstream: Upstream) -> None:
    service = upstream.service()
    request = forge.propose(service, drawn(forge, upstream))
    upstream.repo.checks[request.head] = {"nightly": "failure"}
    with pytest.raises(Refused, match="nightly"):
        forge.merge(service, "m-1", head=request.head, base=request.base)


def test_the_configuration_may_ask_for_more(forge: RemoteForge, upstream: Upstream, tmp_path: Path) -> None:
    strict = another(forge, tmp_path / "strict", required_checks=("e2e",), required_approvals=1)
    service = upstream.service()
    request = strict.propose(service, drawn(strict, upstream))
    upstream.repo.checks[request.head] = {"nightly": "failure"}
    with pytest.raises(NotYet, match="e2e"):
        strict.merge(service, "m-1", head=request.head, base=request.base)
    upstream.repo.checks[request.head] = {"nightly": "failure", "e2e": "success"}
    with pytest.raises(NotYet, match="0 of 1"):
        strict.merge(service, "m-1", head=request.head, base=request.base)


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_every_way_of_merging_lands_the_judged_tree_and_can_be_undone(
    forge: RemoteForge, upstream: Upstream, tmp_path: Path, method: str
) -> None:
    one = another(forge, tmp_path / "one", merge="merge", merge_by_repository={"acme/shop": method})
    service = upstream.service()
    request = one.propose(service, drawn(one, upstream))
    merged = one.merge(service, "m-1", head=request.head, base=request.base)
    repo = BareRepo(one.path(service))
    assert repo.tree_of(merged.merged) == repo.tree_of(request.head) and upstream.tip() == merged.merged
    assert merged.landed_on == request.base
    assert repo.apply(one.head(service), one.revert(service, "m-1")) == repo.tree_of(request.base)


def test_the_server_s_checks_close_the_gap_between_looking_and_merging(forge: RemoteForge, upstream: Upstream) -> None:
    """Somebody pushes to the branch after it was read: the pinned head stops the merge."""
    service, repo = upstream.service(), upstream.repo
    request = forge.propose(service, drawn(forge, upstream))
    real = forge.dialect.merge

    class Late(type(forge.dialect)):  # type: ignore[misc]
        def merge(self, *args: Any) -> str:
            push_as_person(repo, request.branch, {"evil.py": b"1\n"}, "one more thing")
            return real(*args)

    late = object.__new__(Late)
    late.__dict__ = forge.dialect.__dict__
    forge.dialect = late
    with pytest.raises(Settled, match="people pushed"):
        forge.merge(service, "m-1", head=request.head, base=request.base)
    assert upstream.tip() == request.base


def test_people_who_push_close_or_merge_have_the_last_word(forge: RemoteForge, upstream: Upstream) -> None:
    service, repo = upstream.service(), upstream.repo
    drafts = [drawn(forge, upstream, line=n, key=f"m-{n}") for n in (1, 5, 9)]
    pushed, closed, merged = (forge.propose(service, draft) for draft in drafts)
    push_as_person(repo, pushed.branch, {"more.py": b"1\n"}, "let me")
    with pytest.raises(Settled, match="people pushed"):
        forge.merge(service, "m-1", head=pushed.head, base=pushed.base)
    with pytest.raises(Settled, match="theirs"):
        forge.propose(service, replace(drafts[0], round=1, title="Again"))
    repo.close(pull_of(upstream, 2))
    with pytest.raises(Settled, match="closed by people"):
        forge.merge(service, "m-5", head=closed.head, base=closed.base)
    by_hand = repo.merge(pull_of(upstream, 3), "squash", "", "By hand\n")
    found = forge.merge(service, "m-9", head=merged.head, base=merged.base)
    assert (found.state, found.merged) == (ChangeState.MERGED, by_hand)
    assert forge.close(service, "m-9", "too late") == found


def test_two_daemons_race_for_one_merge(forge: RemoteForge, upstream: Upstream, tmp_path: Path) -> None:
    service = upstream.service()
    request = forge.propose(service, drawn(forge, upstream))
    other = another(forge, tmp_path / "other")
    other.sync(service)
    other.find(service, "m-1")
    start, found = threading.Barrier(2), []

    def go(one: RemoteForge) -> None:
        start.wait()
        found.append(one.merge(service, "m-1", head=request.head, base=request.base))

    threads = [threading.Thread(target=go, args=(one,)) for one in (forge, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and found[0].merged == found[1].merged == upstream.tip()
    assert upstream.repo.bare.out("rev-list", "--count", "--first-parent", f"{request.base}..main") == b"1\n"


def test_only_those_who_may_write_may_steer(forge: RemoteForge, upstream: Upstream) -> None:
    service = upstream.service()
    forge.sync(service)
    assert forge.may_steer(service, "ada")
    assert not forge.may_steer(service, "eve") and not forge.may_steer(service, "stranger")
    assert not forge.may_steer(service, "")


def test_the_probe_tells_what_is_wrong(forge: RemoteForge, upstream: Upstream) -> None:
    service = upstream.service()
    found = forge.probe(service)
    assert found.ok and ("may write" in found.detail or "access level 40" in found.detail)
    assert "require" in found.fix or "must succeed" in found.fix  # nothing is required: worth a word
    upstream.repo.required_checks = ["unit"]
    assert forge.probe(service).fix == ""
    upstream.hub.tokens.clear()
    assert not forge.probe(service).ok and f"forges.{forge.name}" in forge.probe(service).fix
