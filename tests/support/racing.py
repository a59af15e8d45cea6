"""A daemon's half of a race: ``python racing.py FOLDER NAME STORE`` waits for FOLDER/go, then runs its mission with a
forge and records of its own against the upstream that it shares. ``python racing.py deploy FOLDER NAME`` only deploys.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from nightshift.daemon.deployers.command import CommandDeployer
from nightshift.daemon.forges.local import LocalForge
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import MemoryDurable, NoBench
from nightshift.daemon.model import Case, Reproduction
from nightshift.daemon.ports import Note, NotYet
from support.scenario import RED, Scenario, scenario


class WhileBroken:
    """Red as long as the branch has the fault."""

    def reproduce(self, case: Case, note: Note) -> Reproduction:
        broken = BareRepo(case.repo).read(case.base, "app.py") == b"x = 1\n"
        return RED if broken else Reproduction(kind="none", reason="it does not fail any more")

    def bench(self, case: Case) -> NoBench:
        return NoBench(case)


def racer(folder: Path, name: str, store: Path) -> Scenario:
    """One daemon. The deploy command writes a line for each time it runs."""
    made = scenario(store, upstream=folder / "upstream.git")
    clock = SystemClock()
    script = f"sleep 0.3; echo {name} >> {folder}/deployed"
    shop = replace(made.parts.services["shop"], deploy=("sh", "-c", script))
    made.parts = replace(
        made.parts, services={"shop": shop}, forge=LocalForge(folder / f"forge-{name}", clock), node=name,
        deployer=CommandDeployer(folder / f"deploys-{name}", clock), reproducer=WhileBroken(),
    )  # fmt: skip
    return made


def wait_for(go: Path) -> None:
    while not go.exists():
        time.sleep(0.002)


def main() -> None:
    if sys.argv[1] == "deploy":
        folder, name = Path(sys.argv[2]), sys.argv[3]
        made = racer(folder, name, folder / "store")
        effects = made.steps.effects_on(made.parts.services["shop"])
        (folder / f"ready-{name}").touch()
        wait_for(folder / "go")
        while True:
            try:
                print(json.dumps({"name": name, "said": effects.deploy("c" * 40, "m-1-fix")}))
                return
            except NotYet:
                time.sleep(0.02)
    folder, name, store = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    made = racer(folder, name, store)
    (folder / f"ready-{name}").touch()
    wait_for(folder / "go")
    asyncio.run(Heal(MemoryDurable(), made.steps, made.mission).run())
    mission = made.store.missions.get(made.mission)
    print(json.dumps({"name": name, "stage": mission.stage.value, "reason": mission.reason, "round": mission.round}))


if __name__ == "__main__":
    main()
