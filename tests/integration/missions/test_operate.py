"""Missions that carry out runbooks, on the real durable engine: alone, approved, asked about, stopped, cooled down."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.scenario import Scenario, scenario

from nightshift.daemon.app.desk import RunDesk
from nightshift.daemon.app.dispatch import Dispatcher
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.missions.engine import Engine
from nightshift.daemon.missions.lending import LentFixers, LentRepositories
from nightshift.daemon.missions.operations import Operations
from nightshift.daemon.missions.steps import Steps
from nightshift.daemon.model import (
    ENDS,
    Incident,
    IncidentState,
    Recovery,
    Reproduction,
    Severity,
    Signal,
    Stage,
    dump,
)
from nightshift.daemon.ports import Refused
from nightshift.daemon.reports.build import build_report
from nightshift.runbooks.context import Context
from nightshift.runbooks.load import load_books

PATIENCE_S = 60.0
WRITE = "import os,sys; open(sys.argv[1], 'a').write(sys.argv[2] + ' ' + os.environ['NIGHTSHIFT_RUN_KEY'] + chr(10))"
NOTHING_RED = Reproduction(kind="none", reason="scripted")


@dataclass
class World:
    """A scenario with books whose steps write lines into a file."""

    made: Scenario
    desk: RunDesk
    dispatcher: Dispatcher
    engine: Engine
    books: Path
    effects: Path
    restart: Callable[[], Engine]

    @property
    def store(self):
        return self.made.store

    def lines(self) -> list[str]:
        return [line.split()[0] for line in self.effects.read_text().splitlines()] if self.effects.exists() else []

    def book(self, name: str, steps: list[str], **more: object) -> None:
        def made(word: str) -> dict[str, object]:
            if word.startswith("ask"):
                return {"name": word, "action": "ask", "with": {"question": "May I?"}}
            if word.startswith("no"):
                return {"name": word, "action": "assert", "with": {"value": False}}
            argv = [sys.executable, "-c", WRITE, str(self.effects), word]
            return {"name": word, "action": "command", "with": {"argv": argv, "repeat": True}}

        lists = {key: [made(word) for word in more.pop(key)] for key in ("verify", "rollback") if key in more}
        data = {"name": name, "description": name, "steps": list(map(made, steps)), "cool_down_s": 0, **lists, **more}
        (self.books / f"{name}.yaml").write_text(json.dumps(data))

    def incident(self, name: str = "inc-1", **signal: object) -> str:
        given = {"key": name, "source": "alertmanager", "service": "shop", "title": "It is slow", "at_ms": 1,
                 "kind": "alert"} | signal  # fmt: skip
        found = Signal(**given)
        incident = Incident(id=name, fingerprint=name, service=found.service, title=found.title,
                            severity=Severity.ERROR, state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1, count=1,
                            signal=found)  # fmt: skip
        self.store.incidents.add(incident)
        self.dispatcher.incident(incident)
        return self.store.missions.get(name).id

    def stage(self, run: str) -> Stage:
        return self.store.missions.get(run).stage

    def until(self, run: str, *stages: Stage) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.stage(run) not in (stages or ENDS):
            assert time.monotonic() < deadline, (self.stage(run), self.said(run))
            time.sleep(0.02)

    def said(self, run: str) -> list[str]:
        return [f"{e.stage} {e.actor}: {e.reason}" for e in self.store.journal.of(run)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    engines: list[Engine] = []

    def start(cap: str = "merge", automatic: str = "matching", **of: object) -> World:
        made = scenario(tmp_path, red=of.pop("red", NOTHING_RED), **of)
        books, effects = tmp_path / "books", tmp_path / "effects"
        books.mkdir()
        parts = made.parts
        words = [f"{kind}{at}" for kind in ("a", "b", "c", "v", "back") for at in range(4)]
        commands = tuple((sys.executable, "-c", WRITE, str(effects), word) for word in words)
        lent = LentFixers(parts.store, parts.forge, parts.services, parts.policy, parts.reproducer, parts.tester,
                          parts.fixers, parts.budget)  # fmt: skip
        context = Context(commands=commands, clock=SystemClock(), mender=lent,
                          repositories=LentRepositories(parts.store, parts.forge, parts.services, parts.policy,
                                                        parts.clock))  # fmt: skip
        operations = Operations(made.store, lambda: load_books([books]), context, parts.services, parts.policy,
                                cap=cap, automatic=automatic)  # fmt: skip
        made.parts = replace(parts, operations=operations)

        def restart() -> Engine:
            while engines:
                engines.pop().close()
            engines.append(Engine(tmp_path / "missions.db", "test", Steps(made.parts), poll_s=0.1))
            engines[0].launch()
            return engines[0]

        engine = restart()
        desk = RunDesk(made.store, operations, SystemClock(), ["shop"], lambda run: engines[0].start(run))
        dispatcher = Dispatcher(made.store, engine, SystemClock(), desk.for_incident)
        return World(made, desk, dispatcher, engine, books, effects, restart)

    yield start
    while engines:
        engines.pop().close()


def ask(world: World, book: str, **more: object) -> str:
    return world.desk.ask(book, {}, dry_run=False, actor="ada", **more)


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


def book_of(here: World, action: str, **arguments: object) -> None:
    step = {"name": "do", "action": action, "with": arguments}
    (here.books / "one.yaml").write_text(json.dumps({"name": "one", "description": "d", "steps": [step]}))


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
