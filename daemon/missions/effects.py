"""The one door between a mission and the world: every push, merge, deploy and withdrawal passes it, and is asked for at
the last moment. What can't be told counts as forbidden.
"""

from __future__ import annotations

from collections.abc import Callable

from nightshift.daemon.missions import policy
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.model import ChangeDraft, ChangeRequest, Service
from nightshift.daemon.ports import EnvironmentBroke, NotYet, Refused

_SLACK_S = 120.0


class Effects:
    """Effects on one service. Raises NotYet while everything is stopped (the mission waits), Refused when the
    configuration allows nothing."""

    def __init__(self, parts: Parts, service: Service) -> None:
        self._parts, self._service = parts, service

    def allowed(self, otherwise: str = "") -> None:
        """Raises when there may be no effect now; `otherwise` says what then stays as it is."""
        if why := policy.stopped(self._parts.store, self._parts.policy):
            raise NotYet(why)
        if why := policy.forbidden(self._service, self._parts.policy):
            raise Refused(f"{otherwise}: {why}" if otherwise else why)

    def propose(self, draft: ChangeDraft, decision: policy.Decision) -> ChangeRequest:
        """Open the request of a draft, or move it to this round."""
        if decision.action not in ("propose", "merge"):
            raise Refused(decision.reason)
        self.allowed()
        return self._parts.forge.propose(self._service, draft)

    def merge(self, change: ChangeRequest, decision: policy.Decision, *, approved: bool) -> ChangeRequest:
        """Merge a request at the head and on the base that were judged."""
        if not (decision.action == "merge" or (approved and decision.action == "propose")):
            raise Refused(decision.reason)
        self.allowed()
        return self._parts.forge.merge(self._service, change.key, head=change.head, base=change.base)

    def take_back(self, draft: ChangeDraft) -> ChangeRequest:
        """Propose and merge the undoing of a merge of ours: the way back needs no other autonomy than the way there."""
        self.allowed("the change stays")
        forge = self._parts.forge
        undo = forge.find(self._service, draft.key) or forge.propose(self._service, draft)
        self.allowed("the change stays")
        return forge.merge(self._service, undo.key, head=undo.head, base=undo.base)

    def close(self, key: str, reason: str) -> ChangeRequest:
        """Withdraw a request."""
        if why := policy.stopped(self._parts.store, self._parts.policy):
            raise NotYet(why)
        return self._parts.forge.close(self._service, key, reason)

    def deploy(self, commit: str, key: str) -> str:
        """Ship a commit, once, however many daemons try."""
        return self._once(f"deploy:{key}@{commit[:12]}", f"{commit[:12]} is merged and not deployed",
                          lambda: self._parts.deployer.deploy(self._service, commit, key))  # fmt: skip

    def undeploy(self, commit: str, key: str, *, of: str) -> str:
        """Bring back what ran before the deploy of the key `of`; `commit` is the one that undoes it in git."""
        return self._once(f"deploy:{key}@{commit[:12]}", f"{commit[:12]} is merged and not deployed",
                          lambda: self._parts.deployer.undo(self._service, commit, key, of=of))  # fmt: skip

    def _once(self, key: str, otherwise: str, work: Callable[[], str]) -> str:
        """Claimed in the store, which daemons share; a claim whose owner died is free when its lease is over."""
        effects, owner = self._parts.store.effects, self._parts.node
        self.allowed(otherwise)
        lease_ms = round(1000 * (2 * self._service.deploy_timeout_s + self._service.canary_s + _SLACK_S))
        claim = effects.claim(key, owner, self._parts.clock.now_ms(), lease_ms)
        if claim.result is not None:
            return claim.result
        if not claim.mine:
            raise NotYet(f"{claim.owner} is deploying it")
        try:
            self.allowed(otherwise)
            said = work()
        except (EnvironmentBroke, Refused):
            effects.give_up(key, owner)
            raise
        effects.done(key, owner, said[-4000:])
        return said
