"""A forge for tests: objects in a throw-away repository, requests and branch tips in memory.

It passes the contract suite of the real ones, and can be told to fail: tests of missions start here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nightshift.daemon.forges.changes import commit_of, landing, merge_result, undoing
from nightshift.daemon.forges.records import safe_name
from nightshift.daemon.forges.wording import neutral_body, neutral_title, request_body
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.model import ChangeDraft, ChangeRequest, ChangeState, Health, Readiness, Service
from nightshift.daemon.ports import EnvironmentBroke, Refused, Settled, StaleBase


class FakeForge:
    """Port `Forge` in memory. `breaks` counts down the verbs that raise `EnvironmentBroke`; `calls` lists verbs."""

    name = "fake"

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.breaks = 0
        self.calls: list[str] = []
        self._tips: dict[str, str] = {}
        self._requests: dict[tuple[str, str], ChangeRequest] = {}
        self._comments: dict[tuple[str, str, str], str] = {}
        self._lock = threading.RLock()

    def path(self, service: Service) -> Path:
        """Where the throw-away repository lies."""
        return self.root / f"{safe_name(service.name)}.git"

    def sync(self, service: Service) -> str:
        """Fetch the service's branch; the fake follows it forwards and keeps its own merges."""
        with self._called("sync"):
            repo = self._repo(service)
            self._fetch(repo, service)
            theirs, ours = repo.resolve("refs/upstream/tip"), self._tips.get(service.name, "")
            if not ours or repo.is_ancestor(ours, theirs):
                self._tips[service.name] = theirs
            elif not repo.is_ancestor(theirs, ours):
                raise Refused(f"{service.branch} moved on both sides: pull the merged fixes first")
            return repo.path

    def head(self, service: Service) -> str:
        """The branch's tip; Refused before the first sync."""
        with self._called("head"):
            if service.name not in self._tips:
                raise Refused(f"{service.name} was never synced")
            return self._tips[service.name]

    def propose(self, service: Service, draft: ChangeDraft) -> ChangeRequest:
        """Get or create."""
        with self._called("propose"):
            found = self._requests.get((service.name, draft.key))
            if found and found.state is ChangeState.OPEN and draft.round > found.round:
                self.comment(service, draft.key, f"round-{draft.round}", f"Round {draft.round + 1}")
                return self._keep(service, replace(self._request(service, draft), number=found.number))
            return found or self._keep(service, self._first(service, draft))

    def find(self, service: Service, key: str) -> ChangeRequest | None:
        """The request of a key."""
        with self._called("find"):
            return self._requests.get((service.name, key))

    def list(self, service: Service) -> tuple[ChangeRequest, ...]:
        """Every request of a service, by number."""
        with self._called("list"):
            return self._of(service)

    def merge(self, service: Service, key: str, *, head: str, base: str) -> ChangeRequest:
        """Merge when nothing moved."""
        with self._called("merge"):
            request, tip = self._need(service, key), self._tips[service.name]
            if request.state is ChangeState.MERGED:
                return request
            if request.state is ChangeState.CLOSED:
                raise Settled(f"change request {key} is closed")
            if request.head != head or tip != base:
                raise StaleBase(f"{request.target} stands at {tip[:12]}, the verdict was on {base[:12]}")
            merged = merge_result(self._repo(service), request, base)
            self._tips[service.name] = merged
            return self._keep(service, replace(request, state=ChangeState.MERGED, merged=merged, landed_on=base))

    def readiness(self, service: Service, key: str) -> Readiness:
        """Always ready."""
        with self._called("readiness"):
            self._need(service, key)
            return Readiness()

    def comment(self, service: Service, key: str, once: str, text: str) -> None:
        """Once."""
        with self._called("comment"):
            self._need(service, key)
            self._comments.setdefault((service.name, key, once), neutral_body(text))

    def comments(self, service: Service, key: str) -> tuple[str, ...]:
        """What was said."""
        return tuple(text for (name, of, _), text in self._comments.items() if (name, of) == (service.name, key))

    def may_steer(self, service: Service, person: str) -> bool:
        """Nobody may."""
        return False

    def close(self, service: Service, key: str, reason: str) -> ChangeRequest:
        """Close when open."""
        with self._called(f"close: {reason}"):
            request = self._need(service, key)
            if request.state is not ChangeState.OPEN:
                return request
            return self._keep(service, replace(request, state=ChangeState.CLOSED))

    def revert(self, service: Service, key: str) -> str:
        """The diff that undoes a merged request."""
        with self._called("revert"):
            request, repo = self._need(service, key), self._repo(service)
            if not request.merged or not landing(repo, self._tips[service.name], request.head):
                raise Refused(f"change request {key} is {request.state.value}: there is nothing to undo")
            return undoing(repo, self._tips[service.name], request.merged)

    def pushed_by_people(self, service: Service, key: str, commit: str) -> bool:
        """Never."""
        return False

    def probe(self, service: Service) -> Health:
        """Whether the service's repository has its branch."""
        what = f"forge {self.name}: {service.name}"
        try:
            tip = self._repo(service).remote_tip(service.repo, f"refs/heads/{service.branch}")
        except GitError as error:
            return Health(ok=False, what=what, detail=str(error), fix="check the service's `repo`")
        fix = "" if tip else f"set `branch`, or commit to {service.branch}"
        return Health(ok=bool(tip), what=what, detail=f"{service.branch} at {tip[:12] or 'nothing'}", fix=fix)

    @contextmanager
    def _called(self, verb: str) -> Iterator[None]:
        with self._lock:
            self.calls.append(verb)
            if self.breaks > 0:
                self.breaks -= 1
                raise EnvironmentBroke(f"told to fail at {verb}")
            yield

    def _repo(self, service: Service) -> BareRepo:
        return BareRepo.ensure(self.root / f"{safe_name(service.name)}.git")

    def _fetch(self, repo: BareRepo, service: Service) -> None:
        try:
            repo.fetch(service.repo, [f"+refs/heads/{service.branch}:refs/upstream/tip"])
        except GitError as error:
            broke = EnvironmentBroke if "remote ref" not in str(error) else Refused
            raise broke(f"{service.repo} has no branch {service.branch!r}: {error}") from error

    def _first(self, service: Service, draft: ChangeDraft) -> ChangeRequest:
        made = self._request(service, draft)
        for key in draft.supersedes:
            old = self._requests.get((service.name, key))
            if old and old.state is ChangeState.OPEN:
                self._keep(service, replace(old, state=ChangeState.CLOSED))
        return made

    def _request(self, service: Service, draft: ChangeDraft) -> ChangeRequest:
        head = commit_of(self._repo(service), draft)
        return ChangeRequest(
            key=draft.key, number=len(self._of(service)) + 1, branch=f"nightshift/{safe_name(draft.key)}",
            target=service.branch, base=draft.base, head=head, title=neutral_title(draft.title),
            body=request_body(draft, head), state=ChangeState.OPEN, url=f"fake:{draft.key}", round=draft.round,
        )  # fmt: skip

    def _of(self, service: Service) -> tuple[ChangeRequest, ...]:
        return tuple(request for (name, _), request in self._requests.items() if name == service.name)

    def _need(self, service: Service, key: str) -> ChangeRequest:
        if (service.name, key) not in self._requests:
            raise Refused(f"there is no change request {key!r}")
        return self._requests[service.name, key]

    def _keep(self, service: Service, request: ChangeRequest) -> ChangeRequest:
        self._requests[service.name, request.key] = request
        return request
