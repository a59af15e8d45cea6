"""Steps from evidence to an accepted patch. Each takes and returns plain JSON and may run twice."""

from __future__ import annotations

import time

from nightshift.daemon.missions import arbiter, mending, shipped, steering
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.record import Record, as_object, breakable
from nightshift.daemon.model import Case, Patch, Reproduction, Stage, Verdict, dump, load
from nightshift.daemon.ports import Budget, EnvironmentBroke, Refused


class MendingSteps(Record):
    """Gather, reproduce, draft, judge, choose."""

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

    @breakable
    def plan(self, mission: str, case: Json) -> Json:
        """The order of fixers, from their track record with this kind of exception, and from what people asked for."""
        tally = self.parts.store.memory.tally(case["diagnosis"]["exception"])
        fixers = arbiter.order([f.name for f in self.parts.fixers], tally)
        fixers = steering.steered(fixers, steering.wishes(self.events_of(mission)))
        self.enter(mission, Stage.DRAFTING, "fixers: " + ", ".join(fixers))
        return {"fixers": fixers}

    @breakable
    def draft(self, mission: str, case: Json, fixer: str, left: int) -> Json:
        """What one fixer proposes, best first; it may spend its share of what the `left` fixers still have."""
        self.enter(mission, Stage.DRAFTING, f"{fixer} is drafting")
        chosen = next((f for f in self.parts.fixers if f.name == fixer), None)
        if chosen is None:
            self.say(mission, f"{fixer} is no longer in the configuration", actor=fixer)
            return {"patches": []}
        limits, note = self.parts.budget, self.note(mission, fixer)
        with self.spending(mission) as left_s:
            budget = Budget(deadline=time.monotonic() + left_s / left, candidates=limits.candidates,
                            patches=limits.patches)  # fmt: skip
            patches = list(mending.draft(chosen, load(Case, case), self.parts.reproducer, budget, note))
        drafts = [{"id": p.id, "rationale": p.rationale} for p in patches]
        self.hand_off(mission, f"{fixer} drafted {len(patches)} patch(es)", {"fixer": fixer, "patches": drafts})
        if not patches:
            self.remember(mission, fixer, "", "no_patch")
        return {"patches": [dump(p) for p in patches]}

    @breakable
    def judge(self, mission: str, case: Json, patch: Json) -> Json:
        """The independent tester's verdict on one patch."""
        self.enter(mission, Stage.JUDGING, f"judging {patch['fixer']}'s patch {patch['id']}")
        drafted = load(Patch, patch)
        with self.spending(mission):
            verdict = self.parts.tester.judge(load(Case, case), drafted, self.note(mission, "tester"))
        if verdict.judgement == "unjudged":
            raise EnvironmentBroke(verdict.reason)
        self.hand_off(mission, f"{verdict.judgement}: {verdict.reason}", {"verdict": dump(verdict)})
        if verdict.judgement == "rejected":
            self.remember(mission, drafted.fixer, drafted.kind, "rejected")
        return as_object(dump(verdict))

    @breakable
    def choose(self, mission: str, case: Json, accepted: list[Json]) -> Json:
        """The arbiter's choice, or none."""
        verdicts = [load(Verdict, a["verdict"]) for a in accepted]
        plausible = sum(int(a["plausible"]) for a in accepted)
        choice = arbiter.choose(verdicts, plausible, load(Reproduction, case["reproduction"]))
        self.say(mission, choice.reason, actor="arbiter")
        return {"verdict": dump(choice.verdict) if choice.verdict else None, "reason": choice.reason}
