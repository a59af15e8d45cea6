"""Changes of configuration and data wait for a person, whatever the configuration says; advice reaches people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.scenario import RED, Scenario, drafted, scenario

from nightshift.daemon.missions.foreground import Healer, HealRequest
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.policy.settings import Grant, Settings
from nightshift.daemon.missions.testing import MemoryDurable, ScriptedFixer, ScriptedReproducer, ScriptedTester
from nightshift.daemon.model import Case, Patch, Stage, dump
from nightshift.daemon.ports import PROPOSAL, Budget, Note, Workbench

EVERY_YES = Settings(
    auto_merge_fixers=("environment", "templates"), trust_synthesised=True, merges_per_day=1000,
    grants=(Grant(kinds=("configuration", "*"), fixers=("*",), autonomy="merge"),),
)  # fmt: skip


def started(folder: Path, kind: str, fixer: str) -> Scenario:
    def make(case: Case) -> Sequence[Patch]:
        return [replace(drafted(case, "p1", 2, fixer), kind=kind)]

    made = scenario(folder, autonomy="merge", fixers=[ScriptedFixer(fixer, make)])
    made.parts = replace(made.parts, policy=EVERY_YES)
    return made


def run(made: Scenario, *signals: dict[str, str]) -> MemoryDurable:
    durable = MemoryDurable(signals)
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    return durable


@pytest.mark.parametrize(("kind", "fixer"), [("configuration", "templates"), ("anything", "environment")])
def test_nothing_is_merged_though_every_setting_says_so(tmp_path: Path, kind: str, fixer: str) -> None:
    made = started(tmp_path, kind, fixer)
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert made.commits() == 1 and made.content() == b"x = 1\n" and made.deployer.keys == []
    assert any("are merged by people only" in reason for reason in made.reasons())
    control = started(tmp_path / "control", "constant", "templates")
    run(control)
    assert control.stage() == Stage.HEALED and control.commits() == 2


def test_a_decision_that_was_made_otherwise_is_asked_again_at_the_merge(tmp_path: Path) -> None:
    made = started(tmp_path, "configuration", "environment")
    steps, name = made.steps, made.mission
    case = steps.gather(name, 0)
    case["reproduction"] = dump(RED)
    for step, args in (("reproduce", (case,)), ("plan", (case,))):
        getattr(steps, step)(name, *args)
    patch = steps.draft(name, case, ["environment"], 0)["patches"][0]
    choice = {"verdict": steps.judge(name, case, patch, {"round": 1, "rank": 1}), "reason": ""}
    change = steps.propose(name, case, choice, 0)
    refused = steps.merge(name, case, choice, change, False)
    assert "are merged by people only" in refused["unauthorised"] and made.commits() == 1
    assert steps.merge(name, case, choice, change, True)["merged"] and made.commits() == 2


@dataclass
class Adviser:
    """A creator that knows what to do and can't do it."""

    name: str = "environment"

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        note("environment: looking")
        note(f"{PROPOSAL}set PORT where the service is deployed")
        note(f"{PROPOSAL}set PORT where the service is deployed")
        yield from ()


def test_advice_is_told_with_the_end_of_the_mission(tmp_path: Path) -> None:
    made = scenario(tmp_path, fixers=[Adviser()])
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert made.store.missions.get(made.mission).reason.endswith(
        "What you can do: set PORT where the service is deployed"
    )
    notice = next(n for _, n, _ in made.store.notices.waiting() if n.key.endswith(":ended"))
    assert notice.text.count("set PORT where the service is deployed") == 1
    assert sum(reason.startswith(PROPOSAL) for reason in made.reasons()) == 1


def test_advice_is_told_by_a_mission_in_the_foreground(tmp_path: Path) -> None:
    made = scenario(tmp_path)
    healer = Healer(ScriptedReproducer(RED), ScriptedTester(frozenset()), [Adviser()], lambda _: None)
    result = healer.heal(HealRequest(repo=made.upstream.path, check="python -m pytest"), [])
    assert result.outcome == "no_patch"
    assert result.reason.endswith("What you can do: set PORT where the service is deployed")
