"""Steps from an accepted patch to production, and back if need be. Every effect has a key."""

from __future__ import annotations

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.missions import policy, wording
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.effects import Effects
from nightshift.daemon.missions.policy.facts import facts, notice_reverts
from nightshift.daemon.missions.record import Record, as_object, breakable
from nightshift.daemon.model import (
    ENDS,
    Case,
    ChangeDraft,
    ChangeRequest,
    ChangeState,
    Outcome,
    Reproduction,
    Service,
    Stage,
    Verdict,
    dump,
    load,
)
from nightshift.daemon.ports import EnvironmentBroke, NotYet, Refused, Settled, StaleBase
from nightshift.daemon.store.shipping import Merged


class ShippingSteps(Record):
    """Propose, authorise, merge, deploy, watch, roll back."""

    @breakable
    def propose(self, mission: str, case: Json, choice: Json, number: int) -> Json:
        """One pull request under the mission's key, with its evidence and an undo line."""
        self.enter(mission, Stage.PROPOSING, "opening a pull request")
        decision = self._decide(mission, case, choice)
        if decision.action == "observe":
            return {"observed": True, "head": "", "base": case["base"], "key": mission}
        service, verdict = self.service_of(mission), load(Verdict, choice["verdict"])
        title, body = wording.pull_request(self.incident_of(mission), verdict, load(Case, case), mission)
        body += f"\nProved and proposed by `{stable_id('daemon', self.parts.node)}`.\n"
        draft = ChangeDraft(key=mission, base=case["base"], diff=verdict.patch.diff, title=title, body=body,
                            target=service.branch, labels=("nightshift", verdict.patch.fixer), round=number,
                            draft=decision.action == "propose", supersedes=self._superseded(mission))  # fmt: skip
        change = self.effects_on(service).propose(draft, decision)
        if change.state is ChangeState.CLOSED:
            raise Settled(f"the change request {mission} was closed")
        self.hand_off(mission, f"pull request #{change.number}: {change.title}", {"change": dump(change)})
        return as_object(dump(change))

    def _superseded(self, mission: str) -> tuple[str, ...]:
        """The request of the incident that came back as this one, should it still be open."""
        previous = self.incident_of(mission).previous
        earlier = self.parts.store.missions.of_incidents([previous]).get(previous) if previous else None
        return (earlier.id,) if earlier and earlier.stage in ENDS else ()

    @breakable
    def authorise(self, mission: str, case: Json, choice: Json, change: Json) -> Json:
        """What policy allows; when a person must decide, they are told once how."""
        decision = self._decide(mission, case, choice)
        if change.get("observed") and decision.action != "observe":
            reason = "the configuration of that time allowed no pull request"
            decision = policy.Decision(action="observe", reason=reason, rules=())
        rules = [rule.as_json() for rule in decision.rules]
        data = {"action": decision.action, "reason": decision.reason, "rules": rules}
        self.say(mission, f"policy: {decision.action}: {decision.reason}", actor="policy", data=data)
        if decision.action == "propose":
            self.enter(mission, Stage.AWAITING_APPROVAL, decision.reason)
            self.tell(wording.waiting(self.mission_of(mission), self.incident_of(mission), load(ChangeRequest, change),
                                       decision.reason))  # fmt: skip
        return data

    @breakable
    def withdraw(self, mission: str, choice: Json, change: Json, answer: Json) -> Json:
        """Close the pull request a person rejected, if there is one."""
        service, patch = self.service_of(mission), choice["verdict"]["patch"]
        self.remember(mission, patch["fixer"], patch["kind"], "dismissed")
        if answer["verb"] == "take_over" or self.parts.forge.find(service, change["key"]) is None:
            return {}
        closed = self.effects_on(service).close(change["key"], f"rejected by {answer['actor']}")
        return as_object(dump(closed))

    @breakable
    def merge(self, mission: str, case: Json, choice: Json, change: Json, approved: bool) -> Json:
        """Merge the judged commit if policy still allows it, or say that it does not or that the base moved."""
        self.enter(mission, Stage.MERGING, f"merging {change['head'][:12]}")
        service, forge = self.service_of(mission), self.parts.forge
        found = forge.find(service, change["key"])
        if found and found.state is ChangeState.CLOSED:
            raise Settled(f"the change request {change['key']} was closed")
        try:
            if found and found.merged:
                merged = forge.merge(service, change["key"], head=change["head"], base=change["base"])
            else:
                decision = self._decide(mission, case, choice)
                if not (decision.action == "merge" or (approved and decision.action == "propose")):
                    self.say(mission, f"not merged after all: {decision.reason}", actor="policy")
                    return {"unauthorised": decision.reason}
                merged = self.effects_on(service).merge(load(ChangeRequest, change), decision, approved=approved)
        except StaleBase as error:
            self.hand_off(mission, f"stale base, judging again: {error}", {})
            return {"stale": True}
        if merged.head != change["head"]:
            raise Settled(f"merged as {merged.merged[:12]} by people or another daemon, not as it was judged here")
        self._trust(mission, choice, merged, alone=not approved)
        if merged.landed_on not in ("", change["base"]):
            self.say(mission, f"landed on {merged.landed_on[:12]}, which somebody merged at the same moment; the proof "
                              f"was on {change['base'][:12]}", actor="forge")  # fmt: skip
        self.hand_off(mission, f"merged as {merged.merged[:12]}", {"change": dump(merged)})
        return as_object(dump(merged))

    def _trust(self, mission: str, choice: Json, merged: ChangeRequest, *, alone: bool) -> None:
        """The merge goes into the track record; whether it lasts is told later."""
        patch = choice["verdict"]["patch"]
        self.parts.store.merges.add(Merged(
            key=mission, service=self.mission_of(mission).service, fixer=patch["fixer"], kind=patch["kind"],
            commit=merged.merged, at_ms=self.parts.clock.now_ms(), alone=alone,
        ))  # fmt: skip

    @breakable
    def deploy(self, mission: str, change: Json, purpose: str = "fix") -> Json:
        """Ship what was merged; a failing deploy is a result, not a broken environment."""
        service = self.service_of(mission)
        if purpose == "fix":
            self.enter(mission, Stage.DEPLOYING, f"deploying {change['merged'][:12]}")
        effects, key, began_ms = self.effects_on(service), f"{mission}-{purpose}", self.parts.clock.now_ms()
        try:
            if purpose == "fix":
                said = effects.deploy(change["merged"], key)
            else:
                said = effects.undeploy(change["merged"], key, of=f"{mission}-fix")
        except NotYet:
            raise
        except EnvironmentBroke as error:
            self.hand_off(mission, f"the deploy failed: {error}", {})
            return {"failed": str(error)}
        self.hand_off(mission, f"deployed {change['merged'][:12]}", {"output": said[-4000:]})
        return {"deployed_ms": self.parts.clock.now_ms(), "commit": change["merged"], "began_ms": began_ms}

    @breakable
    def watch(self, mission: str, deployed: Json) -> Json:
        """Did production heal?"""
        self.enter(mission, Stage.WATCHING, "watching production")
        note = self.note(mission, "watch")
        service, incident = self.service_of(mission), self.incident_of(mission)
        outcome = self.parts.watcher(service, incident, deployed["deployed_ms"], note, deployed.get("began_ms", 0))
        self.hand_off(mission, f"{outcome.recovery}: {outcome.reason}", {"outcome": dump(outcome)})
        return as_object(dump(outcome))

    @breakable
    def unclear(self, mission: str, outcome: Json) -> Json:
        """Whether production healed can't be told: a person says so."""
        self.enter(mission, Stage.AWAITING_APPROVAL, f"whether it healed can't be told: {outcome['reason']}")
        self.tell(wording.unclear(self.mission_of(mission), self.incident_of(mission), load(Outcome, outcome)))
        return {}

    @breakable
    def rollback(self, mission: str, case: Json, change: Json, reason: str) -> Json:
        """Revert a merged fix that did not heal. Its gate: the tree must be the one that ran before the fix."""
        self.enter(mission, Stage.ROLLING_BACK, reason)
        service, forge = self.service_of(mission), self.parts.forge
        effects = self.effects_on(service)
        effects.allowed("the change stays")
        try:
            diff = forge.revert(service, change["key"])
            head = forge.head(service)
            self._same_tree(case, head, diff)
            title, body = wording.undo(load(ChangeRequest, change), reason)
            draft = ChangeDraft(key=f"{change['key']}-undo", base=head, diff=diff, title=title, body=body,
                                target=service.branch, labels=("nightshift", "rollback"), urgent=True)  # fmt: skip
            merged = effects.take_back(draft)
        except (Refused, StaleBase) as error:
            done = forge.find(service, f"{change['key']}-undo")
            if not (done and done.merged):
                self.hand_off(mission, f"not rolled back: {error}", {})
                return {"refused": str(error)}
            merged, diff = done, ""
        self.parts.store.merges.revert(change["key"], self.parts.clock.now_ms(), f"nightshift: {reason}")
        undone = {"change": dump(merged), "undo_diff": diff or self._undone(case, merged)}
        self.hand_off(mission, f"reverted as {merged.merged[:12]}", undone)
        return as_object(dump(merged))

    def _undone(self, case: Json, merged: ChangeRequest) -> str:
        """What a merged undoing changed; it was made by a step that was killed."""
        return BareRepo(case["repo"]).diff(f"{merged.merged}^1", merged.merged)

    def _same_tree(self, case: Json, head: str, diff: str) -> None:
        repo = BareRepo(case["repo"])
        if repo.apply(head, diff) != repo.tree_of(case["base"]):
            raise Refused("other work was merged since, and the state before the fix was never proved with it")

    def effects_on(self, service: Service) -> Effects:
        """The door to the world, for one service."""
        return Effects(self.parts, service)

    def _decide(self, mission: str, case: Json, choice: Json) -> policy.Decision:
        """Today's answer. Raises NotYet while everything is stopped: nothing is decided then."""
        parts, service = self.parts, self.service_of(mission)
        if why := policy.stopped(parts.store, parts.policy):
            raise NotYet(why)
        notice_reverts(parts.store, service, parts.forge.path(service), parts.clock.now_ms(), parts.policy)
        found = facts(
            parts.store, parts.clock, parts.policy, service, mission=self.mission_of(mission),
            incident=self.incident_of(mission), patch=load(Verdict, choice["verdict"]).patch,
            reproduction=load(Reproduction, case["reproduction"]), budget_s=parts.budget.mission_s,
        )  # fmt: skip
        return policy.decide(found, parts.policy)
