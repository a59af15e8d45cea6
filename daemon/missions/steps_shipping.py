"""Steps from an accepted patch to production, and back if need be. Every effect has a key."""

from __future__ import annotations

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions import policy, wording
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.record import Record, as_object, breakable
from nightshift.daemon.model import (
    ENDS,
    Case,
    ChangeDraft,
    ChangeRequest,
    ChangeState,
    Reproduction,
    Service,
    Stage,
    Verdict,
    dump,
    load,
)
from nightshift.daemon.ports import EnvironmentBroke, Refused, Settled, StaleBase


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
        draft = ChangeDraft(key=mission, base=case["base"], diff=verdict.patch.diff, title=title, body=body,
                            target=service.branch, labels=("nightshift", verdict.patch.fixer), round=number,
                            draft=decision.action == "propose", supersedes=self._superseded(mission))  # fmt: skip
        change = self.parts.forge.propose(service, draft)
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
        data = {"action": decision.action, "reason": decision.reason, "rules": [vars(r) for r in decision.rules]}
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
        closed = self.parts.forge.close(service, change["key"], f"rejected by {answer['actor']}")
        return as_object(dump(closed))

    @breakable
    def merge(self, mission: str, case: Json, choice: Json, change: Json, approved: bool) -> Json:
        """Merge the judged commit if policy still allows it, or say that it does not or that the base moved."""
        self.enter(mission, Stage.MERGING, f"merging {change['head'][:12]}")
        service, forge = self.service_of(mission), self.parts.forge
        found = forge.find(service, change["key"])
        if found and found.state is ChangeState.CLOSED:
            raise Settled(f"the change request {change['key']} was closed")
        if not (found and found.merged):
            decision = self._decide(mission, case, choice)
            if not (decision.action == "merge" or (approved and decision.action == "propose")):
                self.say(mission, f"not merged after all: {decision.reason}", actor="policy")
                return {"unauthorised": decision.reason}
        try:
            merged = forge.merge(service, change["key"], head=change["head"], base=change["base"])
        except StaleBase as error:
            self.hand_off(mission, f"stale base, judging again: {error}", {})
            return {"stale": True}
        if merged.landed_on not in ("", change["base"]):
            self.say(mission, f"landed on {merged.landed_on[:12]}, which somebody merged at the same moment; the proof "
                              f"was on {change['base'][:12]}", actor="forge")  # fmt: skip
        self.hand_off(mission, f"merged as {merged.merged[:12]}", {"change": dump(merged)})
        return as_object(dump(merged))

    @breakable
    def deploy(self, mission: str, change: Json, purpose: str = "fix") -> Json:
        """Ship what was merged; a failing deploy is a result, not a broken environment."""
        service = self.service_of(mission)
        if purpose == "fix":
            self.enter(mission, Stage.DEPLOYING, f"deploying {change['merged'][:12]}")
        self._may_act(service, f"{change['merged'][:12]} is merged and not deployed")
        try:
            said = self.parts.deployer.deploy(service, change["merged"], f"{mission}-{purpose}")
        except EnvironmentBroke as error:
            self.hand_off(mission, f"the deploy failed: {error}", {})
            return {"failed": str(error)}
        self.hand_off(mission, f"deployed {change['merged'][:12]}", {"output": said[-4000:]})
        return {"deployed_ms": self.parts.clock.now_ms(), "commit": change["merged"]}

    @breakable
    def watch(self, mission: str, deployed: Json) -> Json:
        """Did production heal?"""
        self.enter(mission, Stage.WATCHING, "watching production")
        note = self.note(mission, "watch")
        outcome = self.parts.watcher(self.service_of(mission), self.incident_of(mission), deployed["deployed_ms"], note)
        self.hand_off(mission, f"{outcome.recovery}: {outcome.reason}", {"outcome": dump(outcome)})
        return as_object(dump(outcome))

    @breakable
    def rollback(self, mission: str, case: Json, change: Json, reason: str) -> Json:
        """Revert a merged fix that did not heal. Its gate: the tree must be the one that ran before the fix."""
        self.enter(mission, Stage.ROLLING_BACK, reason)
        service, forge = self.service_of(mission), self.parts.forge
        self._may_act(service, "the change stays")
        try:
            diff = forge.revert(service, change["key"])
            head = forge.head(service)
            self._same_tree(case, head, diff)
            title, body = wording.undo(load(ChangeRequest, change), reason)
            draft = ChangeDraft(key=f"{change['key']}-undo", base=head, diff=diff, title=title, body=body,
                                target=service.branch, labels=("nightshift", "rollback"), urgent=True)  # fmt: skip
            undo = forge.find(service, draft.key) or forge.propose(service, draft)
            merged = forge.merge(service, undo.key, head=undo.head, base=undo.base)
        except (Refused, StaleBase) as error:
            done = forge.find(service, f"{change['key']}-undo")
            if done and done.merged:
                return as_object(dump(done))
            self.hand_off(mission, f"not rolled back: {error}", {})
            return {"refused": str(error)}
        self.hand_off(mission, f"reverted as {merged.merged[:12]}", {"change": dump(merged)})
        return as_object(dump(merged))

    def _same_tree(self, case: Json, head: str, diff: str) -> None:
        repo = BareRepo(case["repo"])
        if repo.apply(head, diff) != repo.tree_of(case["base"]):
            raise Refused("other work was merged since, and the state before the fix was never proved with it")

    def _may_act(self, service: Service, otherwise: str) -> None:
        """Raises Refused when the configuration of today allows no effect at all."""
        if reason := policy.forbidden(service, self.parts.policy):
            raise Refused(f"{otherwise}: {reason}")

    def _decide(self, mission: str, case: Json, choice: Json) -> policy.Decision:
        service = self.service_of(mission)
        bad = self.parts.store.memory.bad_since(service.name, self.parts.clock.now_ms() - 3_600_000)
        patch = load(Verdict, choice["verdict"]).patch
        red = load(Reproduction, case["reproduction"])
        return policy.decide(policy.Case(service=service, patch=patch, reproduction=red, bad_last_hour=bad),
                             self.parts.policy)  # fmt: skip
