"""What the first step hands to the fixers besides frames: what was shipped just before, and what healed before."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.scenario import scenario

from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import MemoryDurable
from nightshift.daemon.model import Case, Stage, load
from nightshift.daemon.store.shipping import Merged


def test_a_merge_just_before_the_first_signal_is_a_suspect(tmp_path: Path) -> None:
    made = scenario(tmp_path)
    tip = made.upstream.resolve("main")
    made.store.merges.add(Merged(key="m0", service="shop", fixer="templates", kind="", commit=tip, at_ms=1, alone=True))
    case = load(Case, made.steps.gather(made.mission, 0))
    told = [s for s in case.diagnosis.suspects if s.commit]
    assert [(s.commit, s.why) for s in told] == [(tip, "deployed 0 minutes before the first signal")]


def test_what_healed_is_handed_to_the_next_mission(tmp_path: Path) -> None:
    made = scenario(tmp_path)
    asyncio.run(Heal(MemoryDurable(()), made.steps, made.mission).run())
    assert made.stage() == Stage.HEALED
    made.store.missions.set(made.mission, stage=Stage.QUEUED.value)
    again = load(Case, made.steps.gather(made.mission, 0))
    [precedent] = again.precedents
    assert precedent.mission == made.mission and "+x = 2" in precedent.diff
