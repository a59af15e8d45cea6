"""The forge that needs no server: change requests, merges and reverts in bare repositories the daemon owns.

The monitored repository is only read, and pushed to when it is bare: a work tree somebody has open is theirs.
Every verb may be killed at any instant and called again; what was done is recognised, never done twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nightshift.daemon.forges.changes import commit_of, landing, made_here, merge_result, parents_of, undoing
from nightshift.daemon.forges.locks import alone, clear_stale_locks
from nightshift.daemon.forges.records import Record, Records, safe_name
from nightshift.daemon.forges.upstream import Upstream, is_bare
from nightshift.daemon.forges.wording import (
    another_round,
    neutral,
    neutral_body,
    neutral_title,
    once_marker,
    request_body,
)
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.git import ZERO, BareRepo, GitError, local_path
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import ChangeDraft, ChangeRequest, ChangeState, Health, Readiness, Service
from nightshift.daemon.ports import EnvironmentBroke, Refused, Settled, StaleBase


class Settings(BaseModel):
    """How the local forge behaves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    publish: bool | None = None
    """Push merges to the service's repository: yes, no, or (unset) only when it is a bare one on this machine."""


@dataclass(frozen=True, kw_only=True)
class _Desk:
    """What every verb works with while it holds the repository."""

    repo: BareRepo
    records: Records
    upstream: Upstream


class LocalForge:
    """Port `Forge` over one bare repository per service at ``root/<service>.git``."""

    name = "local"

    def __init__(self, root: Path, clock: Clock, settings: Settings | None = None) -> None:
        self.root, self.clock, self.settings = Path(root), clock, settings or Settings()

    def path(self, service: Service) -> Path:
        """Where the service's bare repository lies."""
        return self.root / f"{safe_name(service.name)}.git"

    def sync(self, service: Service) -> str:
        """Follow upstream; returns the path. Raises Refused (a person must act) or EnvironmentBroke (try again)."""
        with self._desk(service) as desk:
            unsettled = {r.request.head for r in desk.records.all() if r.request.state is ChangeState.OPEN}
            desk.upstream.follow(lambda commit: bool(unsettled & {commit, *parents_of(desk.repo, commit)[1:]}))
            self._notice_merged_by_people(desk)
            return desk.repo.path

    def head(self, service: Service) -> str:
        """The commit the service's branch stands at in the forge; raises Refused before the first sync."""
        with self._desk(service, exclusive=False) as desk:
            tip = desk.upstream.tip()
        if not tip:
            raise Refused(f"{service.name} has no branch {service.branch!r} here yet: sync it first")
        return tip

    def propose(self, service: Service, draft: ChangeDraft) -> ChangeRequest:
        """Get or create the request of `draft.key`, towards the service's branch; a closed one is returned as it is.

        Raises Refused when the diff does not apply to `draft.base` or changes nothing, Settled when people moved the
        request's branch. There is no cap and no draft here: nobody's inbox fills up.
        """
        with self._desk(service) as desk:
            found = desk.records.find(draft.key)
            if found is None:
                found = desk.records.put(self._draw_up(desk, service, draft))
                _point(desk.repo, found.request)
                self._supersede(desk, draft)
            elif found.request.state is ChangeState.OPEN and draft.round > found.request.round:
                found = self._revise(desk, service, found, draft)
            elif not desk.repo.resolve(f"refs/heads/{found.request.branch}"):
                _point(desk.repo, found.request)
            return found.request

    def find(self, service: Service, key: str) -> ChangeRequest | None:
        """The request of a key, whatever its state, or None."""
        with self._desk(service, exclusive=False) as desk:
            found = desk.records.find(key)
            return found.request if found else None

    def list(self, service: Service) -> tuple[ChangeRequest, ...]:
        """Every request of a service, by number."""
        with self._desk(service, exclusive=False) as desk:
            return tuple(record.request for record in desk.records.all())

    def merge(self, service: Service, key: str, *, head: str, base: str) -> ChangeRequest:
        """Merge the judged `head` onto `base` by compare-and-swap, then publish; calling again changes nothing.

        Raises StaleBase when branch, request or upstream has moved, Refused when closed or unknown.
        """
        with self._desk(service) as desk:
            record = _need(desk, key)
            if record.request.state is ChangeState.MERGED:
                return record.request
            _check_head(desk, record.request, head)
            publishes = self._publishes(service)
            merged = self._land(desk, record.request, base)
            if publishes:
                self._publish(desk, merged, base)
            return _settle(desk, record, ChangeState.MERGED, merged=merged)

    def readiness(self, service: Service, key: str) -> Readiness:
        """Nothing checks and nobody reviews here, so it is ready. Raises Refused: unknown."""
        with self._desk(service, exclusive=False) as desk:
            _need(desk, key)
            return Readiness()

    def comment(self, service: Service, key: str, once: str, text: str) -> None:
        """Kept beside the request."""
        with self._desk(service) as desk:
            _comment(desk, _need(desk, key), once, text)

    def comments(self, service: Service, key: str) -> tuple[str, ...]:
        """What was said on a request."""
        with self._desk(service, exclusive=False) as desk:
            return tuple(said.partition("\n")[2] for said in _need(desk, key).comments)

    def may_steer(self, service: Service, person: str) -> bool:  # noqa: ARG002 - the port's signature
        """Nobody: here people speak through the command line and the HTTP API."""
        return False

    def close(self, service: Service, key: str, reason: str) -> ChangeRequest:
        """Close an open request with a reason; a merged or closed one is returned as it is."""
        with self._desk(service) as desk:
            record = _need(desk, key)
            if record.request.state is not ChangeState.OPEN:
                return record.request
            merged = _take_back(desk, record.request)
            if merged:
                return _settle(desk, record, ChangeState.MERGED, merged=merged)
            return _settle(desk, record, ChangeState.CLOSED, reason=neutral(reason))

    def revert(self, service: Service, key: str) -> str:
        """The diff that undoes the merged change on today's branch, later work kept; raises Refused."""
        with self._desk(service, exclusive=False) as desk:
            request = _need(desk, key).request
            if request.state is not ChangeState.MERGED:
                raise Refused(f"change request {key} is {request.state.value}: there is nothing to undo")
            return undoing(desk.repo, desk.upstream.tip(), request.merged)

    def pushed_by_people(self, service: Service, key: str, commit: str) -> bool:  # noqa: ARG002 - the port's signature
        """Never told of here; a branch that people moved is found when it is merged."""
        return False

    def probe(self, service: Service) -> Health:
        """Whether the service's repository can be read and has the branch, and the forge can write its own."""
        what = f"forge {self.name}: {service.name}"
        try:
            tip = self._open(service).repo.remote_tip(service.repo, f"refs/heads/{service.branch}")
        except (GitError, OSError) as error:
            fix = "check the service's `repo`, and that this user may read it and write the forge's folder"
            return Health(ok=False, what=what, detail=redact(str(error)), fix=fix)
        if not tip:
            fix = f"set `branch`, or commit to {service.branch}"
            return Health(ok=False, what=what, detail=f"no branch {service.branch!r}", fix=fix)
        return Health(ok=True, what=what, detail=f"{service.branch} at {tip[:12]}")

    def _open(self, service: Service) -> _Desk:
        repo = BareRepo.ensure(self.path(service))
        return _Desk(repo=repo, records=Records(repo), upstream=Upstream(repo=repo, service=service))

    @contextmanager
    def _desk(self, service: Service, *, exclusive: bool = True) -> Iterator[_Desk]:
        path = self.path(service)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with alone(path) if exclusive else nullcontext():
                desk = self._open(service)
                if exclusive:
                    clear_stale_locks(path, self.clock)
                yield desk
        except (GitError, OSError) as error:
            raise EnvironmentBroke(f"{path}: {redact(str(error))}") from error

    def _publishes(self, service: Service) -> bool:
        if self.settings.publish and local_path(service.repo) and not is_bare(service.repo):
            raise Refused(f"{redact(service.repo)} has files checked out, so it is never pushed to: unset `publish`")
        return is_bare(service.repo) if self.settings.publish is None else self.settings.publish

    def _draw_up(self, desk: _Desk, service: Service, draft: ChangeDraft) -> Record:
        branch = f"nightshift/{safe_name(draft.key)}"
        head = commit_of(desk.repo, draft)
        number = desk.records.number(draft.key)
        url = f"file://{desk.repo.path}#{branch}"
        request = ChangeRequest(
            key=draft.key, number=number, branch=branch, target=service.branch, base=draft.base, head=head, url=url,
            title=neutral_title(draft.title), body=request_body(draft, head), state=ChangeState.OPEN, round=draft.round,
        )  # fmt: skip
        return Record(request=request, labels=draft.labels, created_at_ms=self.clock.now_ms())

    def _revise(self, desk: _Desk, service: Service, found: Record, draft: ChangeDraft) -> Record:
        """Another round of an open request: the branch moves first, the record tells of it."""
        new = self._draw_up(desk, service, draft).request
        ref = f"refs/heads/{found.request.branch}"
        now = desk.repo.resolve(ref)
        if now not in ("", found.request.head, new.head) and not made_here(desk.repo, now, draft.key):
            raise Settled(f"people moved {found.request.branch} to {now[:12]}: it is theirs")
        desk.repo.swap(ref, new.head, now or ZERO)
        told = _comment(desk, found, f"round-{draft.round}", another_round(draft.round, draft.base, new.head))
        request = replace(new, number=found.request.number)
        return desk.records.put(replace(told, request=request, labels=draft.labels))

    def _supersede(self, desk: _Desk, draft: ChangeDraft) -> None:
        for key in draft.supersedes:
            old = desk.records.find(key)
            if old and old.request.state is ChangeState.OPEN and key != draft.key and not _take_back(desk, old.request):
                _settle(desk, old, ChangeState.CLOSED, reason=f"superseded by {draft.key}")

    def _land(self, desk: _Desk, request: ChangeRequest, base: str) -> str:
        """Move the branch from `base` to the merge result; the one it already holds if an earlier call got here."""
        tip = desk.upstream.tip()
        landed = landing(desk.repo, tip, request.head)
        if landed:
            return landed
        merged = merge_result(desk.repo, request, base) if tip == base else ""
        if not merged or not desk.repo.swap(desk.upstream.branch, merged, base):
            now = desk.upstream.tip()
            raise StaleBase(f"{request.target} stands at {now[:12]}, the verdict was on {base[:12]}")
        return merged

    def _publish(self, desk: _Desk, merged: str, base: str) -> None:
        try:
            desk.upstream.publish(merged)
        except (StaleBase, Refused, EnvironmentBroke):
            desk.repo.swap(desk.upstream.branch, base, merged)
            raise

    def _notice_merged_by_people(self, desk: _Desk) -> None:
        tip = desk.repo.resolve(desk.upstream.seen)
        for record in desk.records.all():
            if record.request.state is ChangeState.OPEN:
                merged = landing(desk.repo, tip, record.request.head)
                if merged:
                    _settle(desk, record, ChangeState.MERGED, merged=merged)


def _check_head(desk: _Desk, request: ChangeRequest, head: str) -> None:
    if request.state is ChangeState.CLOSED:
        raise Settled(f"change request {request.key} is closed")
    now = desk.repo.resolve(f"refs/heads/{request.branch}")
    if not now:
        _point(desk.repo, request)
    if request.head != head or now not in ("", head):
        raise StaleBase(f"{request.branch} stands at {(now or request.head)[:12]}, the verdict was on {head[:12]}")


def _point(repo: BareRepo, request: ChangeRequest) -> None:
    """Make the request's branch; one that a killed call left at an older draft is moved."""
    ref = f"refs/heads/{request.branch}"
    repo.swap(ref, request.head, repo.resolve(ref) or ZERO)


def _take_back(desk: _Desk, request: ChangeRequest) -> str:
    """Undo a merge that a killed call never finished; returns it instead when others have built on it already."""
    tip = desk.upstream.tip()
    landed = landing(desk.repo, tip, request.head)
    if not landed or landing(desk.repo, desk.repo.resolve(desk.upstream.seen), request.head):
        return landed
    taken_back = landed == tip and desk.repo.swap(desk.upstream.branch, parents_of(desk.repo, landed)[0], landed)
    return "" if taken_back else landed


def _need(desk: _Desk, key: str) -> Record:
    found = desk.records.find(key)
    if found is None:
        raise Refused(f"there is no change request {key!r}")
    return found


def _comment(desk: _Desk, record: Record, once: str, text: str) -> Record:
    """The first line of what is kept is its key."""
    line = once_marker(once)
    if any(said.partition("\n")[0] == line for said in record.comments):
        return record
    return desk.records.put(replace(record, comments=(*record.comments, f"{line}\n{neutral_body(text)}")))


def _settle(desk: _Desk, record: Record, state: ChangeState, *, merged: str = "", reason: str = "") -> ChangeRequest:
    landed_on = next(iter(parents_of(desk.repo, merged)), "") if merged else ""
    request = replace(record.request, state=state, merged=merged, landed_on=landed_on)
    return desk.records.put(replace(record, request=request, reason=reason)).request
