"""What missions lend to runbooks: the services' repositories for `git.revert`, the fixers and gates for `fixer`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.missions import mending, policy, wording
from nightshift.daemon.missions.budget import Budget as Limits
from nightshift.daemon.missions.contest import Contest
from nightshift.daemon.missions.decision import decide
from nightshift.daemon.missions.policy.facts import facts
from nightshift.daemon.missions.tournament import Rules
from nightshift.daemon.model import Case, ChangeDraft, ChangeRequest, ChangeState, Incident, Judgement, Service, Verdict
from nightshift.daemon.ports import Critic, EnvironmentBroke, Fixer, Forge, Refused, Reproducer, StaleBase, Tester
from nightshift.daemon.store.store import Store

log = logging.getLogger(__name__)


class LentRepositories:
    """`Repositories` over a forge. What policy forbids for a service is not even proposed."""

    def __init__(
        self, store: Store, forge: Forge, services: Mapping[str, Service], settings: policy.Settings, clock: Clock
    ) -> None:
        self._store, self._forge, self._services, self._settings = store, forge, services, settings
        self._clock = clock

    def revert(self, service: str, commit: str, *, key: str, merge: bool) -> Mapping[str, str]:
        """See the protocol."""
        owner, name = self._owner(service), stable_id("revert", key)
        found = self._forge.find(owner, name) or self._forge.propose(owner, self._draft(owner, commit, name))
        if found.state is ChangeState.CLOSED:
            raise Refused(f"the change request {found.branch} was closed")
        if merge and not found.merged and self._may_merge(owner, key):
            found = self._merged(owner, found)
        return {"url": found.url, "branch": found.branch, "head": found.head, "merged": found.merged}

    def take_back(self, service: str, *, key: str) -> str:
        """See the protocol."""
        owner, name = self._owner(service), stable_id("revert", key)
        found = self._forge.find(owner, name)
        if found is None:
            return "nothing was proposed"
        if found.merged:
            raise Refused(f"{found.branch} is merged as {found.merged[:12]}; revert that commit")
        return f"{self._forge.close(owner, name, 'the runbook was rolled back').branch} is closed"

    def _owner(self, service: str) -> Service:
        return allowed(service, self._services, self._settings, self._store)

    def _draft(self, owner: Service, commit: str, key: str) -> ChangeDraft:
        repo, head = BareRepo(self._forge.sync(owner)), self._forge.head(owner)
        full = repo.resolve(commit)
        if not full or not repo.is_ancestor(full, head):
            raise Refused(f"{commit[:12]} is no commit of {owner.name}'s branch {owner.branch}")
        try:
            tree = repo.apply_3way(head, repo.diff(full, f"{full}^1"))
        except GitError as error:
            raise Refused(f"undoing {full[:12]} conflicts with later work: {error}") from error
        diff = repo.diff(head, tree)
        if not diff:
            raise Refused(f"{full[:12]} is undone already")
        subject = redact(repo.out("show", "--no-patch", "--format=%s", full).decode("utf-8", "replace").strip())
        body = f"Undoes `{full}`.\n\nProposed by a runbook; nothing was proved in a sandbox.\n"
        return ChangeDraft(key=key, base=head, diff=diff, title=f"Revert: {subject}"[:120], body=body,
                           target=owner.branch, labels=("nightshift", "runbook"))  # fmt: skip

    def _may_merge(self, owner: Service, key: str) -> bool:
        """Whether policy lets a person's merge happen now: as for a mission that a person approved."""
        mission = self._store.missions.get(key.partition("/")[0])
        if mission is None:
            return False
        case = facts(
            self._store, self._clock, self._settings, owner, mission=mission, patch=None, reproduction=None,
            incident=self._store.incidents.get(mission.incident), budget_s=float("inf"),
        )  # fmt: skip
        decision = policy.decide(case, self._settings)
        log.info("%s: merging a revert in %s: %s: %s", mission.id, owner.name, decision.action, decision.reason)
        return decision.action in ("propose", "merge")

    def _merged(self, owner: Service, found: ChangeRequest) -> ChangeRequest:
        try:
            return self._forge.merge(owner, found.key, head=found.head, base=found.base)
        except StaleBase as error:
            log.info("%s stays open for people: %s", found.branch, error)
            return found


class LentFixers:
    """`Mender` over the parts of missions: drafted, reproduced and judged as a mission would, then proposed."""

    def __init__(
        self, store: Store, forge: Forge, services: Mapping[str, Service], settings: policy.Settings,
        reproducer: Reproducer, tester: Tester, fixers: Sequence[Fixer], budget: Limits, critic: Critic | None = None,
    ) -> None:  # fmt: skip
        self._store, self._forge, self._services, self._settings = store, forge, services, settings
        self._reproducer, self._tester, self._fixers, self._budget = reproducer, tester, fixers, budget
        self._critic = critic

    def mend(self, run: str, *, service: str, fixer: str, key: str) -> Mapping[str, str]:
        """See the protocol."""
        owner = allowed(service, self._services, self._settings, self._store)
        name = stable_id("mend", key)
        if found := self._forge.find(owner, name):
            return {"outcome": "proposed", "url": found.url, "reason": found.title}
        incident = self._incident(run)
        chosen = next((one for one in self._fixers if one.name == fixer), None)
        if chosen is None:
            raise Refused(f"the fixer {fixer} is not among fixers.order")
        case = mending.open_case(run, owner, self._forge.sync(owner), self._forge.head(owner), incident.signal)
        red = self._reproducer.reproduce(case, _note)
        if not mending.is_red(red):
            return {"outcome": "none", "url": "", "reason": f"not reproduced: {red.reason}"}
        case = replace(case, reproduction=red)
        verdict = self._proved(case, chosen)
        if verdict is None:
            return {"outcome": "none", "url": "", "reason": "no draft passed the gates"}
        return self._proposed(owner, incident, case, verdict, name)

    def _incident(self, run: str) -> Incident:
        mission = self._store.missions.get(run)
        incident = self._store.incidents.get(mission.incident) if mission else None
        if incident is None:
            raise Refused(f"{run} belongs to no incident: there is nothing to mend from")
        return incident

    def _proved(self, case: Case, fixer: Fixer) -> Verdict | None:
        limits, rules = self._budget, self._budget.tournament
        contest = Contest(
            reproducer=self._reproducer, tester=self._tester, creators=[fixer], critic=self._critic, note=_note,
            rules=Rules(rounds=rules.rounds, field=rules.field, critic=self._critic is not None),
            cores=rules.creators_at_once(), deadline=time.monotonic() + limits.mission_s,
            candidates=limits.candidates, patches=limits.patches,
        )  # fmt: skip
        standing = contest.hold(case)
        assert case.reproduction is not None
        if verdict := decide(standing, case.reproduction).verdict:
            return verdict
        unjudged = [e.verdict for e in standing.entries if e.verdict and e.verdict.judgement is Judgement.UNJUDGED]
        if unjudged:
            raise EnvironmentBroke(unjudged[-1].reason)
        return None

    def _proposed(
        self, owner: Service, incident: Incident, case: Case, verdict: Verdict, key: str
    ) -> Mapping[str, str]:
        title, body = wording.pull_request(incident, verdict, case, key)
        draft = ChangeDraft(key=key, base=case.base, diff=verdict.patch.diff, title=title, body=body,
                            target=owner.branch, labels=("nightshift", "runbook", verdict.patch.fixer))  # fmt: skip
        made = self._forge.propose(owner, draft)
        return {"outcome": "proposed", "url": made.url, "reason": made.title}


def allowed(service: str, services: Mapping[str, Service], settings: policy.Settings, store: Store) -> Service:
    """The service, if the configuration knows it and lets anything happen to it; raises Refused."""
    if service not in services:
        raise Refused(f"there is no service '{service}' in the configuration")
    if reason := policy.stopped(store, settings) or policy.forbidden(services[service], settings):
        raise Refused(reason)
    return services[service]


def _note(text: str) -> None:
    log.info("runbook: %s", text)
