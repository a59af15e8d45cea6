"""Steps of missions that carry out a runbook. Each may run twice: the run's record knows what was done."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.daemon.missions import wording
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.operations import Operations
from nightshift.daemon.missions.record import Record, breakable
from nightshift.daemon.model import ENDS, Stage, dump
from nightshift.daemon.ports import Refused

_SHIPPING = frozenset({Stage.MERGING, Stage.DEPLOYING, Stage.WATCHING, Stage.ROLLING_BACK})


class OperatingSteps(Record):
    """Plan, offer, begin, carry out, ask, stop, close."""

    @breakable
    def plan_run(self, mission: str) -> Json:
        """What the book would do, and what of it may be done: {action, reason, book, by_hand}."""
        desk, run = self._desk(), self._desk().run_of(mission)
        service = self.mission_of(mission).service
        level, reason = desk.level(run, service)
        if level != "observe" and (cooling := desk.cooling(run, self.parts.clock.now_ms())):
            level, reason = "cooling", cooling
        plan = [f"{step.name}: {step.output or step.reason}" for step in desk.plan(run).steps]
        said = {"book": run.book, "params": dict(run.params), "plan": plan, "by_hand": run.by_hand}
        self.say(mission, f"runbook {run.book}: {level}: {reason}", actor="runbook", data={"runbook": said})
        return {"action": level, "reason": reason, "book": run.book, "by_hand": run.by_hand, "person": run.person}

    @breakable
    def offer_run(self, mission: str, reason: str) -> Json:
        """Propose the book to people; {no: why} when the mission has shipped something already."""
        current, run = self.mission_of(mission), self._desk().run_of(mission)
        if current.stage in _SHIPPING or current.stage in ENDS:
            return {"no": f"the mission is {current.stage}"}
        self.enter(mission, Stage.AWAITING_APPROVAL, f"runbook {run.book} is proposed: {reason}")
        plan = [f"{step.name}: {step.output or step.reason}" for step in self._desk().plan(run).steps]
        incident = self.incident_of(mission)
        self.tell(wording.runbook_waits(self.mission_of(mission), incident, run.book, "\n".join(plan), key="plan"))
        return {}

    @breakable
    def begin_run(self, mission: str, person: str) -> Json:
        """{no: why} when its cool-down or policy is against it now."""
        desk, run = self._desk(), self._desk().run_of(mission)
        service = self.mission_of(mission).service
        level, reason = desk.level(run, service)
        if level == "observe" or (level == "propose" and not (person or run.by_hand)):
            return {"no": reason}
        if cooling := desk.begin(run, person, self.parts.clock.now_ms()):
            return {"no": cooling}
        self.enter(mission, Stage.OPERATING, f"carrying out runbook {run.book}")
        return {}

    @breakable
    def operate(self, mission: str, number: int) -> Json:
        """One more step of the book; what came of the run so far."""
        desk, run = self._desk(), self._desk().run_of(mission)
        self.enter(mission, Stage.OPERATING, f"{run.book}: step {number + 1}")
        result = desk.advance(run, self.mission_of(mission).service)
        for step in result.steps:
            if not step.resumed:
                said = step.reason if step.status in ("failed", "skipped") else step.output.partition("\n")[0]
                self.say(mission, f"{step.phase} {step.name}: {step.status}{': ' * bool(said)}{said[:500]}",
                         actor=step.action, data={"step": dump(step)})  # fmt: skip
        return {key: value for key, value in dump(result).items() if key != "steps"}

    @breakable
    def ask_person(self, mission: str, question: str, asks: str) -> Json:
        """A step of the book needs an answer."""
        self.enter(mission, Stage.AWAITING_APPROVAL, question)
        run = self._desk().run_of(mission)
        notice = wording.runbook_waits(
            self.mission_of(mission), self.incident_of(mission), run.book, question, key=asks
        )
        self.tell(notice)
        return {}

    @breakable
    def answer_run(self, mission: str, asks: str, answer: Mapping[str, str]) -> Json:
        """What a person said goes to the step that asked."""
        run = self._desk().run_of(mission)
        self._desk().answer(run, asks, answer)
        said = f"{answer['verb']} by {answer['actor']}: {answer['reason']}".rstrip(": ")
        self.enter(mission, Stage.OPERATING, said)
        return {}

    @breakable
    def stop_run(self, mission: str, reason: str) -> Json:
        """No further step of the book; what was done is taken back."""
        self._desk().stop(self._desk().run_of(mission), reason)
        self.say(mission, f"the runbook is stopped: {reason}", actor="mission")
        return {}

    @breakable
    def close_run(self, mission: str, result: Json) -> Json:
        """Write down what came of it. {watch: whether production is to be watched now}."""
        desk, run = self._desk(), self._desk().run_of(mission)
        service = self.mission_of(mission).service
        whole = dump(desk.advance(run, service, most=0)) if result.get("key") else dict(result)
        self.parts.store.runs.finish(mission, result["status"], whole)
        reason = f"runbook {run.book}: {result['status']}{': ' * bool(result['reason'])}{result['reason']}"
        self.hand_off(mission, reason, {"run": whole})
        watch = result["status"] == "done" and not run.by_hand and service in self.parts.services
        return {"watch": watch, "deployed_ms": self.parts.clock.now_ms(), "commit": ""}

    def _desk(self) -> Operations:
        if self.parts.operations is None:
            raise Refused("this daemon has no runbooks")
        return self.parts.operations
