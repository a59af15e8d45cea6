"""The workflow of a mission that has a runbook. A book that may act alone comes before the mending of code, being the
quicker one; one that has to be approved comes after it, when code could not be mended. As pure as `heal`, and as bound
to its order of steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.heal import Heal, Over
from nightshift.daemon.missions.people import Rejected
from nightshift.daemon.model import Stage

_HELD = ("observe", "cooling")


class Operate(Heal):
    """One run of the workflow for one mission."""

    async def _rounds(self) -> tuple[Stage, str]:
        plan = await self._do("plan_run", self.steps.plan_run)
        if plan["by_hand"]:
            return await self._by_hand(plan)
        if plan["action"] == "act":
            done, reason = await self._carried_out(plan, "")
            return (Stage.HEALED, reason) if done else await self._mended(reason)
        try:
            return await super()._rounds()
        except Over as over:
            if over.stage is not Stage.ESCALATED or plan["action"] in _HELD:
                raise Over(over.stage, f"{over}; runbook {plan['book']}: {plan['reason']}") from over
            return await self._offered(plan, str(over))

    async def _by_hand(self, plan: Json) -> tuple[Stage, str]:
        if plan["action"] in _HELD:
            raise Over(Stage.DISMISSED, f"not carried out: {plan['reason']}")
        result = await self._run_book(plan["person"])
        ends = {"done": Stage.HEALED, "rolled_back": Stage.ROLLED_BACK, "not_begun": Stage.DISMISSED}
        return ends.get(result["status"], Stage.ESCALATED), _told(plan, result)

    async def _mended(self, reason: str) -> tuple[Stage, str]:
        """The book did not help: perhaps the code can be mended."""
        try:
            return await super()._rounds()
        except Over as over:
            raise Over(over.stage, f"{reason}; {over}") from over

    async def _offered(self, plan: Json, reason: str) -> tuple[Stage, str]:
        offer = await self._do("offer_run", self.steps.offer_run, reason)
        if "no" in offer:
            raise Over(Stage.ESCALATED, reason)
        approval = await self.people.approval()
        done, told = await self._carried_out(plan, approval["actor"])
        if done:
            return Stage.HEALED, told
        raise Over(Stage.ESCALATED, f"{reason}; {told}")

    async def _carried_out(self, plan: Json, person: str) -> tuple[bool, str]:
        """Whether the book was carried out and production is well again, and what is to be said of it."""
        result = await self._run_book(person)
        if result["status"] != "done":
            return False, _told(plan, result)
        if not result["watch"]:
            return True, _told(plan, result)
        shipped = {"deployed_ms": result["deployed_ms"], "commit": ""}
        outcome = await self._do("watch", self.steps.watch, shipped)
        return outcome["recovery"] == "recovered", f"{_told(plan, result)}; {outcome['reason']}"

    async def _run_book(self, person: str) -> Json:
        """Every step of the book, or the way back. A person who says no in the middle has it taken back."""
        began = await self._do("begin_run", self.steps.begin_run, person)
        if "no" in began:
            return {"status": "not_begun", "reason": began["no"], "watch": False}
        refused: Rejected | None = None
        for number in itertools.count():
            try:
                result = await self._next(number, heed=refused is None)
            except Rejected as rejected:
                refused = rejected
                await self._step("stop_run", self.steps.stop_run, str(rejected))
                continue
            if result["status"] not in ("running", "waiting"):
                break
        closed = await self._step("close_run", self.steps.close_run, result)
        if refused:
            raise Over(_end_of(result), f"{refused}; {result['status']}")
        return {**result, **closed}

    async def _next(self, number: int, *, heed: bool) -> Json:
        """One more step. Raises Rejected, Unanswered, Over."""
        if heed:
            await self.people.heed()
        result = await self._try("operate", self.steps.operate, number)
        if "broke" in result:
            await self._step("stop_run", self.steps.stop_run, f"the environment broke: {result['broke']}")
            result = await self._step("operate", self.steps.operate, number)
        if "refused" in result:
            raise Over(Stage.ESCALATED, f"the runbook stands still: {result['refused']}")
        if result["status"] == "waiting":
            await self._asked(result)
        return result

    async def _asked(self, result: Json) -> None:
        await self._step("ask_person", self.steps.ask_person, result["question"], result["asks"])
        answer: Mapping[str, str] = await self.people.answer(result["within_s"])
        await self._step("answer_run", self.steps.answer_run, result["asks"], dict(answer))


def _end_of(result: Json) -> Stage:
    """Where a run that a person stopped leaves the mission."""
    return Stage.ESCALATED if result["status"] == "rollback_failed" else Stage.DISMISSED


def _told(plan: Json, result: Json) -> str:
    reason = f": {result['reason']}" if result["reason"] else ""
    return f"runbook {plan['book']}: {result['status'].replace('_', ' ')}{reason}"
