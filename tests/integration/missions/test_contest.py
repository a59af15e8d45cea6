"""Tournaments in the foreground and in the journal, held again from their record, with scripted parts and real git."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.scenario import RED, commit, drafted, scenario

from nightshift.daemon.dossier import dossier
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions import scoresheet
from nightshift.daemon.missions.budget import Tournament
from nightshift.daemon.missions.foreground import Healer, HealRequest
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.replay import Replay
from nightshift.daemon.missions.testing import (
    MemoryDurable,
    RecordedDurable,
    ScriptedCritic,
    ScriptedFixer,
    ScriptedReproducer,
    ScriptedTester,
)
from nightshift.daemon.model import Case, Stage
from nightshift.daemon.ports import EnvironmentBroke

LESSON = "def test_two():\n    import app\n    assert app.x == 2\n"
WRONG = {"w1": "x is 3 where 2 was recorded"}


def wiser(case: Case):
    """One that takes a lesson."""
    taught = any(text == LESSON for text in case.reproduction.files.values())
    return [drafted(case, "p1", 2) if taught else drafted(case, "w1", 3)]


def silent(case: Case):
    return []


@pytest.fixture
def repo(tmp_path: Path) -> BareRepo:
    made = BareRepo.ensure(tmp_path / "upstream.git")
    commit(made, {"app.py": b"x = 1\n", "tests/test_app.py": b""}, "first")
    made.out("symbolic-ref", "HEAD", "refs/heads/main")
    return made


FIXERS = (ScriptedFixer("revert", silent), ScriptedFixer("templates", wiser))


def healer(accepts=("p1", "w1"), **of):
    red = replace(RED, failing=("tests/test_app.py::a",), baseline={"tests/test_app.py::a": "failed"})
    tester = of.get("tester") or ScriptedTester(frozenset(accepts))
    critic = of.get("critic", ScriptedCritic(refutes=WRONG, lessons={"w1": LESSON}))
    limits = of.get("limits", Tournament())
    return Healer(ScriptedReproducer(red, is_red=True), tester, FIXERS, lambda _: None, critic, limits)


def heal(made: Healer, repo: BareRepo, budget_s: float = 60.0):
    return made.heal(HealRequest(repo=repo.path, check="python -m pytest", budget_s=budget_s), [])


def test_what_the_critic_refutes_teaches_the_round_that_heals(repo):
    result = heal(healer(), repo)
    told = result.to_json()
    assert told["outcome"] == "healed", told
    assert result.verdict.patch.id == "p1"
    assert [(r["round"], r["patch"], r["judgement"], bool(r["refuted"])) for r in told["rounds"]] == [
        (1, "w1", "accepted", True), (2, "p1", "accepted", False)]  # fmt: skip
    assert told["critique"]["clusters"] == 1
    assert isinstance(told["candidates"], int)
    (lesson,) = result.sheet.standing.now.lessons
    assert lesson.path.startswith("tests/test_nightshift_lesson_")
    assert lesson.failing == (f"{lesson.path}::test_two",)
    assert result.sheet.standing.now.criticism == (
        "templates's change (edit) of app.py was refuted: x is 3 where 2 was recorded",
    )


def test_one_round_only_and_a_refuted_patch_is_no_patch(repo):
    result = heal(healer(limits=Tournament(rounds=1)), repo)
    assert (result.outcome, result.exit_code) == ("no_patch", 1)
    assert "no patch survived the critic, 1 refuted" in result.reason
    assert result.to_json()["patch"] is None


def test_a_critic_that_cannot_tell_means_abstaining(repo):
    result = heal(healer(critic=ScriptedCritic(abstain="4 behaviours, and nothing says which is right")), repo)
    assert (result.outcome, result.reason) == ("abstained", "4 behaviours, and nothing says which is right")


def test_without_a_critic_the_first_that_passes_wins(repo):
    result = heal(healer(critic=None), repo)
    assert result.outcome == "healed"
    assert result.verdict.patch.id == "w1"
    assert result.to_json()["critique"] is None


def test_with_the_time_up_nobody_drafts_again_and_nothing_refuted_is_given(repo):
    class Slow(ScriptedCritic):
        def criticise(self, case, patches, note):
            time.sleep(0.4)
            return super().criticise(case, patches, note)

    result = heal(healer(critic=Slow(refutes=WRONG, lessons={"w1": LESSON})), repo, budget_s=0.3)
    assert result.outcome == "no_patch", result.reason


def test_a_record_is_held_again_and_what_differs_is_told(repo, tmp_path):
    sheet = scoresheet.read(json.loads(json.dumps(scoresheet.written(heal(healer(), repo).sheet))))
    assert sheet.chosen == "p1"
    assert sheet.case.repo == ""

    def again(**of):
        parts = healer(**of)
        return Replay(parts._reproducer, parts._tester, parts._critic, lambda _: None).hold(sheet, repo.path)

    same = again()
    assert (same.same, same.judged, same.compared, same.chosen) == (True, 2, 2, "p1")
    stricter = again(accepts=("w1",))
    assert stricter.differences[0] == "p1: accepted then, rejected at reproduction now"
    assert stricter.differences[-1].startswith("choice: p1 then, nothing now")
    kinder = again(critic=ScriptedCritic())
    assert "w1: refuted then, not refuted now" in kinder.differences
    with pytest.raises(EnvironmentBroke, match="no critic"):
        again(critic=None)


def test_a_record_of_a_large_suite_finds_out_again_what_its_tests_do(repo):
    sheet = heal(healer(), repo).sheet
    large = {f"t::{n}": "passed" for n in range(3000)}
    case = replace(sheet.case, reproduction=replace(sheet.case.reproduction, baseline=large))
    kept = scoresheet.read(scoresheet.written(replace(sheet, case=case)))
    assert kept.case.reproduction.baseline == {}
    seen = []

    class Watching(ScriptedTester):
        def judge(self, case, patch, note):
            seen.append(dict(case.reproduction.baseline))
            return super().judge(case, patch, note)

    parts = healer(tester=Watching(frozenset(("p1", "w1"))))
    assert Replay(parts._reproducer, parts._tester, parts._critic, lambda _: None).hold(kept, repo.path).same
    assert all("tests/test_app.py::a" in baseline for baseline in seen)


@pytest.mark.parametrize("data", [None, [], {}, {"version": 2}, {"version": 1, "case": {}}, {"version": 1}])
def test_what_is_no_record_is_refused(data):
    with pytest.raises(ValueError):
        scoresheet.read(data)


def mission(tmp_path: Path, **of):
    critic = of.pop("critic", ScriptedCritic(refutes=WRONG, lessons={"w1": LESSON}))
    made = scenario(tmp_path, accepts=("p1", "w1"), fixers=list(FIXERS), critic=critic, **of)
    made.parts.reproducer.is_red = True
    return made


def test_a_mission_s_journal_holds_every_candidate_with_scores_and_reasons_and_can_be_replayed(tmp_path):
    made = mission(tmp_path)
    durable = MemoryDurable()
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    assert made.stage() is Stage.HEALED, made.reasons()
    assert made.content() == b"x = 2\n"
    names = [
        n for n in durable.names if n.partition(":")[0] in ("plan", "draft", "judge", "criticise", "learn", "choose")
    ]
    assert names == ["plan", "draft:revert", "draft:templates", "judge:w1", "criticise", "learn",
                     "draft:templates:round-2", "judge:p1:round-2", "criticise:round-2", "choose"]  # fmt: skip
    entries = [e.data["entry"] for e in made.store.journal.of(made.mission) if "entry" in e.data]
    assert [(e["round"], e["rank"], e["creator"]) for e in entries] == [(1, 1, "templates"), (2, 1, "templates")]
    found = dossier(made.store, made.mission)
    assert [row["patch"] for row in found["tournament"]] == ["w1", "p1"]
    assert all("tournament" not in event["data"] for event in found["journal"])
    (data,) = [e.data["tournament"] for e in made.store.journal.of(made.mission) if "tournament" in e.data]
    sheet, parts = scoresheet.read(json.loads(json.dumps(data))), made.parts
    repo = str(parts.forge.path(parts.services["shop"]))
    replayed = Replay(parts.reproducer, parts.tester, parts.critic, lambda _: None).hold(sheet, repo)
    assert replayed.same, replayed.differences


def test_the_eliminated_are_remembered_and_the_winner_is_settled(tmp_path):
    refuted = mission(tmp_path, critic=ScriptedCritic(refutes={"w1": "no", "p1": "no"}, lessons={"w1": LESSON}))
    asyncio.run(Heal(MemoryDurable(), refuted.steps, refuted.mission).run())
    assert refuted.stage() is Stage.ESCALATED
    assert "no patch survived the critic, 2 refuted" in refuted.store.missions.get(refuted.mission).reason
    assert refuted.store.memory.tally() == {"revert": {"no_patch": 1}, "templates": {"rejected": 1}}
    assert refuted.commits() == 1


def test_a_mission_whose_plan_an_older_version_made_goes_on_as_it_began(tmp_path):
    made, durable = mission(tmp_path), RecordedDurable()
    plan = made.steps.plan

    def old(mission_, case):
        return {"fixers": plan(mission_, case)["fixers"]}

    steps = made.steps
    steps.plan = old
    asyncio.run(Heal(durable, steps, made.mission).run())
    assert made.stage() is Stage.HEALED, made.reasons()
    assert made.content() == b"x = 3\n"
    assert "criticise" not in durable.names


def test_with_no_time_left_for_the_critic_the_proof_still_counts(tmp_path):
    made = mission(tmp_path)
    judge = made.tester.judge

    def dear(case, patch, note):
        made.store.missions.spend(made.mission, 1e6)
        return judge(case, patch, note)

    made.tester.judge = dear
    asyncio.run(Heal(MemoryDurable(), made.steps, made.mission).run())
    assert any("nothing was compared" in reason for reason in made.reasons())
    assert made.parts.forge.find(made.parts.services["shop"], made.mission), made.reasons()
