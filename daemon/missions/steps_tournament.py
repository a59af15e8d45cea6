"""Steps of the tournament: draft, judge, criticise, learn, choose. Each takes and returns plain JSON, may run twice,
and leaves in the journal what it takes to hold the tournament again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nightshift.daemon.missions import arbiter, lessons, scoresheet, steering
from nightshift.daemon.missions.ahead import key_of
from nightshift.daemon.missions.decision import decide
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.record import Record, as_object, breakable
from nightshift.daemon.missions.studio import Drafts, Grant
from nightshift.daemon.missions.tournament import Entry, Rules, Standing
from nightshift.daemon.model import Case, Criticism, Critique, Patch, Stage, Verdict, dump, load
from nightshift.daemon.ports import EnvironmentBroke, Refused


class TournamentSteps(Record):
    """From the plan to the arbiter's choice."""

    @breakable
    def plan(self, mission: str, case: Json) -> Json:
        """The order of fixers, from their track record with this kind of exception, and from what people asked for; and
        the rules, as the configuration has them now."""
        self.at_rest(mission)
        tally = self.parts.store.memory.tally(case["diagnosis"]["exception"])
        fixers = arbiter.order(list(dict.fromkeys(f.name for f in self.parts.fixers)), tally)
        fixers = steering.steered(fixers, steering.wishes(self.events_of(mission)))
        self.enter(mission, Stage.DRAFTING, "fixers: " + ", ".join(fixers))
        limits = self.parts.budget.tournament
        critic = self.parts.critic is not None
        return {"fixers": fixers, "rules": {"rounds": limits.rounds, "field": limits.field, "critic": critic}}

    @breakable
    def draft(self, mission: str, case: Json, creators: list[str], number: int) -> Json:
        """What the first of the creators proposes, best first. The others, still to be heard, work at the same time."""
        name = creators[0]
        self.enter(mission, Stage.DRAFTING, f"{name} is drafting{_again(number)}")
        at_work = [f for wanted in creators for f in self.parts.fixers if f.name == wanted]
        if not at_work or at_work[0].name != name:
            self.say(mission, f"{name} is no longer in the configuration", actor=name)
            return {"patches": [], "searches": []}
        try:
            drafts = self._drafts(mission, load(Case, case), at_work, number)
        except Refused as spent:
            if not number:
                raise
            self.say(mission, f"no drafts in round {number + 1}: {spent}", actor=name)
            drafts = Drafts()
        told = [{"id": p.id, "rationale": p.rationale, "score": p.score, "kind": p.kind} for p in drafts.patches]
        data = {"fixer": name, "round": number + 1, "patches": told, "searches": list(drafts.searches)}
        self.hand_off(mission, f"{name} drafted {len(drafts.patches)} patch(es){_again(number)}", data)
        if not drafts.patches and not number:
            self.remember(mission, name, "", "no_patch")
        return {"patches": [dump(p) for p in drafts.patches], "searches": list(drafts.searches)}

    def _drafts(self, mission: str, case: Case, at_work: list[Any], number: int) -> Drafts:
        limits = self.parts.budget
        with self.spending(mission) as left_s:
            grant = Grant(seconds=left_s, cores=limits.tournament.creators_at_once(), candidates=limits.candidates,
                          patches=limits.patches)  # fmt: skip
            note = self.note(mission, "creators")
            self.parts.tester.expect(case)

            def early(first: Patch) -> None:
                if not number and grant.cores > 1:
                    self.ahead.begin(
                        mission, key_of("judge", case, [first]), partial(self._judged, mission, case, first)
                    )
                    if self.parts.critic:
                        self.parts.critic.expect(case, [first])

            return self.studio.drafts(mission, f"{case.base}:{number}", case, at_work, grant, note, early)

    def _judged(self, mission: str, case: Case, patch: Patch) -> Verdict:
        return self.parts.tester.judge(case, patch, self.note(mission, "tester"))

    @breakable
    def judge(
        self, mission: str, case: Json, patch: Json, place: Mapping[str, int], foreseen: Sequence[Json] = ()
    ) -> Json:
        """The independent tester's verdict on one patch; `place` is its round and rank, `foreseen` the field that the
        critic will be asked about should it pass."""
        self.enter(
            mission, Stage.JUDGING, f"judging {patch['fixer']}'s patch {patch['id']}{_again(place['round'] - 1)}"
        )
        drafted, known = load(Patch, patch), load(Case, case)
        with self.spending(mission):
            self._compare_ahead(mission, known, [load(Patch, each) for each in foreseen])
            judge = partial(self._judged, mission, known, drafted)
            verdict = self.ahead.take(mission, key_of("judge", known, [drafted]), judge)
        if verdict.judgement == "unjudged":
            raise EnvironmentBroke(verdict.reason)
        entry = {**place, "creator": drafted.fixer, "score": drafted.score}
        said = f"{verdict.judgement}: {verdict.reason}{_again(place['round'] - 1)}"
        self.hand_off(mission, said, {"verdict": dump(verdict), "entry": entry})
        if verdict.judgement == "rejected":
            self.remember(mission, drafted.fixer, drafted.kind, "rejected")
        return as_object(dump(verdict))

    def _compare_ahead(self, mission: str, case: Case, field: list[Patch]) -> None:
        if field and self.parts.critic and self.parts.budget.tournament.creators_at_once() > 1:
            compare = partial(self.parts.critic.criticise, case, field, self.note(mission, "critic"))
            self.ahead.begin(mission, key_of("critic", case, field), compare)

    @breakable
    def criticise(self, mission: str, case: Json, field: list[Json], number: int) -> Json:
        """What the critic says of the field. The creators that were not asked yet are told to stop."""
        self.studio.stop(mission)
        self.enter(mission, Stage.JUDGING, f"the critic compares {len(field)} patch(es){_again(number)}")
        patches = [load(Patch, patch) for patch in field]
        critique = self._critique(mission, load(Case, case), patches)
        refuted = {c.patch: c.refuted for c in critique.criticisms if c.refuted}
        data = {"critique": dump(critique), "round": number + 1, "field": [p.id for p in patches]}
        said = f"{critique.clusters} behaviour(s) on {critique.inputs} input(s), {len(refuted)} refuted{_again(number)}"
        self.journal(mission, Stage.JUDGING, "critic", said, data)
        for patch in patches:
            if patch.id in refuted:
                self.remember(mission, patch.fixer, patch.kind, "rejected")
        return {"critique": dump(critique)}

    def _critique(self, mission: str, case: Case, patches: list[Patch]) -> Critique:
        """The critic's answer; nothing when there is no critic any more, or no time for it."""
        if self.parts.critic is None:
            return _nothing(patches)
        try:
            with self.spending(mission):
                compare = partial(self.parts.critic.criticise, case, patches, self.note(mission, "critic"))
                return self.ahead.take(mission, key_of("critic", case, patches), compare)
        except Refused as spent:
            self.say(mission, f"nothing was compared: {spent}", actor="critic")
            return _nothing(patches)

    @breakable
    def learn(self, mission: str, case: Json, refuted: list[Json], number: int) -> Json:
        """Lessons from the refutations, tried on base, and the case that the next round has to do with."""
        self.enter(mission, Stage.DRAFTING, f"round {number + 1} left nothing; the critic's reasons are tried on base")
        told = [(load(Entry, each["entry"]), load(Criticism, each["said"])) for each in refuted]
        before = load(Case, case)
        teaching = lessons.teach(before, told, self.parts.reproducer, self.note(mission, "critic"))
        after = lessons.taught(before, teaching.lessons, teaching.criticism, [entry.proved for entry, _ in told])
        learned = [dump(lesson) for lesson in teaching.lessons]
        data = {"round": number + 2, "lessons": learned, "criticism": list(teaching.criticism)}
        self.hand_off(mission, f"round {number + 2} begins with {len(learned)} lesson(s)", data)
        return {"lessons": learned, "criticism": list(teaching.criticism), "case": dump(after)}

    @breakable
    def choose(self, mission: str, case: Json, standing: Json, rules: Json) -> Json:
        """The arbiter's choice, or none; the record of the whole tournament goes into the journal."""
        self.at_rest(mission)
        held, known = load(Standing, standing), load(Case, case)
        assert known.reproduction is not None
        choice = decide(held, known.reproduction)
        verdict = choice.verdict
        sheet = scoresheet.Scoresheet(case=known, rules=Rules(**rules), standing=held, reason=choice.reason,
                                      chosen=verdict.patch.id if verdict else "")  # fmt: skip
        data: Json = {"tournament": scoresheet.written(sheet)}
        tried = Counter(row["judgement"] for row in data["tournament"]["table"])
        self.say(mission, choice.reason, actor="arbiter", data={**data, "candidates": dict(tried)})
        return {"verdict": dump(verdict) if verdict else None, "reason": choice.reason}


def _again(number: int) -> str:
    """The round, where it is not the first."""
    return f" (round {number + 1})" if number else ""


def _nothing(patches: list[Patch]) -> Critique:
    """Nothing could be compared: no clusters, no refutation."""
    return Critique(criticisms=tuple(Criticism(patch=patch.id) for patch in patches))
