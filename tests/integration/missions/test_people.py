"""What people say, whenever they say it: every signal has its effect once, or a line that it had none."""

import asyncio
from pathlib import Path

import pytest
from support.scenario import Scenario, scenario

from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import MemoryDurable
from nightshift.daemon.model import ChangeState, Recovery, Stage


def say(verb: str, when: str = "") -> dict[str, str]:
    said = {"verb": verb, "actor": "ada", "reason": "because"}
    return {**said, "when": when} if when else said


def run(made: Scenario, *signals: dict[str, str]) -> MemoryDurable:
    durable = MemoryDurable(signals)
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    return durable


def request_state(made: Scenario) -> ChangeState | None:
    found = made.parts.forge.find(made.parts.services["shop"], made.mission)
    return found.state if found else None


def test_pausing_what_waits_for_an_approval_holds_it(tmp_path: Path):
    made = scenario(tmp_path, autonomy="propose")
    durable = run(made, say("pause", "authorise"), say("approve"), say("resume"), say("approve"))
    assert made.stage() == Stage.HEALED
    assert [n for n in durable.names if n in ("paused", "unheard", "resumed", "approved", "merge")] == [
        "paused", "unheard", "resumed", "approved", "merge"]  # fmt: skip
    assert "approve by ada came when nothing waited for it" in made.reasons()
    assert not made.store.missions.get(made.mission).paused


def test_a_rejection_while_paused_withdraws_the_request(tmp_path: Path):
    made = scenario(tmp_path, autonomy="propose")
    run(made, say("pause", "authorise"), say("reject"))
    assert made.stage() == Stage.DISMISSED
    assert request_state(made) == ChangeState.CLOSED
    assert not made.store.missions.get(made.mission).paused


def test_a_rejection_between_the_proposal_and_the_merge_withdraws_the_request(tmp_path: Path):
    made = scenario(tmp_path)
    run(made, say("reject", "authorise"))
    assert made.stage() == Stage.DISMISSED
    assert made.commits() == 1
    assert request_state(made) == ChangeState.CLOSED


@pytest.mark.parametrize("when", ["merge", "deploy", "watch"])
def test_a_rejection_after_the_merge_takes_it_back(tmp_path: Path, when: str):
    made = scenario(tmp_path)
    run(made, say("reject", when))
    assert made.stage() == Stage.ROLLED_BACK, made.reasons()
    assert made.content() == b"x = 1\n"
    assert "rejected by ada" in made.store.missions.get(made.mission).reason


def test_a_rejection_during_the_way_back_does_not_stop_it(tmp_path: Path):
    made = scenario(tmp_path, outcome=Recovery.STILL_FAILING)
    run(made, say("reject", "rollback"))
    assert made.stage() == Stage.ROLLED_BACK
    assert made.deployer.keys == [f"{made.mission}-fix", f"{made.mission}-rollback"]


def test_a_rejection_before_the_proof_proposes_nothing(tmp_path: Path):
    made = scenario(tmp_path)
    run(made, say("reject", "reproduce"))
    assert made.stage() == Stage.DISMISSED
    assert request_state(made) is None


def test_approving_twice_and_resuming_what_runs_is_told_and_changes_nothing(tmp_path: Path):
    made = scenario(tmp_path, autonomy="propose")
    durable = run(made, say("resume", "gather"), say("approve", "authorise"), say("approve"))
    assert made.stage() == Stage.HEALED
    assert durable.names.count("merge") == 1
    assert made.commits() == 2
    assert sum("came when nothing waited" in reason for reason in made.reasons()) == 1


def test_a_rejection_counts_against_the_fixer_not_against_nobody(tmp_path: Path):
    made = scenario(tmp_path, autonomy="propose")
    run(made, say("reject", "authorise"))
    assert made.store.memory.tally() == {"templates": {"dismissed": 1}}
