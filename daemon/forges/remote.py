"""Change requests on a server: GitHub, GitLab, Gitea, Forgejo. Git carries the commits, a `Dialect` the rest.

The branch's name is the key, so a request is found again by anybody, closed ones too. What was done is also kept beside
the daemon's repository, so that doing it again costs no call. A verb may be killed anywhere and called again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nightshift.daemon.forges.changes import undoing
from nightshift.daemon.forges.desk import Desk
from nightshift.daemon.forges.dialect import Dialect
from nightshift.daemon.forges.locks import alone, clear_stale_locks
from nightshift.daemon.forges.merging import check_still, merged
from nightshift.daemon.forges.opening import opened, revised
from nightshift.daemon.forges.patience import Declined, Patience, Unsure
from nightshift.daemon.forges.records import Records, safe_name
from nightshift.daemon.forges.shipping import Shipping
from nightshift.daemon.forges.wording import neutral
from nightshift.daemon.kit.addresses import repository_of
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import ChangeDraft, ChangeRequest, ChangeState, Health, Readiness, Service
from nightshift.daemon.ports import EnvironmentBroke, NotYet, Refused, Settled, StaleBase


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
            desk.follow()
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
            record = desk.records.find(draft.key) or desk.look_up(draft.key, labels=draft.labels)
            if record is None:
                record = opened(desk, draft)
            elif record.request.state is ChangeState.OPEN and draft.round > record.request.round:
                record = revised(desk, record, draft)
            return record.request

    def find(self, service: Service, key: str) -> ChangeRequest | None:
        """As it was seen last; asked of the server when nothing is known of it here."""
        with self._desk(service) as desk:
            record = desk.records.find(key) or desk.look_up(key)
            return record.request if record else None

    def list(self, service: Service) -> tuple[ChangeRequest, ...]:
        """Every request of a service that is known here, by number."""
        with self._desk(service, exclusive=False) as desk:
            return tuple(record.request for record in desk.records.all())

    def readiness(self, service: Service, key: str) -> Readiness:
        """Port `Forge`."""
        with self._desk(service) as desk:
            record = desk.need(key)
            pull = desk.pull(record)
            return desk.tries.read(lambda: self.dialect.readiness(desk.name, pull, desk.rules))

    def merge(self, service: Service, key: str, *, head: str, base: str) -> ChangeRequest:
        """Port `Forge`. The server is told the judged commit, and what it did is confirmed by git."""
        with self._desk(service) as desk:
            record = desk.need(key)
            if record.request.state is ChangeState.MERGED:
                return record.request
            if record.request.state is ChangeState.CLOSED:
                raise Settled(f"change request {key} is closed")
            if record.request.head != head:
                raise StaleBase(f"{record.request.branch} stands at {record.request.head[:12]}, not {head[:12]}")
            pull = desk.pull(record)
            if pull.state is ChangeState.MERGED:
                return desk.confirm(record, pull.merged).request
            check_still(desk, record, pull, base)
            ready = desk.tries.read(lambda: self.dialect.readiness(desk.name, pull, desk.rules))
            if ready.refused:
                raise Refused(ready.refused)
            if ready.waiting:
                raise NotYet(ready.waiting)
            return merged(desk, record, pull, base)

    def comment(self, service: Service, key: str, once: str, text: str) -> None:
        """Port `Forge`."""
        with self._desk(service) as desk:
            desk.comment(desk.need(key), once, text)

    def close(self, service: Service, key: str, reason: str) -> ChangeRequest:
        """Close an open request, with the reason as a comment; a settled one is returned as it is."""
        with self._desk(service) as desk:
            record = desk.need(key)
            if record.request.state is not ChangeState.OPEN:
                return record.request
            pull = desk.pull(record)
            if pull.state is ChangeState.MERGED:
                return desk.confirm(record, pull.merged).request
            if pull.state is ChangeState.OPEN:
                record = desk.comment(record, "closed", f"Closed: {reason}")
                desk.tries.read(lambda: self.dialect.close(desk.name, pull.number))
            return desk.settle(record, ChangeState.CLOSED, reason=neutral(reason)).request

    def revert(self, service: Service, key: str) -> str:
        """Port `Forge`; the branch is fetched first."""
        with self._desk(service) as desk:
            record = desk.need(key)
            desk.follow()
            if record.request.state is ChangeState.OPEN:
                pull = desk.pull(record)
                if pull.state is ChangeState.MERGED:
                    record = desk.confirm(record, pull.merged)
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
            tip = desk.tip_of(f"refs/heads/{record.request.branch}")  # a replayed word of a push is no push
            return tip not in ("", record.request.head) and not desk.ours(record.request.branch, tip, key)

    def probe(self, service: Service) -> Health:
        """Whether git and the API answer, the credential may do what is needed and the branch's rules can be read."""
        what = f"forge {self.name}: {service.name}"
        try:
            with self._desk(service, exclusive=False) as desk:
                tip = desk.tip()
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

    @contextmanager
    def _desk(self, service: Service, *, exclusive: bool = True) -> Iterator[Desk]:
        path, name = self.path(service), repository_of(service.repo)
        if not name:
            raise Refused(f"{redact(service.repo)} names no repository of {self.name}")
        try:
            with _held(path, self.clock, exclusive):
                repo = BareRepo.ensure(path, self.dialect.access(name, service.repo))
                tries = Patience(self.clock, self.settings.patience_s, f"{self.name} {name}")
                yield Desk(
                    service=service, name=name, repo=repo, records=Records(repo), tries=tries, dialect=self.dialect,
                    settings=self.settings, clock=self.clock,
                )  # fmt: skip
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
