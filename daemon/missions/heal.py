"""The workflow: one incident, from evidence to an end. Pure control flow over durable steps.

It must stay deterministic given the steps' values: no clock, no randomness, no I/O, no configuration here (a
setting may change between a kill and the restart: steps read settings, and their answers are remembered). Changing
the order of steps needs a new workflow version (see missions.engine).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

from nightshift.daemon.missions.durable import Defect, Durable, Json
from nightshift.daemon.missions.people import ANSWER_S, People, Redirected, Rejected, Unanswered
from nightshift.daemon.missions.rounds import Rounds
from nightshift.daemon.missions.steps import Steps
from nightshift.daemon.model import Stage

log = logging.getLogger(__name__)

BACKOFF_S = (1.0, 5.0, 30.0, 120.0)
"""Waits between tries when the environment, not the patch, is at fault."""
WAITS_S = (15.0, 30.0, 60.0, 120.0, 300.0)
"""How long until the forge is asked again whether checks are finished and reviewers agree; the last one stays."""


class Over(Exception):
    """The mission ends here: `stage` and the reason."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage, self.reason = stage, reason


class Heal:
    """One run of the workflow for one mission.

    A step answers {"broke": why} when the environment failed (it is tried again), {"refused": why} when a policy or
    a guard says no (a person is told), anything else when it did its work.
    """

    def __init__(self, durable: Durable, steps: Steps, mission: str) -> None:
        self.durable, self.steps, self.mission = durable, steps, mission
        self.people = People(durable, steps, mission)

    async def run(self) -> Json:
        """To the end; whatever happens, the mission ends in one of its ends."""
        try:
            stage, reason = await self._rounds()
        except Over as over:
            stage, reason = over.stage, over.reason
        except Rejected as rejected:
            stage, reason = Stage.DISMISSED, str(rejected)
        except Unanswered as unanswered:
            stage, reason = Stage.ESCALATED, str(unanswered)
        except Defect as defect:  # ours: it must escalate the incident, not lose it
            stage, reason = Stage.ESCALATED, f"internal error: {defect}"
        return await self._finish(stage, reason)

    async def _rounds(self) -> tuple[Stage, str]:
        for number in itertools.count():  # `gather` refuses when there were enough
            try:
                self.people.steerable = True
                result = await self._round(number)
            except Redirected as redirected:
                await self._step("redirected", self.steps.redirected, redirected.signal)
                continue
            if result is not None:
                return result
        raise AssertionError("endless")

    async def _round(self, number: int) -> tuple[Stage, str] | None:
        case = await self._do("gather", self.steps.gather, number)
        red = await self._do("reproduce", self.steps.reproduce, case)
        if red["kind"] == "none":
            raise Over(Stage.ESCALATED, f"not reproduced: {red['reason']}")
        case["reproduction"] = red
        choice, case = await self._mend(case)
        change = await self._do("propose", self.steps.propose, case, choice, number)
        merged = await self._land(case, choice, change)
        self.people.steerable = False
        return await self._ship(case, merged) if merged else None

    async def _mend(self, case: Json) -> tuple[Json, Json]:
        """The patch that won the tournament, and the case as its last round knew it."""
        choice, known = await Rounds(self._do, self.steps).play(case)
        if not choice["verdict"]:
            raise Over(Stage.ESCALATED, choice["reason"])
        return choice, known

    async def _land(self, case: Json, choice: Json, change: Json) -> Json | None:
        """The merged change, or None when the branch moved. What was allowed once is asked again when it is done."""
        try:
            while True:
                approved = await self._authorise(case, choice, change)
                merged = await self._do("merge", self.steps.merge, case, choice, change, approved)
                if merged.get("stale"):
                    return None
                if not merged.get("unauthorised"):
                    return merged
        except Rejected as rejected:
            withdrawn = await self._patiently("withdraw", self.steps.withdraw, choice, change, rejected.signal)
            closed = self._done("withdraw", withdrawn)
            if closed.get("merged"):
                raise Over(Stage.ESCALATED, f"{rejected}; but it had been merged by hand already") from rejected
            raise

    async def _authorise(self, case: Json, choice: Json, change: Json) -> bool:
        """Whether a person approved; False when none has to. Raises Over when nothing may be done."""
        decision = await self._do("authorise", self.steps.authorise, case, choice, change)
        if decision["action"] == "observe":
            raise Over(Stage.ESCALATED, f"a proved patch is ready, nothing was merged: {decision['reason']}")
        if decision["action"] == "merge":
            return False
        await self.people.approval()
        return True

    async def _ship(self, case: Json, change: Json) -> tuple[Stage, str]:
        try:
            deployed = await self._do("deploy", self.steps.deploy, change)
            if deployed.get("failed"):
                return await self._roll_back(case, change, f"the deploy failed: {deployed['failed']}")
            outcome = await self._do("watch", self.steps.watch, deployed)
            await self.people.heed()
        except Rejected as rejected:
            return await self._roll_back(case, change, str(rejected))
        if outcome["recovery"] == "recovered":
            return Stage.HEALED, outcome["reason"]
        if outcome["recovery"] == "still_failing":
            return await self._roll_back(case, change, outcome["reason"])
        return await self._told_by_people(case, change, outcome)

    async def _told_by_people(self, case: Json, change: Json, outcome: Json) -> tuple[Stage, str]:
        """Nobody but a person can tell whether it healed."""
        unclear = f"shipped, but whether it healed can't be told: {outcome['reason']}"
        try:
            await self._step("unclear", self.steps.unclear, outcome)
            said = await self.people.approval()
        except Rejected as rejected:
            return await self._roll_back(case, change, str(rejected))
        except Unanswered as unanswered:
            return Stage.ESCALATED, f"{unclear}; {unanswered}"
        return Stage.HEALED, f"{said['actor']} says that it healed; {outcome['reason']}"

    async def _roll_back(self, case: Json, change: Json, reason: str) -> tuple[Stage, str]:
        """Nobody is listened to here: the way back is short, and stopping on it helps no one."""
        undone = await self._patiently("rollback", self.steps.rollback, case, change, reason)
        stuck = undone.get("refused") or undone.get("broke") or undone.get("settled") or undone.get("waiting")
        if stuck:
            return Stage.ESCALATED, f"{reason}; it could not be rolled back: {stuck}"
        again = await self._patiently("redeploy", self.steps.deploy, undone, "rollback")
        failed = again.get("failed") or again.get("refused") or again.get("broke") or again.get("waiting")
        tail = f"; redeploying the old state failed: {failed}" if failed else ""
        return Stage.ROLLED_BACK, f"{reason}; the change was reverted{tail}"

    async def _finish(self, stage: Stage, reason: str) -> Json:
        """Tried until it works: a mission whose end can't be written down is not over."""
        for wait_s in itertools.chain(BACKOFF_S, itertools.repeat(BACKOFF_S[-1])):
            ended = await self.durable.step("finish", self.steps.finish, self.mission, stage.value, reason)
            if "broke" not in ended:
                return ended
            await self.durable.sleep(wait_s)
        raise AssertionError("endless")

    async def _do(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        """A step, after heeding people; again when it is the forge's checks or people that it waits for. Raises Over
        when it can't be done, Rejected, Redirected, Unanswered, Defect."""
        waited_s = 0.0
        for wait_s in itertools.chain(WAITS_S, itertools.repeat(WAITS_S[-1])):
            await self.people.heed()
            result = await self._step(name, work, *args)
            if "waiting" not in result:
                return result
            if waited_s > ANSWER_S:
                raise Unanswered(f"{name}: waited for seven days: {result['waiting']}")
            waited_s += wait_s
            await self.people.heed(wait_s)
        raise AssertionError("endless")

    async def _patiently(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        """A step that nobody may stop, as often as it has to wait, for seven days; the last answer."""
        waited_s = 0.0
        for wait_s in itertools.chain(WAITS_S, itertools.repeat(WAITS_S[-1])):
            result = await self._try(name, work, *args)
            if "waiting" not in result or waited_s > ANSWER_S:
                return result
            waited_s += wait_s
            await self.durable.sleep(wait_s)
        raise AssertionError("endless")

    async def _step(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        return self._done(name, await self._try(name, work, *args))

    def _done(self, name: str, result: Json) -> Json:
        """What a step did. Raises Over when it did not do its work and never will."""
        if "settled" in result:
            raise Over(Stage.DISMISSED, result["settled"])
        if "refused" in result:
            raise Over(Stage.ESCALATED, f"{name}: {result['refused']}")
        if "broke" in result:
            tries = len(BACKOFF_S) + 1
            raise Over(Stage.ESCALATED, f"{name}: the environment broke {tries} times: {result['broke']}")
        return result

    async def _try(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        """A step, tried again while the environment is broken; the last answer."""
        for wait_s in BACKOFF_S:
            result = await self.durable.step(name, work, self.mission, *args)
            if "broke" not in result:
                return result
            await self.durable.sleep(wait_s)
        return await self.durable.step(name, work, self.mission, *args)
