"""Missions that carry out runbooks, on the real durable engine: alone, approved, asked about, stopped, cooled down."""

import time

import pytest
from support.operating import ask

from nightshift.daemon.model import IncidentState, Recovery, Reproduction, Stage, dump
from nightshift.daemon.ports import Refused
from nightshift.daemon.reports.build import build_report


def test_a_person_s_run_is_a_mission_with_a_timeline_and_stands_in_the_report(world):
    here = world()
    here.book("one", ["a1", "a2"], verify=["v1"])
    run = ask(here, "one", key="once")
    assert ask(here, "one", key="once") == run
    here.until(run)
    assert here.stage(run) is Stage.HEALED, here.said(run)
    assert here.lines() == ["a1", "a2", "v1"]
    state = here.desk.state(run)
    assert state["status"] == "done"
    assert [s["name"] for s in state["steps"]] == ["a1", "a2", "v1"]
    told = "\n".join(here.said(run))
    for line in ("queued ada: runbook one, started by ada", "operating command: steps a1: done", "healed mission:"):
        assert line in told, told
    (row,) = [i for i in build_report(here.store, 0, 2**62, report_id="r", made_at_ms=1).incidents if "one" in i.title]
    assert row.outcome == "healed"
    assert "a1" in row.fix.rationale
    assert row.fix.fixer == "runbook one"


def test_a_dry_run_says_what_would_be_done_and_is_no_mission(world):
    here = world()
    here.book("one", ["a1"])
    run = here.desk.ask("one", {}, dry_run=True, actor="ada")
    assert here.desk.state(run)["steps"][0]["output"].startswith("run: ")
    assert here.lines() == []
    assert here.store.missions.get(run) is None


def test_an_alert_that_names_a_book_that_may_act_is_handled_alone(world):
    here = world()
    here.book("one", ["a1"], autonomy="act")
    run = here.incident(labels={"runbook_url": "https://wiki.example/runbooks/one.md#now"})
    here.until(run)
    assert here.stage(run) is Stage.HEALED, here.said(run)
    assert here.lines() == ["a1"]
    assert any(line.startswith("watching ") for line in here.said(run)), "production has the last word"
    assert here.store.incidents.get("inc-1").state is IncidentState.HEALED


def test_a_book_that_ran_but_did_not_help_is_no_success(world):
    here = world(outcome=Recovery.STILL_FAILING)
    here.book("one", ["a1"], autonomy="act", match={"kind": "alert"})
    run = here.incident()
    here.until(run)
    assert here.stage(run) is Stage.ESCALATED, here.said(run)
    assert "runbook one: done" in here.store.missions.get(run).reason
    assert here.store.incidents.get("inc-1").state is IncidentState.ESCALATED


def test_when_the_book_fails_the_code_is_mended(world):
    here = world(red=Reproduction(kind="check", command="x", failing=("t::a",), baseline={"t::a": "failed"}))
    here.book("one", ["a1", "no1"], rollback=["back1"], autonomy="act", match={"exception": "KeyError"})
    frames = here.store.incidents.get("inc-aaaa1111").signal.frames
    run = here.incident(exception="KeyError", frames=frames, kind="crash")
    here.until(run)
    assert here.lines() == ["a1", "back1"]
    assert here.stage(run) is Stage.HEALED, here.said(run)
    assert here.made.content() == b"x = 2\n"


def test_a_proposed_book_waits_for_a_person_and_comes_after_the_code(world):
    here = world()
    here.book("one", ["a1"], autonomy="propose", match={"kind": "alert"})
    run = here.incident()
    here.until(run, Stage.AWAITING_APPROVAL)
    assert here.lines() == []
    engine = here.restart()
    time.sleep(0.3)
    assert here.lines() == []
    engine.signal(run, "approve", "bob", "go on")
    here.until(run)
    assert here.stage(run) is Stage.HEALED, here.said(run)
    assert here.lines() == ["a1"]
    assert here.store.runs.get(run).person == "bob"
    keys = [n.key for _, n, _ in here.store.notices.waiting("file")]
    assert len([k for k in keys if ":asks:" in k]) == 1


@pytest.mark.parametrize("verb", ["reject"])
def test_a_rejected_proposal_does_nothing(world, verb):
    here = world()
    here.book("one", ["a1"], match={"kind": "alert"})
    run = here.incident()
    here.until(run, Stage.AWAITING_APPROVAL)
    here.engine.signal(run, verb, "bob", "not now")
    here.until(run)
    assert here.stage(run) is Stage.DISMISSED
    assert here.lines() == []


@pytest.mark.parametrize(
    ("book", "service", "cap"),
    [("observe", "merge", "merge"), ("act", "observe", "merge"), ("act", "merge", "observe")],
)
def test_observe_anywhere_means_no_effect(world, book, service, cap):
    here = world(cap=cap, autonomy=service)
    here.book("one", ["a1"], autonomy=book, match={"kind": "alert"})
    run = here.incident()
    here.until(run)
    assert here.stage(run) is Stage.ESCALATED, here.said(run)
    assert here.lines() == []
    assert "a1: run: " in str([dump(e) for e in here.store.journal.of(run)]), "what it would do is on the timeline"


def test_the_cap_over_everything_stops_people_s_runs_too(world):
    here = world(cap="observe")
    here.book("one", ["a1"])
    run = ask(here, "one")
    here.until(run)
    assert here.stage(run) is Stage.DISMISSED
    assert here.lines() == []


def test_a_cool_down_outlives_the_daemon_and_holds_for_alerts_and_people(world):
    here = world()
    here.book("one", ["a1"], autonomy="act", match={"kind": "alert"}, cool_down_s=3600)
    here.until(here.incident("inc-1"))
    here.restart()
    run = here.incident("inc-2")
    here.until(run)
    assert here.stage(run) is Stage.ESCALATED, here.said(run)
    assert "wait" in here.store.missions.get(run).reason
    with pytest.raises(Refused, match="wait"):
        ask(here, "one")
    assert here.lines() == ["a1"]
    forced = ask(here, "one", force=True)
    here.until(forced)
    assert here.lines() == ["a1", "a1"]


def test_targets_of_a_cool_down_are_told_apart_and_labels_are_checked(world):
    here = world()
    here.book("one", ["a1"], autonomy="act", match={"kind": "alert"}, cool_down_s=3600, cool_down_per=["pod"],
              parameters={"pod": {"pattern": "[a-z0-9-]+"}})  # fmt: skip
    for name, pod in (("inc-1", "web-1"), ("inc-2", "web-2"), ("inc-3", "web-1")):
        here.until(here.incident(name, labels={"pod": pod}))
    assert here.lines() == ["a1", "a1"]
    hostile = here.incident("inc-4", labels={"pod": "x; rm -rf / ${{ params.pod }}"})
    assert hostile.startswith("mis-"), "a book whose parameters a label does not fit is not chosen"


def test_a_step_that_asks_waits_across_a_restart_and_takes_a_no(world):
    here = world()
    here.book("one", ["a1", "ask1", "a2"], rollback=["back1"])
    yes, no = ask(here, "one"), ask(here, "one")
    for run in (yes, no):
        here.until(run, Stage.AWAITING_APPROVAL)
    assert here.desk.state(yes)["status"] == "waiting"
    engine = here.restart()
    engine.signal(yes, "approve", "bob", "fine")
    engine.signal(no, "reject", "bob", "no")
    here.until(yes)
    here.until(no)
    assert (here.stage(yes), here.stage(no)) == (Stage.HEALED, Stage.ROLLED_BACK), (here.said(yes), here.said(no))
    assert sorted(here.lines()) == ["a1", "a1", "a2", "back1"]


def test_a_run_that_is_rejected_in_the_middle_is_taken_back(world):
    here = world()
    here.book("one", ["a1", "ask1", "a2", "a3"], rollback=["back1"])
    run = ask(here, "one")
    here.until(run, Stage.AWAITING_APPROVAL)
    here.engine.signal(run, "pause", "bob", "wait")
    here.engine.signal(run, "reject", "bob", "stop it")
    here.until(run)
    assert here.stage(run) is Stage.DISMISSED, here.said(run)
    assert here.lines() == ["a1", "back1"]
    assert here.desk.state(run)["status"] == "rolled_back"


def test_an_edited_book_changes_later_runs_only(world):
    here = world()
    here.book("one", ["a1", "ask1", "a2"])
    run = ask(here, "one")
    here.until(run, Stage.AWAITING_APPROVAL)
    here.book("one", ["a1", "ask1", "a3"])
    here.engine.signal(run, "approve", "bob", "")
    here.until(run)
    assert here.lines() == ["a1", "a2"]


@pytest.mark.parametrize(("automatic", "labels", "expected"), [
    ("off", {"runbook": "one"}, "mis-"), ("named", {}, "mis-"), ("named", {"runbook": "one"}, "run-"),
    ("matching", {}, "run-"),
])  # fmt: skip
def test_which_incidents_get_a_book(world, automatic, labels, expected):
    here = world(automatic=automatic)
    here.book("one", ["a1"], match={"kind": "alert"})
    assert here.incident(labels=labels).startswith(expected)
