"""Steps from evidence to something red. Each takes and returns plain JSON and may run twice."""

from __future__ import annotations

from nightshift.daemon.missions import mending, precedents, shipped
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.record import Record, as_object, breakable
from nightshift.daemon.model import Case, Reproduction, Stage, dump, load
from nightshift.daemon.ports import Refused


class MendingSteps(Record):
    """Gather and reproduce."""

    @breakable
    def gather(self, mission: str, number: int) -> Json:
        """Bring the repository up to date and turn the incident's frames into suspects in its tree."""
        self._another_round(mission, number)
        self.enter(mission, Stage.GATHERING, "reading the evidence", round=number)
        while True:
            incident, service = self.incident_of(mission), self.service_of(mission)
            repo = self.parts.forge.sync(service)
            case = mending.open_case(mission, service, repo, self.parts.forge.head(service), incident.signal)
            case = shipped.with_deploys(self.parts.store, service, incident, case)
            case = precedents.with_precedents(self.parts.store, service, case)
            with self.parts.store.transaction():
                # Until the hand-off is written, the intake may find something better to mend from.
                now = self.incident_of(mission)
                if (now.fingerprint, now.service) == (incident.fingerprint, incident.service):
                    said = f"{len(case.diagnosis.frames)} frame(s) in the repository at {case.base[:12]}"
                    self.hand_off(mission, said, {"base": case.base, "diagnosis": dump(case.diagnosis)})
                    return as_object(dump(case))

    def _another_round(self, mission: str, number: int) -> None:
        """Raises Refused when people moved the branch too often. Other missions' fixes don't count: a bad deploy
        brings many incidents at once, and each of them gets its turn.
        """
        current = self.mission_of(mission)
        others = self.parts.store.missions.shipped_since(current.service, current.started_at_ms) if number else 0
        if number >= self.parts.budget.rounds + others:
            raise Refused(f"the branch moved {number} times while the patch was being proved")

    @breakable
    def reproduce(self, mission: str, case: Json) -> Json:
        """Red first."""
        self.enter(mission, Stage.REPRODUCING, "making it fail in a sandbox")
        with self.spending(mission):
            red = self._red(mission, load(Case, case))
        data = {k: v for k, v in dump(red).items() if k != "baseline"}
        self.hand_off(mission, f"red by {red.kind}" if mending.is_red(red) else f"not red: {red.reason}", data)
        return as_object(dump(red))

    def _red(self, mission: str, case: Case) -> Reproduction:
        if against := self._not_to_repeat(mission, case):
            return Reproduction(kind="none", reason=against)
        return self.parts.reproducer.reproduce(case, self.note(mission, "reproduce"))

    def _not_to_repeat(self, mission: str, case: Case) -> str:
        """Why a failing suite would prove nothing about the incident; '' when it would, or when it is the incident."""
        signal = self.incident_of(mission).signal
        if signal.kind != "ci":
            return "" if case.diagnosis.frames else "nothing in the evidence points into the repository"
        branch = self.service_of(mission).branch
        failing = signal.labels.get("branch", branch)
        return "" if failing == branch else f"the pipeline fails on {failing}; missions mend {branch}"
