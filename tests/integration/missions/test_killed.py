"""The workflow killed around the effect of every step, in every kind of mission: replayed to the same end."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from support.scenario import Scenario, drafted, scenario

from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import Killed, RecordedDurable, ScriptedCritic, ScriptedFixer
from nightshift.daemon.model import Recovery, Stage

APPROVE = {"verb": "approve", "actor": "ada", "reason": "read it", "when": "authorise"}
PAUSE = {"verb": "pause", "actor": "ada", "reason": "wait", "when": "reproduce"}
RESUME = {"verb": "resume", "actor": "ada", "reason": "go on"}
KINDS = {
    "healed": ({}, (), Stage.HEALED, 2),
    "approved": ({"autonomy": "propose"}, (PAUSE, RESUME, APPROVE), Stage.HEALED, 2),
    "rejected": ({"autonomy": "propose"}, ({**APPROVE, "verb": "reject"},), Stage.DISMISSED, 1),
    "taken back": ({}, ({**APPROVE, "verb": "reject", "when": "merge"},), Stage.ROLLED_BACK, 3),
    "rolled back": ({"outcome": Recovery.STILL_FAILING}, (), Stage.ROLLED_BACK, 3),
    "stale": ({}, (), Stage.HEALED, 3),
    "contested": ({}, (), Stage.HEALED, 2),
    "unclear": ({"outcome": Recovery.INDETERMINATE}, ({**APPROVE, "when": "unclear"},), Stage.HEALED, 2),
}


def made_for(kind: str, folder: Path) -> Scenario:
    made = scenario(folder, **KINDS[kind][0], **(contested() if kind == "contested" else {}))
    made.parts.reproducer.is_red = True
    if kind != "stale":
        return made
    judge = made.tester.judge

    def push_while_judging(case, patch, note):
        if b"y = 1" not in made.upstream.out("ls-tree", "-r", "main") and made.commits() == 1:
            made.push({"other.py": b"y = 1\n"}, "meanwhile")
        return judge(case, patch, note)

    made.tester.judge = push_while_judging
    return made


def contested() -> dict:
    """Two creators, two rounds: the critic refutes all of the first, whose lesson one creator knows an answer to."""

    def wiser(case):
        taught = any("test_f" in text for text in case.reproduction.files.values())
        return [drafted(case, "p1", 2) if taught else drafted(case, "w1", 3)]

    def plain(case):
        return [drafted(case, "t1", 4, "revert"), drafted(case, "t2", 5, "revert")]

    critic = ScriptedCritic(refutes={"w1": "f(1) is 3, not 1"}, lessons={"w1": "def test_f():\n    assert f(1) == 1\n"})
    return {"accepts": ("p1", "w1"), "critic": critic,
            "fixers": [ScriptedFixer("revert", plain), ScriptedFixer("templates", wiser)]}  # fmt: skip


def run(made: Scenario, durable: RecordedDurable) -> None:
    asyncio.run(Heal(durable, made.steps, made.mission).run())


def ends(kind: str, folder: Path, kill_at: int) -> tuple[Scenario, RecordedDurable]:
    made, durable = made_for(kind, folder), RecordedDurable(KINDS[kind][1], kill_at)
    try:
        run(made, durable)
    except Killed:
        durable.again()
        run(made, durable)
    return made, durable


@pytest.mark.parametrize("kind", KINDS)
def test_killed_anywhere_it_ends_the_same(tmp_path: Path, kind: str):
    _, _, end, commits = KINDS[kind]
    whole, durable = ends(kind, tmp_path / "whole", -1)
    told = Counter(whole.reasons())
    # Before a step's effect nothing is different from a later start; one kind shows that.
    for kill_at in range(0 if kind == "healed" else 1, 2 * len(durable.names), 1 if kind == "healed" else 2):
        made, _ = ends(kind, tmp_path / str(kill_at), kill_at)
        where = f"{kind} killed at {durable.names[kill_at // 2]} {('before', 'after')[kill_at % 2]}"
        assert made.stage() == end, f"{where}: {made.reasons()}"
        assert made.commits() == commits, where
        notices = [notice.key for _, notice, _ in made.store.notices.waiting()]
        assert len(notices) == len(set(notices)), where
        assert made.store.memory.tally() == whole.store.memory.tally(), where
        merges = [m for kind_ in ("", "constant") for m in made.store.merges.of("shop", "templates", kind_)]
        assert len(merges) == (commits > 1), where
        assert len(made.deployer.keys) == len(set(made.deployer.keys)) or "deploy" in where, where
        again = Counter(reason for reason in made.reasons() if "(again, the daemon stopped" not in reason)
        assert {r: n for r, n in again.items() if "as " not in r} == {
            r: n for r, n in told.items() if "as " not in r
        }, where
        made.store.close()


def test_a_step_that_always_kills_the_daemon_is_given_up(tmp_path: Path):
    made, durable = scenario(tmp_path), RecordedDurable()

    def deadly(case, note):
        raise Killed

    made.parts.reproducer.reproduce = deadly
    for _ in range(40):
        with suppress(Killed):
            durable.again()
            run(made, durable)
            break
    assert made.stage() == Stage.ESCALATED
    assert "it may be the step that kills it" in made.reasons()[-1]


def test_a_defect_is_replayed_with_the_same_words(tmp_path: Path):
    made = scenario(tmp_path)
    made.parts.reproducer.reproduce = None
    durable = RecordedDurable((), 5)
    with pytest.raises(Killed):
        run(made, durable)
    first = durable.history[-1]
    durable.again()
    run(made, durable)
    assert first in durable.history
    assert (
        made.store.missions.get(made.mission).reason == "internal error: TypeError: 'NoneType' object is not callable"
    )
