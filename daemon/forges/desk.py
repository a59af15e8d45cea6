"""What every verb of a forge on a server works with: one service's repository, held, and the server beside it.

Looking is here: where branches stand, what the server has, what is remembered; and what is done in many verbs alike.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from nightshift.daemon.forges.changes import landed, made_here, parents_of
from nightshift.daemon.forges.dialect import Dialect, Pull, Rules, Wanted
from nightshift.daemon.forges.patience import Declined, Patience
from nightshift.daemon.forges.records import Record, Records, safe_name
from nightshift.daemon.forges.shipping import Shipping
from nightshift.daemon.forges.wording import comment_body, once_marker
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import ChangeRequest, ChangeState, Service
from nightshift.daemon.ports import EnvironmentBroke, Refused, Settled

PREFIX = "nightshift/"
NO_LOGIN = ("Authentication failed", "could not read Username", "Permission denied", "HTTP Basic: Access denied")
_log = logging.getLogger(__name__)


def branch_of(key: str) -> str:
    """The branch of a key."""
    return f"{PREFIX}{safe_name(key)}"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One service at one server, while a verb holds it. `name` is ``owner/name`` there."""

    service: Service
    name: str
    repo: BareRepo
    records: Records
    tries: Patience
    dialect: Dialect
    settings: Shipping
    clock: Clock

    @property
    def branch(self) -> str:
        """The service's branch, as a ref."""
        return f"refs/heads/{self.service.branch}"

    @property
    def rules(self) -> Rules:
        """What the configuration asks for besides the server's own rules."""
        return Rules(checks=self.settings.required_checks, approvals=self.settings.required_approvals)

    def settle(self, record: Record, state: ChangeState, *, reason: str = "") -> Record:
        """Remember a state."""
        return self.records.put(replace(record, request=replace(record.request, state=state), reason=reason))

    def follow(self) -> str:
        """Fetch the service's branch; where it stands. Raises Refused, EnvironmentBroke."""
        service = self.service
        try:
            self.repo.fetch(service.repo, [f"+{self.branch}:{self.branch}"])
        except GitError as error:
            why = redact(str(error))
            if "couldn't find remote ref" in why:
                text = f"{self.name} has no branch {service.branch!r}: commit to it or set the service's `branch`"
                raise Refused(text) from error
            raise self._unreadable(why) from error
        return self.repo.resolve(self.branch)

    def tip(self) -> str:
        """Where the service's branch stands there."""
        return self.tip_of(self.branch)

    def tip_of(self, ref: str) -> str:
        """Where a ref stands there; '' when it isn't. Raises Refused, EnvironmentBroke."""
        try:
            return self.repo.remote_tip(self.service.repo, ref)
        except GitError as error:
            raise self._unreadable(redact(str(error))) from error

    def _unreadable(self, why: str) -> Exception:
        if any(said in why for said in NO_LOGIN):
            return Refused(f"git is not let in to {self.name}: {why}")
        return EnvironmentBroke(f"{self.name} can't be fetched: {why}")

    def ours(self, branch: str, commit: str, key: str) -> bool:
        """Whether a commit of a branch there is one this program made for the key."""
        if not self.repo.resolve(commit):
            self.repo.fetch(self.service.repo, [f"+refs/heads/{branch}:refs/upstream/{branch}"])
        return made_here(self.repo, commit, key)

    def pull(self, record: Record) -> Pull:
        """A request as the server has it now."""
        return self.tries.read(lambda: self.dialect.pull(self.name, record.request.number))

    def look_up(self, key: str, labels: tuple[str, ...] = ()) -> Record | None:
        """A request that the server has and nobody here remembers: a killed call's, or another daemon's. An open one
        gets the `labels` that it lacks."""
        branch = branch_of(key)
        pulls = self.tries.read(lambda: self.dialect.pulls_of(self.name, branch, self.service.branch))
        pull = next(iter(pulls), None)
        if pull is None:
            return None
        base = ""
        if pull.state is ChangeState.OPEN:
            if not self.ours(branch, pull.head, key):
                raise Settled(f"{branch} stands at {pull.head[:12]}, which people pushed: it is theirs")
            base = next(iter(parents_of(self.repo, pull.head)), "")
            if labels:
                self.dress(pull, Wanted(branch=branch, target=pull.target, title="", body="", labels=labels))
        record = self.record(replace(pull, state=ChangeState.OPEN), key, pull.head, base, 0)
        return self.seen(record, pull)

    def seen(self, record: Record, pull: Pull) -> Record:
        """Remember what the server shows."""
        if pull.state is ChangeState.MERGED:
            return self.confirm(record, pull.merged)
        return self.settle(record, pull.state, reason="" if pull.state is ChangeState.OPEN else "closed on the forge")

    def record(self, pull: Pull, key: str, head: str, base: str, round_: int) -> Record:
        """What is remembered of an open request."""
        request = ChangeRequest(
            key=key, number=pull.number, branch=pull.branch, target=pull.target, base=base, head=head, url=pull.url,
            title=pull.title, body=pull.body, state=ChangeState.OPEN, round=round_,
        )  # fmt: skip
        return Record(request=request, labels=pull.labels, created_at_ms=self.clock.now_ms())

    def need(self, key: str) -> Record:
        """What is remembered, or else the server has. Raises Refused."""
        found = self.records.find(key) or self.look_up(key)
        if found is None:
            raise Refused(f"there is no change request {key!r}")
        return found

    def confirm(self, record: Record, commit: str, *, base: str = "") -> Record:
        """Read the merge back through git, and keep it. Raises EnvironmentBroke when git does not show it."""
        request = record.request

        def shown() -> str | None:
            tip = self.follow()
            if commit and self.repo.resolve(commit) and self.repo.is_ancestor(commit, tip):
                return commit
            known = self.repo.resolve(request.head)
            return (landed(self.repo, request.base, tip, known) or None) if known else None

        merged = self.tries.until(shown, f"#{request.number} is merged, {request.target} does not show it yet")
        landed_on = next(iter(parents_of(self.repo, merged)), "")
        if base and landed_on != base:
            _log.warning("%s #%d landed on %s, judged on %s", self.name, request.number, landed_on[:12], base[:12])
        request = replace(request, state=ChangeState.MERGED, merged=merged, landed_on=landed_on)
        return self.records.put(replace(record, request=request))

    def comment(self, record: Record, once: str, text: str) -> Record:
        """Say something, once."""
        if once in record.comments:
            return record
        number, marker = record.request.number, once_marker(once)

        def there() -> bool | None:
            said = self.dialect.comments(self.name, number)
            return True if any(marker in one for one in said) else None

        if self.tries.read(there) is None:
            body = comment_body(text, once)

            def say() -> bool:
                self.dialect.comment(self.name, number, body)
                return True

            self.tries.write(say, there)
        return self.records.put(replace(record, comments=(*record.comments, once)))

    def dress(self, pull: Pull, wanted: Wanted) -> None:
        """Labels and reviewers; one that the forge does not take is no reason to have no request."""
        try:
            self.tries.read(lambda: self.dialect.dress(self.name, pull, wanted))
        except Declined as declined:
            _log.warning("%s: labels or reviewers of #%d: %s", self.name, pull.number, declined)
