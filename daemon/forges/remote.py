"""Change requests on a server: GitHub, GitLab, Gitea, Forgejo. Git carries the commits, a `Dialect` the rest.

The branch's name is the key, so a request is found again by anybody, closed ones too. What was done is also kept beside
the daemon's repository, so that doing it again costs no call. A verb may be killed anywhere and called again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from nightshift.daemon.forges.changes import commit_of, landed, made_here, parents_of, undoing
from nightshift.daemon.forges.dialect import Dialect, Pull, Rules, Wanted
from nightshift.daemon.forges.locks import alone, clear_stale_locks
from nightshift.daemon.forges.patience import Declined, Patience, Unsure
from nightshift.daemon.forges.records import Record, Records, safe_name
from nightshift.daemon.forges.shipping import Shipping
from nightshift.daemon.forges.wording import (
    another_round,
    comment_body,
    neutral,
    neutral_title,
    once_marker,
    request_body,
)
from nightshift.daemon.kit.addresses import repository_of
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import ChangeDraft, ChangeRequest, ChangeState, Health, Readiness, Service
from nightshift.daemon.ports import EnvironmentBroke, NotYet, Refused, Settled, StaleBase

T = TypeVar("T")
PREFIX = "nightshift/"
_log = logging.getLogger(__name__)
_NO_LOGIN = ("Authentication failed", "could not read Username", "Permission denied", "HTTP Basic: Access denied")


@dataclass(frozen=True, kw_only=True)
class _Desk:
    """What a verb works with while it holds the repository."""

    service: Service
    name: str
    repo: BareRepo
    records: Records
    tries: Patience

    @property
    def branch(self) -> str:
        return f"refs/heads/{self.service.branch}"


class RemoteForge:
    """Port `Forge` over one server; the daemon's repositories lie at ``root/<service>.git``."""

    def __init__(self, name: str, dialect: Dialect, root: Path, clock: Clock, settings: Shipping | None = None) -> None:
        self.name, self.dialect, self.root, self.clock = name, dialect, Path(root), clock
        self.settings = settings or Shipping()

    def path(self, service: Service) -> Path:
        """Where the service's bare repository lies."""
        return self.root / f"{safe_name(service.name)}.git"

    def sync(self, service: Service) -> str:
        """Fetch the service's branch; returns the path. Raises Refused (a person must act), EnvironmentBroke."""
        with self._desk(service) as desk:
            self._follow(desk)
            return desk.repo.path

    def head(self, service: Service) -> str:
        """Where the branch stood at the last fetch; raises Refused before the first sync."""
        with self._desk(service, exclusive=False) as desk:
            tip = desk.repo.resolve(desk.branch)
        if not tip:
            raise Refused(f"{service.name} has no branch {service.branch!r} here yet: sync it first")
        return tip

    def propose(self, service: Service, draft: ChangeDraft) -> ChangeRequest:
        """Port `Forge`."""
        with self._desk(service) as desk:
            record = desk.records.find(draft.key) or self._look_up(desk, draft.key, labels=draft.labels)
            if record is None:
                record = self._open(desk, draft)
            elif record.request.state is ChangeState.OPEN and draft.round > record.request.round:
                record = self._revise(desk, record, draft)
            return record.request

    def find(self, service: Service, key: str) -> ChangeRequest | None:
        """As it was seen last; asked of the server when nothing is known of it here."""
        with self._desk(service) as desk:
            record = desk.records.find(key) or self._look_up(desk, key)
            return record.request if record else None

    def list(self, service: Service) -> tuple[ChangeRequest, ...]:
        """Every request of a service that is known here, by number."""
        with self._desk(service, exclusive=False) as desk:
            return tuple(record.request for record in desk.records.all())

    def readiness(self, service: Service, key: str) -> Readiness:
        """Port `Forge`."""
        with self._desk(service) as desk:
            record = self._need(desk, key)
            pull = self._pull(desk, record)
            return desk.tries.read(lambda: self.dialect.readiness(desk.name, pull, self._rules()))

    def merge(self, service: Service, key: str, *, head: str, base: str) -> ChangeRequest:
        """Port `Forge`. The server is told the judged commit, and what it did is confirmed by git."""
        with self._desk(service) as desk:
            record = self._need(desk, key)
            if record.request.state is ChangeState.MERGED:
                return record.request
            if record.request.state is ChangeState.CLOSED:
                raise Settled(f"change request {key} is closed")
            if record.request.head != head:
                raise StaleBase(f"{record.request.branch} stands at {record.request.head[:12]}, not {head[:12]}")
            pull = self._pull(desk, record)
            if pull.state is ChangeState.MERGED:
                return self._confirm(desk, record, pull.merged).request
            self._still(desk, record, pull, base)
            ready = desk.tries.read(lambda: self.dialect.readiness(desk.name, pull, self._rules()))
            if ready.refused:
                raise Refused(ready.refused)
            if ready.waiting:
                raise NotYet(ready.waiting)
            return self._merge(desk, record, pull, base)

    def comment(self, service: Service, key: str, once: str, text: str) -> None:
        """Port `Forge`."""
        with self._desk(service) as desk:
            self._comment(desk, self._need(desk, key), once, text)

    def close(self, service: Service, key: str, reason: str) -> ChangeRequest:
        """Close an open request, with the reason as a comment; a settled one is returned as it is."""
        with self._desk(service) as desk:
            record = self._need(desk, key)
            if record.request.state is not ChangeState.OPEN:
                return record.request
            pull = self._pull(desk, record)
            if pull.state is ChangeState.MERGED:
                return self._confirm(desk, record, pull.merged).request
            if pull.state is ChangeState.OPEN:
                record = self._comment(desk, record, "closed", f"Closed: {reason}")
                desk.tries.read(lambda: self.dialect.close(desk.name, pull.number))
            return _settle(desk, record, ChangeState.CLOSED, reason=neutral(reason)).request

    def revert(self, service: Service, key: str) -> str:
        """Port `Forge`; the branch is fetched first."""
        with self._desk(service) as desk:
            record = self._need(desk, key)
            self._follow(desk)
            if record.request.state is ChangeState.OPEN:
                pull = self._pull(desk, record)
                if pull.state is ChangeState.MERGED:
                    record = self._confirm(desk, record, pull.merged)
            if record.request.state is not ChangeState.MERGED:
                raise Refused(f"change request {key} is {record.request.state.value}: there is nothing to undo")
            return undoing(desk.repo, desk.repo.resolve(desk.branch), record.request.merged)

    def may_steer(self, service: Service, person: str) -> bool:
        """Whether a person may write to the repository."""
        with self._desk(service, exclusive=False) as desk:
            return bool(person) and desk.tries.read(lambda: self.dialect.may_write(desk.name, person))

    def pushed_by_people(self, service: Service, key: str, commit: str) -> bool:
        """Port `Forge`. Waits for a push of ours that is under way."""
        with self._desk(service) as desk:
            record = desk.records.find(key)
            if record is None or record.request.state is not ChangeState.OPEN or record.request.head == commit:
                return False
            return not self._ours(desk, record.request.branch, commit, key)

    def probe(self, service: Service) -> Health:
        """Whether git and the API answer, the credential may do what is needed and the branch's rules can be read."""
        what = f"forge {self.name}: {service.name}"
        try:
            with self._desk(service, exclusive=False) as desk:
                tip = self._there(desk)
                rows = desk.tries.read(lambda: self.dialect.examine(desk.name, service.branch))
        except (Refused, EnvironmentBroke) as error:
            fix = f"check `repo` and `forges.{self.name}`: address, token, its rights to this repository"
            return Health(ok=False, what=what, detail=redact(str(error)), fix=fix)
        if not tip:
            return Health(
                ok=False, what=what, detail=f"no branch {service.branch!r}", fix=f"set `branch` of {service.name}"
            )
        worst = next((row for row in rows if not row.ok), None) or next((row for row in rows if row.fix), None)
        detail = f"{service.branch} at {tip[:12]}; " + "; ".join(row.detail for row in rows)
        return Health(ok=worst is None or worst.ok, what=what, detail=redact(detail), fix=worst.fix if worst else "")

    # ------------------------------------------------------------ opening

    def _open(self, desk: _Desk, draft: ChangeDraft) -> Record:
        head = commit_of(desk.repo, draft)
        self._make_room(desk, draft)
        branch = branch_of(draft.key)
        self._push(desk, branch, head, draft.key)
        wanted = Wanted(
            branch=branch, target=desk.service.branch, title=neutral_title(draft.title), draft=draft.draft,
            body=request_body(draft, head), labels=draft.labels, reviewers=self._reviewers(desk, draft, head),
        )  # fmt: skip
        pull = self._create(desk, wanted)
        self._dress(desk, pull, wanted)
        record = desk.records.put(self._record(pull, draft.key, head, draft.base, draft.round))
        self._supersede(desk, draft, record.request)
        return record

    def _dress(self, desk: _Desk, pull: Pull, wanted: Wanted) -> None:
        """Labels and reviewers; one that the forge does not take is no reason to have no request."""
        try:
            desk.tries.read(lambda: self.dialect.dress(desk.name, pull, wanted))
        except Declined as declined:
            _log.warning("%s: labels or reviewers of #%d: %s", desk.name, pull.number, declined)

    def _create(self, desk: _Desk, wanted: Wanted) -> Pull:
        """Get or create: whatever the server answers, what it has is what counts."""

        def look() -> Pull | None:
            return next(iter(self.dialect.pulls_of(desk.name, wanted.branch, wanted.target)), None)

        try:
            return desk.tries.write(lambda: self.dialect.create(desk.name, wanted), look)
        except Declined as declined:
            if declined.status not in (409, 422):
                raise
            known = "exist" in declined.text.lower()
            found = desk.tries.until(look, f"said to exist, not listed yet: {declined}") if known else look()
            if found is None:
                raise
            return found

    def _make_room(self, desk: _Desk, draft: ChangeDraft) -> None:
        """Raises NotYet when enough requests are open; only then the server is asked, people may have settled some."""
        most = self.settings.max_open
        mine = [
            r
            for r in desk.records.all()
            if r.request.state is ChangeState.OPEN and r.request.key not in draft.supersedes
        ]
        if draft.urgent or len(mine) < most:
            return
        count = desk.tries.read(lambda: self.dialect.open_count(desk.name, PREFIX))
        if count - len(draft.supersedes) >= most:
            raise NotYet(f"{count} requests are open in {desk.name}, and `max_open` is {most}")

    def _push(self, desk: _Desk, branch: str, head: str, key: str) -> None:
        """Put the branch there. Raises Settled when people have put something else there."""
        ref = f"refs/heads/{branch}"
        there = self._tip_of(desk, ref)
        if there == head:
            return
        if there and not self._ours(desk, branch, there, key):
            raise Settled(f"{branch} stands at {there[:12]}, which people pushed: it is theirs")
        done = desk.repo.push(desk.service.repo, head, ref, expect=there)
        if not done.ok and self._tip_of(desk, ref) != head:
            why = redact(done.stderr.decode("utf-8", "replace")).strip()
            no = any(said in why for said in ("remote rejected", "pre-receive", "denied", "protected", *_NO_LOGIN))
            raise (Refused if no else EnvironmentBroke)(f"{branch} can't be pushed: {why[-400:]}")

    def _ours(self, desk: _Desk, branch: str, commit: str, key: str) -> bool:
        if not desk.repo.resolve(commit):
            desk.repo.fetch(desk.service.repo, [f"+refs/heads/{branch}:refs/upstream/{branch}"])
        return made_here(desk.repo, commit, key)

    def _reviewers(self, desk: _Desk, draft: ChangeDraft, head: str) -> tuple[str, ...]:
        """Owners of the changed files, as the base names them: a patch can't choose who reviews it."""
        if not self.settings.reviewers:
            return ()
        texts = (desk.repo.read(draft.base, path) for path in self.dialect.owners_files())
        text = next((found for found in texts if found is not None), b"").decode("utf-8", "replace")
        if not text:
            return ()
        names = desk.repo.out("diff", "--name-only", "-z", "--no-renames", draft.base, head, "--")
        paths = names.decode("utf-8", "replace").rstrip("\0").split("\0")
        return self.dialect.owners(text, paths)[: self.settings.reviewers]

    def _supersede(self, desk: _Desk, draft: ChangeDraft, by: ChangeRequest) -> None:
        for key in draft.supersedes:
            old = desk.records.find(key)
            if old is None or old.request.state is not ChangeState.OPEN or key == draft.key:
                continue
            self._comment(desk, old, "superseded", f"Superseded by {by.url}")
            number = old.request.number
            desk.tries.read(lambda number=number: self.dialect.close(desk.name, number))  # type: ignore[misc]
            _settle(desk, self._need(desk, key), ChangeState.CLOSED, reason=f"superseded by {by.key}")

    def _revise(self, desk: _Desk, record: Record, draft: ChangeDraft) -> Record:
        """Move an open request to another round's commit and say so."""
        pull = self._pull(desk, record)
        if pull.state is not ChangeState.OPEN:
            return self._seen(desk, record, pull)
        head = commit_of(desk.repo, draft)
        self._push(desk, pull.branch, head, draft.key)
        title, body = neutral_title(draft.title), request_body(draft, head)
        desk.tries.read(lambda: self.dialect.rewrite(desk.name, pull, title, body))
        self._comment(desk, record, f"round-{draft.round}", another_round(draft.round, draft.base, head))
        record = self._need(desk, draft.key)
        request = replace(record.request, head=head, base=draft.base, title=title, body=body, round=draft.round)
        return desk.records.put(replace(record, request=request, labels=draft.labels))

    def _comment(self, desk: _Desk, record: Record, once: str, text: str) -> Record:
        if once in record.comments:
            return record
        number, marker = record.request.number, once_marker(once)

        def there() -> bool | None:
            said = self.dialect.comments(desk.name, number)
            return True if any(marker in one for one in said) else None

        if desk.tries.read(there) is None:
            body = comment_body(text, once)

            def say() -> bool:
                self.dialect.comment(desk.name, number, body)
                return True

            desk.tries.write(say, there)
        return desk.records.put(replace(record, comments=(*record.comments, once)))

    # ------------------------------------------------------------ merging

    def _still(self, desk: _Desk, record: Record, pull: Pull, base: str) -> None:
        """Everything stands where it was judged. Raises Settled, StaleBase."""
        request = record.request
        if pull.state is ChangeState.CLOSED:
            _settle(desk, record, ChangeState.CLOSED, reason="closed on the forge")
            raise Settled(f"#{pull.number} was closed by people")
        if pull.head != request.head:
            now = self._tip_of(desk, f"refs/heads/{pull.branch}")
            if now and now != request.head:
                if not self._ours(desk, pull.branch, now, request.key):
                    raise Settled(f"people pushed to {pull.branch}: it is theirs now")
                raise StaleBase(f"{pull.branch} stands at {now[:12]}, the verdict was on {request.head[:12]}")
            raise NotYet(f"#{pull.number} does not show {request.head[:12]} yet")
        tip = self._follow(desk)
        if tip != base:
            raise StaleBase(f"{request.target} stands at {tip[:12]}, the verdict was on {base[:12]}")

    def _merge(self, desk: _Desk, record: Record, pull: Pull, base: str) -> ChangeRequest:
        method = self.settings.merge_by_repository.get(desk.name, self.settings.merge)
        title = f"{record.request.title} (#{pull.number})"
        body = f"Nightshift-Key: {safe_name(record.request.key)}"
        if pull.draft:
            desk.tries.read(lambda: self.dialect.make_ready(desk.name, pull))
            pull = replace(pull, draft=False)

        def merged() -> str | None:
            now = self.dialect.pull(desk.name, pull.number)
            return now.merged if now.state is ChangeState.MERGED else None

        try:
            commit = desk.tries.write(lambda: self.dialect.merge(desk.name, pull, method, title, body), merged)
        except Declined as declined:
            commit = self._declined(desk, record, pull, base, declined)
        return self._confirm(desk, record, commit, base=base).request

    def _declined(self, desk: _Desk, record: Record, pull: Pull, base: str, declined: Declined) -> str:
        """Why a merge was not done; the merge's commit when it is done after all. Raises otherwise."""
        now = self._pull(desk, record)
        if now.state is ChangeState.MERGED:
            return now.merged
        self._still(desk, record, now, base)
        if declined.status in (405, 406, 409, 422):
            raise NotYet(f"#{pull.number} can't be merged now: {declined.text}")
        raise Refused(f"#{pull.number} was not merged: {declined}")

    def _confirm(self, desk: _Desk, record: Record, commit: str, *, base: str = "") -> Record:
        """Read the merge back through git, and keep it. Raises EnvironmentBroke when git does not show it."""
        request = record.request

        def shown() -> str | None:
            tip = self._follow(desk)
            if commit and desk.repo.resolve(commit) and desk.repo.is_ancestor(commit, tip):
                return commit
            known = desk.repo.resolve(request.head)
            return (landed(desk.repo, request.base, tip, known) or None) if known else None

        merged = desk.tries.until(shown, f"#{request.number} is merged, {request.target} does not show it yet")
        landed_on = next(iter(parents_of(desk.repo, merged)), "")
        if base and landed_on != base:
            _log.warning("%s #%d landed on %s, judged on %s", desk.name, request.number, landed_on[:12], base[:12])
        request = replace(request, state=ChangeState.MERGED, merged=merged, landed_on=landed_on)
        return desk.records.put(replace(record, request=request))

    # ------------------------------------------------------------ looking

    def _follow(self, desk: _Desk) -> str:
        """Fetch the service's branch; where it stands. Raises Refused, EnvironmentBroke."""
        service = desk.service
        try:
            desk.repo.fetch(service.repo, [f"+{desk.branch}:{desk.branch}"])
        except GitError as error:
            why = redact(str(error))
            if "couldn't find remote ref" in why:
                text = f"{desk.name} has no branch {service.branch!r}: commit to it or set the service's `branch`"
                raise Refused(text) from error
            raise self._unreadable(desk, why) from error
        return desk.repo.resolve(desk.branch)

    def _there(self, desk: _Desk) -> str:
        return self._tip_of(desk, desk.branch)

    def _tip_of(self, desk: _Desk, ref: str) -> str:
        try:
            return desk.repo.remote_tip(desk.service.repo, ref)
        except GitError as error:
            raise self._unreadable(desk, redact(str(error))) from error

    def _unreadable(self, desk: _Desk, why: str) -> Exception:
        if any(said in why for said in _NO_LOGIN):
            return Refused(f"git is not let in to {desk.name}: {why}")
        return EnvironmentBroke(f"{desk.name} can't be fetched: {why}")

    def _pull(self, desk: _Desk, record: Record) -> Pull:
        return desk.tries.read(lambda: self.dialect.pull(desk.name, record.request.number))

    def _look_up(self, desk: _Desk, key: str, labels: tuple[str, ...] = ()) -> Record | None:
        """A request that the server has and nobody here remembers: a killed call's, or another daemon's. An open one
        gets the `labels` that it lacks."""
        branch = branch_of(key)
        pulls = desk.tries.read(lambda: self.dialect.pulls_of(desk.name, branch, desk.service.branch))
        pull = next(iter(pulls), None)
        if pull is None:
            return None
        base = ""
        if pull.state is ChangeState.OPEN:
            if not self._ours(desk, branch, pull.head, key):
                raise Settled(f"{branch} stands at {pull.head[:12]}, which people pushed: it is theirs")
            base = next(iter(parents_of(desk.repo, pull.head)), "")
            if labels:
                self._dress(desk, pull, Wanted(branch=branch, target=pull.target, title="", body="", labels=labels))
        record = self._record(replace(pull, state=ChangeState.OPEN), key, pull.head, base, 0)
        return self._seen(desk, record, pull)

    def _seen(self, desk: _Desk, record: Record, pull: Pull) -> Record:
        if pull.state is ChangeState.MERGED:
            return self._confirm(desk, record, pull.merged)
        return _settle(desk, record, pull.state, reason="" if pull.state is ChangeState.OPEN else "closed on the forge")

    def _record(self, pull: Pull, key: str, head: str, base: str, round_: int) -> Record:
        request = ChangeRequest(
            key=key, number=pull.number, branch=pull.branch, target=pull.target, base=base, head=head, url=pull.url,
            title=pull.title, body=pull.body, state=ChangeState.OPEN, round=round_,
        )  # fmt: skip
        return Record(request=request, labels=pull.labels, created_at_ms=self.clock.now_ms())

    def _need(self, desk: _Desk, key: str) -> Record:
        found = desk.records.find(key) or self._look_up(desk, key)
        if found is None:
            raise Refused(f"there is no change request {key!r}")
        return found

    def _rules(self) -> Rules:
        return Rules(checks=self.settings.required_checks, approvals=self.settings.required_approvals)

    @contextmanager
    def _desk(self, service: Service, *, exclusive: bool = True) -> Iterator[_Desk]:
        path, name = self.path(service), repository_of(service.repo)
        if not name:
            raise Refused(f"{redact(service.repo)} names no repository of {self.name}")
        try:
            with _held(path, self.clock, exclusive):
                repo = BareRepo.ensure(path, self.dialect.access(name, service.repo))
                tries = Patience(self.clock, self.settings.patience_s, f"{self.name} {name}")
                yield _Desk(service=service, name=name, repo=repo, records=Records(repo), tries=tries)
        except Declined as declined:
            raise Refused(f"{self.name} {name}: {_explained(declined)}") from declined
        except Unsure as unsure:
            raise EnvironmentBroke(f"{self.name} {name}: {unsure}") from unsure
        except (GitError, OSError) as error:
            raise EnvironmentBroke(f"{path}: {redact(str(error))}") from error


@contextmanager
def _held(path: Path, clock: Clock, exclusive: bool) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not exclusive:
        yield
        return
    with alone(path):
        clear_stale_locks(path, clock)
        yield


def _explained(declined: Declined) -> str:
    hints: dict[int, str] = {
        401: "the token is not accepted",
        403: "the token may not do this",
        404: "there is no such thing, or the token does not see it",
    }
    hint = hints.get(declined.status, "")
    return f"{hint} ({declined})" if hint else str(declined)


def branch_of(key: str) -> str:
    """The branch of a key."""
    return f"{PREFIX}{safe_name(key)}"


def _settle(desk: _Desk, record: Record, state: ChangeState, *, reason: str = "") -> Record:
    return desk.records.put(replace(record, request=replace(record.request, state=state), reason=reason))
