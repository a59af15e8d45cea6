"""Runbooks whose actions touch code: reverts, fixers, and the switch that stops everything."""

import json

import pytest
from support.operating import ask, book_of

from nightshift.daemon.model import Reproduction, Stage


def test_a_commit_is_reverted_by_a_pull_request_and_closed_again_on_the_way_back(world):
    here = world(autonomy="propose")
    bad = here.made.push({"app.py": b"x = 0\n"}, "make it zero")
    book_of(here, "git.revert", service="shop", commit=bad[:12])
    run = ask(here, "one")
    here.until(run)
    assert here.stage(run) is Stage.HEALED, here.said(run)
    (request,) = here.made.parts.forge.list(here.made.parts.services["shop"])
    assert (request.state.value, request.title) == ("open", "Revert: make it zero")
    assert here.made.content() == b"x = 0\n"
    here.made.parts.operations.stop(here.store.runs.get(run), "changed my mind")
    assert here.made.parts.operations.advance(here.store.runs.get(run), "shop", most=None).status == "rolled_back"
    (request,) = here.made.parts.forge.list(here.made.parts.services["shop"])
    assert request.state.value == "closed"


def test_a_revert_lands_when_a_person_asked_for_it_and_not_when_the_daemon_did(world):
    here = world(autonomy="merge")
    bad = here.made.push({"app.py": b"x = 0\n"}, "make it zero")
    book_of(here, "git.revert", service="shop", commit=bad, merge=True)
    text = json.loads((here.books / "one.yaml").read_text()) | {"autonomy": "act", "cool_down_s": 0}
    (here.books / "one.yaml").write_text(json.dumps(text))
    run = here.incident(labels={"runbook": "one"})
    here.until(run)
    assert here.stage(run) is Stage.HEALED, here.said(run)
    assert here.made.content() == b"x = 0\n"
    here.until(ask(here, "one"))
    assert here.made.content() == b"x = 1\n"


def test_while_everything_is_stopped_no_run_has_an_effect(world):
    here = world()
    here.book("one", ["a1", "ask1", "a2"])
    run = ask(here, "one")
    here.until(run, Stage.AWAITING_APPROVAL)
    here.store.switches.throw("ada", "quiet please", 1)
    here.engine.signal(run, "approve", "bob", "")
    here.until(run)
    assert here.stage(run) is Stage.ESCALATED, here.said(run)
    assert "quiet please" in here.store.missions.get(run).reason
    second = ask(here, "one")
    here.until(second)
    assert here.stage(second) is Stage.DISMISSED
    assert here.lines() == ["a1"]


@pytest.mark.parametrize("commit", ["deadbeef", "0" * 40])
def test_a_commit_that_is_not_there_is_not_reverted(world, commit):
    here = world()
    book_of(here, "git.revert", service="shop", commit=commit)
    run = ask(here, "one")
    here.until(run)
    assert "is no commit of shop's branch main" in here.store.missions.get(run).reason
    assert here.made.parts.forge.list(here.made.parts.services["shop"]) == ()


def test_a_fixer_is_called_under_all_gates_and_only_proposes(world):
    here = world(red=Reproduction(kind="check", command="x", failing=("t::a",), baseline={"t::a": "failed"}))
    book_of(here, "fixer", service="shop", fixer="templates")
    run = ask(here, "one")
    here.until(run)
    assert here.stage(run) is Stage.HEALED, here.said(run)
    assert here.made.tester.judged == ["p1"]
    (request,) = here.made.parts.forge.list(here.made.parts.services["shop"])
    assert request.state.value == "open"
    assert here.made.content() == b"x = 1\n"


def test_a_fixer_whose_patch_fails_the_gates_proposes_nothing(world):
    here = world(
        accepts=(), red=Reproduction(kind="check", command="x", failing=("t::a",), baseline={"t::a": "failed"})
    )
    book_of(here, "fixer", service="shop", fixer="templates")
    run = ask(here, "one")
    here.until(run)
    assert "found no patch that passes" in here.store.missions.get(run).reason
    assert here.made.parts.forge.list(here.made.parts.services["shop"]) == ()
