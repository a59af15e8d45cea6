"""The workflow: one incident, from evidence to an end. Pure control flow over durable steps.

It must stay deterministic given the steps' values: no clock, no randomness, no I/O here. Changing the order of
steps needs a new workflow version (see missions.engine).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from nightshift.daemon.missions.durable import Durable, Json
from nightshift.daemon.missions.steps import Steps
from nightshift.daemon.model import Stage

log = logging.getLogger(__name__)

BACKOFF_S = (1.0, 5.0, 30.0, 120.0)
"""Waits between tries when the environment, not the patch, is at fault."""
APPROVAL_S = 7 * 24 * 3600.0


class Over(Exception):
    """The mission ends here: `stage` and the reason."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage, self.reason = stage, reason


class Heal:
    """One run of the workflow for one mission."""

    def __init__(self, durable: Durable, steps: Steps, mission: str, *, rounds: int = 3) -> None:
        self.durable, self.steps, self.mission, self.rounds = durable, steps, mission, rounds

    async def run(self) -> Json:
        """To the end; whatever happens, the mission ends in one of its ends."""
        try:
            stage, reason = await self._rounds()
        except Over as over:
            stage, reason = over.stage, over.reason
        except Exception as error:  # a defect of ours must escalate the incident, not lose it
            log.exception("mission %s broke", self.mission)
            stage, reason = Stage.ESCALATED, f"internal error: {type(error).__name__}: {error}"
        return await self.durable.step("finish", self.steps.finish, self.mission, stage.value, reason)

    async def _rounds(self) -> tuple[Stage, str]:
        for number in range(self.rounds):
            result = await self._round(number)
            if result is not None:
                return result
        return Stage.ESCALATED, f"the branch moved {self.rounds} times while the patch was being proved"

    async def _round(self, number: int) -> tuple[Stage, str] | None:
        case = await self._do("gather", self.steps.gather, number)
        red = await self._do("reproduce", self.steps.reproduce, case)
        if red["kind"] == "none":
            raise Over(Stage.ESCALATED, f"not reproduced: {red['reason']}")
        case["reproduction"] = red
        choice = await self._mend(case)
        change = await self._do("propose", self.steps.propose, case, choice, number)
        await self._authorise(case, choice, change)
        merged = await self._do("merge", self.steps.merge, change)
        if merged.get("stale"):
            return None
        return await self._ship(case, merged)

    async def _mend(self, case: Json) -> Json:
        accepted: list[Json] = []
        plan = await self._do("plan", self.steps.plan, case)
        for fixer in plan["fixers"]:
            patches = await self._do(f"draft:{fixer}", self.steps.draft, case, fixer)
            for at, patch in enumerate(patches["patches"]):
                verdict = await self._do(f"judge:{patch['id']}", self.steps.judge, case, patch)
                if verdict["judgement"] == "accepted":
                    accepted.append({"verdict": verdict, "plausible": len(patches["patches"]) - at})
                    break
            if accepted:
                break
        choice = await self._do("choose", self.steps.choose, case, accepted)
        if not choice["verdict"]:
            raise Over(Stage.ESCALATED, choice["reason"])
        return choice

    async def _authorise(self, case: Json, choice: Json, change: Json) -> None:
        decision = await self._do("authorise", self.steps.authorise, case, choice, change)
        if decision["action"] == "observe":
            raise Over(Stage.ESCALATED, f"a proved patch is ready, nothing was done: {decision['reason']}")
        if decision["action"] == "merge":
            return
        answer = await self._wait_for(("approve", "reject"))
        if answer["verb"] == "reject":
            await self._do("withdraw", self.steps.withdraw, change, answer)
            raise Over(Stage.DISMISSED, f"rejected by {answer['actor']}: {answer['reason']}")
        await self._do("approved", self.steps.approved, answer)

    async def _ship(self, case: Json, change: Json) -> tuple[Stage, str]:
        deployed = await self._do("deploy", self.steps.deploy, change)
        if deployed.get("failed"):
            return await self._roll_back(case, change, f"the deploy failed: {deployed['failed']}")
        outcome = await self._do("watch", self.steps.watch, deployed)
        if outcome["recovery"] == "recovered":
            return Stage.HEALED, outcome["reason"]
        if outcome["recovery"] == "still_failing":
            return await self._roll_back(case, change, outcome["reason"])
        return Stage.ESCALATED, f"shipped, but whether it healed can't be told: {outcome['reason']}"

    async def _roll_back(self, case: Json, change: Json, reason: str) -> tuple[Stage, str]:
        undone = await self._do("rollback", self.steps.rollback, case, change, reason)
        if undone.get("refused"):
            return Stage.ESCALATED, f"{reason}; it could not be rolled back: {undone['refused']}"
        again = await self._do("redeploy", self.steps.deploy, undone, "rollback")
        tail = f"; redeploying the old state failed: {again['failed']}" if again.get("failed") else ""
        return Stage.ROLLED_BACK, f"{reason}; the change was reverted{tail}"

    async def _do(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        await self._heed_signals()
        for wait_s in (*BACKOFF_S, None):
            result = await self.durable.step(name, work, self.mission, *args)
            if "broke" not in result:
                return result
            if wait_s is None:
                break
            await self.durable.sleep(wait_s)
        raise Over(Stage.ESCALATED, f"{name}: the environment broke {len(BACKOFF_S) + 1} times: {result['broke']}")

    async def _heed_signals(self) -> None:
        signal = await self.durable.receive(0)
        while signal:
            if signal["verb"] == "pause":
                await self.durable.step("paused", self.steps.pause, self.mission, dict(signal))
                await self._wait_for(("resume",))
            elif signal["verb"] == "reject":
                raise Over(Stage.DISMISSED, f"rejected by {signal['actor']}: {signal['reason']}")
            signal = await self.durable.receive(0)

    async def _wait_for(self, verbs: tuple[str, ...]) -> Json:
        while True:
            signal = await self.durable.receive(APPROVAL_S)
            if signal is None:
                raise Over(Stage.ESCALATED, "nobody answered within seven days")
            if signal["verb"] == "reject" or signal["verb"] in verbs:
                await self.durable.step("resumed", self.steps.resume, self.mission, dict(signal))
                if signal["verb"] == "reject" and "reject" not in verbs:
                    raise Over(Stage.DISMISSED, f"rejected by {signal['actor']}: {signal['reason']}")
                return dict(signal)
