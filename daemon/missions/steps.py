"""All steps of a mission in one object, and those that end it or make it wait."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.missions import proposals, wording
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.record import breakable
from nightshift.daemon.missions.steps_mending import MendingSteps
from nightshift.daemon.missions.steps_operating import OperatingSteps
from nightshift.daemon.missions.steps_shipping import ShippingSteps
from nightshift.daemon.missions.steps_tournament import TournamentSteps
from nightshift.daemon.model import IncidentState, Stage


class Steps(MendingSteps, TournamentSteps, ShippingSteps, OperatingSteps):
    """All steps over one set of parts."""

    @breakable
    def finish(self, mission: str, stage: str, reason: str) -> Json:
        """The end: mission, incident, journal, track record and one notice, in one transaction."""
        self.at_rest(mission)
        end = Stage(stage)
        if end is Stage.ESCALATED:
            reason = proposals.with_advice(reason, proposals.written(self.events_of(mission)))
        state = {Stage.HEALED: IncidentState.HEALED, Stage.DISMISSED: IncidentState.DISMISSED}.get(
            end, IncidentState.ESCALATED
        )
        now = self.parts.clock.now_ms()
        current = self.mission_of(mission)
        with self.parts.store.transaction():
            self.parts.store.missions.move(mission, end, reason, now)
            self.parts.store.missions.set(mission, paused=False)
            self.parts.store.incidents.set_state(current.incident, state)
            self.journal(mission, end, "mission", reason, {}, key=f"{mission}:finish")
            self.tell(wording.ended(self.mission_of(mission), self.incident_of(mission), self.events_of(mission)))
            self._settle(mission, end)
        self.parts.wake()
        return {"stage": stage, "reason": reason}

    @breakable
    def pause(self, mission: str, signal: Mapping[str, str]) -> Json:
        """Stand still until a person says resume."""
        self.at_rest(mission)
        self.parts.store.missions.set(mission, paused=True)
        self.say(mission, f"paused by {signal['actor']}: {signal['reason']}", actor=signal["actor"])
        return {}

    @breakable
    def resume(self, mission: str, signal: Mapping[str, str]) -> Json:
        """Go on."""
        self.parts.store.missions.set(mission, paused=False)
        self.say(mission, f"resumed by {signal['actor']}: {signal['reason']}", actor=signal["actor"])
        return {}

    @breakable
    def approved(self, mission: str, signal: Mapping[str, str]) -> Json:
        """Note who approved."""
        self.say(mission, f"approved by {signal['actor']}: {signal['reason']}", actor=signal["actor"])
        return {}

    @breakable
    def redirected(self, mission: str, signal: Mapping[str, str]) -> Json:
        """Note what a person wants done otherwise; the next round reads it."""
        data = {"redirect": signal["reason"]}
        self.say(mission, f"redirected by {signal['actor']}: {signal['reason']}", actor=signal["actor"], data=data)
        return {}

    @breakable
    def unheard(self, mission: str, signal: Mapping[str, str]) -> Json:
        """Note that somebody said what had no effect where the mission stood."""
        self.say(mission, f"{signal['verb']} by {signal['actor']} came when nothing waited for it", actor="mission")
        return {}

    def _settle(self, mission: str, end: Stage) -> None:
        outcome = {Stage.HEALED: "healed", Stage.ROLLED_BACK: "rolled_back"}.get(end)
        verdicts = [e.data["verdict"] for e in self.events_of(mission) if "verdict" in e.data]
        accepted = [v for v in verdicts if v["judgement"] == "accepted"]
        if outcome and accepted:
            self.remember(mission, accepted[-1]["patch"]["fixer"], accepted[-1]["patch"]["kind"], outcome)


OPERATING = "run-"
"""How the names of missions that carry out a runbook begin: the engine tells by it which workflow is theirs."""


def mission_id(incident: str) -> str:
    """The mission of an incident: one each, so the id follows from it."""
    return stable_id("mis", incident)
