import asyncio
from pathlib import Path

from support.scenario import Scenario, scenario

from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import MemoryDurable
from nightshift.daemon.model import Recovery, Reproduction, Stage


def run(made: Scenario, *signals: dict[str, str]) -> MemoryDurable:
    durable = MemoryDurable(signals)
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    return durable


def say(verb: str, when: str = "") -> dict[str, str]:
    said = {"verb": verb, "actor": "ada", "reason": "because"}
    return {**said, "when": when} if when else said


def test_heals_and_tells_once(tmp_path: Path):
    made = scenario(tmp_path)
    run(made)
    assert made.stage() == Stage.HEALED
    assert made.content() == b"x = 2\n"
    assert made.commits() == 2
    assert made.deployer.keys == [f"{made.mission}-fix"]
    assert [n.key for _, n, _ in made.store.notices.waiting()] == [f"{made.mission}:ended"]
    assert made.store.memory.tally("KeyError") == {"templates": {"healed": 1}}


def test_runs_twice_without_doubling_anything(tmp_path: Path):
    made = scenario(tmp_path)
    steps, name = made.steps, made.mission
    case = steps.gather(name, 0)
    case["reproduction"] = steps.reproduce(name, case)
    steps.plan(name, case)
    patch = steps.draft(name, case, ["templates"], 0)["patches"][0]
    choice = {"verdict": steps.judge(name, case, patch, {"round": 1, "rank": 1}), "reason": ""}
    change = steps.propose(name, case, choice, 0)
    assert steps.propose(name, case, choice, 0) == change
    merged = steps.merge(name, case, choice, change, False)
    assert steps.merge(name, case, choice, change, False) == merged
    assert made.commits() == 2
    deployed = steps.deploy(name, merged)
    steps.watch(name, deployed)
    steps.finish(name, "healed", "quiet")
    steps.finish(name, "healed", "quiet")
    assert len(made.store.notices.waiting()) == 1


def test_escalates_what_cannot_be_made_red(tmp_path: Path):
    made = scenario(tmp_path, red=Reproduction(kind="none", reason="raised on purpose"))
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert "raised on purpose" in made.reasons()[-1]
    assert made.commits() == 1


def test_escalates_when_no_patch_passes(tmp_path: Path):
    made = scenario(tmp_path, accepts=())
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert made.commits() == 1
    assert made.store.memory.tally() == {"templates": {"rejected": 1}}


def test_a_broken_environment_is_tried_again_then_escalated(tmp_path: Path):
    made = scenario(tmp_path, breaks=2)
    durable = run(made)
    assert made.stage() == Stage.HEALED
    assert durable.slept_s == [1.0, 5.0]
    gone = scenario(tmp_path / "gone", breaks=99)
    run(gone)
    assert gone.stage() == Stage.ESCALATED
    assert "environment broke 5 times" in gone.reasons()[-1]


def test_proposes_and_waits_for_a_person(tmp_path: Path):
    made = scenario(tmp_path, autonomy="propose")
    run(made, say("approve", when="authorise"))
    assert made.stage() == Stage.HEALED
    assert any("approved by ada" in r for r in made.reasons())
    keys = [n.key.split(":", 1)[1] for _, n, _ in made.store.notices.waiting()]
    assert keys == [f"waiting:{made.mission}", "ended"]


def test_a_rejection_closes_and_merges_nothing(tmp_path: Path):
    made = scenario(tmp_path, autonomy="propose")
    run(made, say("reject", when="authorise"))
    assert made.stage() == Stage.DISMISSED
    assert made.commits() == 1
    change = made.parts.forge.find(made.parts.services["shop"], made.mission)
    assert change.state == "closed"


def test_an_early_approval_does_not_skip_the_proof(tmp_path: Path):
    made = scenario(tmp_path, autonomy="propose", accepts=())
    run(made, say("approve"))
    assert made.stage() == Stage.ESCALATED
    assert made.commits() == 1


def test_pause_and_resume(tmp_path: Path):
    made = scenario(tmp_path)
    durable = run(made, say("pause", when="reproduce"), say("resume"))
    assert made.stage() == Stage.HEALED
    assert durable.names.index("paused") == durable.names.index("reproduce") + 1
    assert not made.store.missions.get(made.mission).paused


def test_observe_does_nothing_outside(tmp_path: Path):
    made = scenario(tmp_path, autonomy="observe")
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert made.commits() == 1
    assert made.parts.forge.find(made.parts.services["shop"], made.mission) is None
    assert made.deployer.keys == []


def test_a_fix_that_does_not_help_is_rolled_back_in_git(tmp_path: Path):
    made = scenario(tmp_path, outcome=Recovery.STILL_FAILING)
    run(made)
    assert made.stage() == Stage.ROLLED_BACK
    assert made.content() == b"x = 1\n"
    assert made.commits() == 3
    assert made.deployer.keys == [f"{made.mission}-fix", f"{made.mission}-rollback"]
    assert made.store.memory.tally("KeyError") == {"templates": {"rolled_back": 1}}


def test_a_failing_deploy_is_rolled_back(tmp_path: Path):
    made = scenario(tmp_path, deploy_fails=True)
    run(made)
    assert made.stage() == Stage.ROLLED_BACK
    assert made.content() == b"x = 1\n"


def test_what_cannot_be_told_is_escalated_not_undone(tmp_path: Path):
    made = scenario(tmp_path, outcome=Recovery.INDETERMINATE)
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert made.content() == b"x = 2\n"


def test_a_moved_branch_is_judged_again(tmp_path: Path):
    made = scenario(tmp_path)
    judge = made.tester.judge

    def push_while_judging(case, patch, note):
        if not made.tester.judged:
            made.push({"other.py": b"y = 1\n"}, "meanwhile")
        return judge(case, patch, note)

    made.tester.judge = push_while_judging
    run(made)
    assert made.stage() == Stage.HEALED
    assert made.tester.judged == ["p1", "p1"]
    assert made.upstream.read("main", "other.py") == b"y = 1\n"
    assert made.content() == b"x = 2\n"


def test_a_defect_of_ours_escalates(tmp_path: Path):
    made = scenario(tmp_path)
    made.parts.reproducer.reproduce = None
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert "internal error" in made.reasons()[-1]
