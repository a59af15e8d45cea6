"""What people say to a mission while it runs. Every signal has an effect or a line in the journal that it had none."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.daemon.missions.durable import Durable
from nightshift.daemon.missions.steps import Steps

ANSWER_S = 7 * 24 * 3600.0


class Rejected(Exception):
    """A person wants none of it; what that undoes depends on how far the mission came."""

    def __init__(self, signal: Mapping[str, str]) -> None:
        words = "taken over" if signal["verb"] == "take_over" else "rejected"
        super().__init__(f"{words} by {signal['actor']}: {signal['reason']}")
        self.signal = dict(signal)


class Redirected(Exception):
    """A person wants it done otherwise: another round."""

    def __init__(self, signal: Mapping[str, str]) -> None:
        super().__init__(f"redirected by {signal['actor']}: {signal['reason']}")
        self.signal = dict(signal)


class Unanswered(Exception):
    """Nobody spoke for `ANSWER_S`."""


class People:
    """The signals to one mission, in the order they were sent. `steerable`: nothing is merged yet, so the work can be
    done otherwise."""

    steerable = False

    def __init__(self, durable: Durable, steps: Steps, mission: str) -> None:
        self._durable, self._steps, self._mission = durable, steps, mission

    async def heed(self, within_s: float = 0.0) -> None:
        """Act on what was said since the last look, or is said soon. Raises Rejected, Redirected, Unanswered."""
        while signal := await self._durable.receive(within_s):
            within_s = 0.0
            await self._take(signal)

    async def approval(self) -> Mapping[str, str]:
        """Wait until somebody approves; what they said. Raises Rejected, Unanswered."""
        while True:
            signal = await self._next()
            if signal["verb"] in ("approve", "merged"):
                await self._durable.step("approved", self._steps.approved, self._mission, dict(signal))
                return dict(signal)
            await self._take(signal)

    async def answer(self, within_s: float) -> Mapping[str, str]:
        """What somebody said to a question: approve or reject. Nobody counts as a no. Raises Unanswered, Rejected when
        the mission was paused and nobody let it go on."""
        while True:
            signal = await self._durable.receive(within_s)
            if signal is None:
                return {"verb": "reject", "actor": "", "reason": f"nobody answered within {within_s:g} s"}
            if signal["verb"] in ("approve", "reject"):
                return dict(signal)
            await self._take(signal)

    async def _take(self, signal: Mapping[str, str]) -> None:
        if signal["verb"] in ("reject", "take_over"):
            raise Rejected(signal)
        if signal["verb"] == "redirect" and self.steerable:
            raise Redirected(signal)
        if signal["verb"] == "pause":
            await self._durable.step("paused", self._steps.pause, self._mission, dict(signal))
            await self._resumed()
        elif signal["verb"] == "resume":
            await self._durable.step("resumed", self._steps.resume, self._mission, dict(signal))
        else:
            await self._durable.step("unheard", self._steps.unheard, self._mission, dict(signal))

    async def _resumed(self) -> None:
        while True:
            signal = await self._next()
            if signal["verb"] in ("reject", "take_over"):
                raise Rejected(signal)
            if signal["verb"] == "resume":
                await self._durable.step("resumed", self._steps.resume, self._mission, dict(signal))
                return
            await self._durable.step("unheard", self._steps.unheard, self._mission, dict(signal))

    async def _next(self) -> Mapping[str, str]:
        signal = await self._durable.receive(ANSWER_S)
        if signal is None:
            raise Unanswered("nobody answered within seven days")
        return signal
