"""The repository people push to, as seen from the forge's own: following it, and publishing to it.

Three refs per branch: `refs/heads/B` is the forge's branch, `refs/upstream/B` what upstream showed last,
`refs/nightshift/followed/B` where the forge's branch last stood equal to upstream. A forge branch that still
stands where it followed has nothing of its own to lose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nightshift.daemon.kit.git import ZERO, BareRepo, GitError, local_path
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Service
from nightshift.daemon.ports import EnvironmentBroke, Refused, StaleBase


def is_bare(source: str) -> bool:
    """Whether a source is a bare repository on this machine, one that nobody has files checked out from."""
    path = local_path(source)
    if path is None or (path / ".git").exists():
        return False
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """One service's upstream, beside the forge's repository."""

    repo: BareRepo
    service: Service

    @property
    def branch(self) -> str:
        return f"refs/heads/{self.service.branch}"

    @property
    def seen(self) -> str:
        return f"refs/upstream/{self.service.branch}"

    @property
    def followed(self) -> str:
        return f"refs/nightshift/followed/{self.service.branch}"

    def tip(self) -> str:
        """Where the forge's branch stands; '' before the first sync."""
        return self.repo.resolve(self.branch)

    def fetch(self) -> str:
        """Look upstream and return its tip. Refused: it has no such branch; EnvironmentBroke: it can't be read."""
        name, branch = redact(self.service.repo), self.service.branch
        try:
            self.repo.fetch(self.service.repo, [f"+{self.branch}:{self.seen}"])
        except GitError as error:
            why = redact(str(error))
            if "couldn't find remote ref" in why:
                raise Refused(f"{name} has no branch {branch!r}: commit to it or set the service's `branch`") from error
            raise EnvironmentBroke(f"{name} can't be fetched: {why}") from error
        return self.repo.resolve(self.seen)

    def follow(self, droppable: Callable[[str], bool]) -> None:
        """Move the forge's branch with upstream. Commits of its own are kept; `droppable` says of a commit whether
        it is a merge nobody was told of, which gives way. Raises Refused when both sides have moved.
        """
        theirs, ours = self.fetch(), self.tip()
        if ours and ours != theirs and self.repo.is_ancestor(theirs, ours):
            return
        if ours and ours != theirs and not self.repo.is_ancestor(ours, theirs):
            mine = [] if ours == self.repo.resolve(self.followed) else self._own_commits(theirs, ours)
            if not all(droppable(commit) for commit in mine):
                raise Refused(self._parted(ours, theirs))
        if ours != theirs and not self.repo.swap(self.branch, theirs, ours or ZERO):
            raise StaleBase(f"{self.service.branch} moved while it was brought up to date")
        self._mark_followed(theirs)

    def publish(self, commit: str) -> None:
        """Move upstream's branch to `commit`, forwards only; doing it twice does it once.

        Raises StaleBase when upstream has moved, Refused when it will not take the push, else EnvironmentBroke.
        """
        before = self._look()
        if self._holds(before, commit):
            return
        if before and not self.repo.is_ancestor(before, commit):
            raise StaleBase(f"upstream {self.service.branch} moved to {before[:12]}")
        done = self.repo.push(self.service.repo, commit, self.branch, expect=before)
        if not done.ok:
            why = redact(done.stderr.decode("utf-8", "replace")).strip()
            after = self._look()
            if not self._holds(after, commit):
                self._explain(before, after, why)
        self.repo.swap(self.seen, commit, before or ZERO)
        self._mark_followed(commit)

    def _explain(self, before: str, after: str, why: str) -> None:
        if before != after:
            raise StaleBase(f"upstream {self.service.branch} moved to {after[:12]} during the push")
        if "[remote rejected]" in why or "pre-receive" in why:
            raise Refused(f"{redact(self.service.repo)} does not take the push: {why}")
        raise EnvironmentBroke(f"the push to {redact(self.service.repo)} failed: {why}")

    def _look(self) -> str:
        try:
            return self.repo.remote_tip(self.service.repo, self.branch)
        except GitError as error:
            raise EnvironmentBroke(f"{redact(self.service.repo)} can't be read: {redact(str(error))}") from error

    def _holds(self, tip: str, commit: str) -> bool:
        if tip and tip != commit and not self.repo.resolve(tip):
            self.fetch()
        return bool(tip) and self.repo.is_ancestor(commit, tip)

    def _own_commits(self, theirs: str, ours: str) -> list[str]:
        return self.repo.out("rev-list", "--first-parent", ours, f"^{theirs}").decode().split()

    def _mark_followed(self, commit: str) -> None:
        self.repo.run("update-ref", "--no-deref", self.followed, commit)

    def _parted(self, ours: str, theirs: str) -> str:
        branch = self.service.branch
        return (
            f"{branch} has merged fixes ({ours[:12]}) that {redact(self.service.repo)} lacks, and it has moved on to "
            f"{theirs[:12]}: run `git pull --no-rebase {self.repo.path} {branch}` there; new missions then work again"
        )
