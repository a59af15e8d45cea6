"""Runbooks in the daemon: the books there are, what they may touch, and a service's way to deploy by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nightshift.daemon.config import Config
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.missions.operations import StoreRecord
from nightshift.daemon.model import Event, Service, dump
from nightshift.daemon.ports import Deployer, EnvironmentBroke, Notifier
from nightshift.daemon.store.store import Store

if TYPE_CHECKING:
    from nightshift.runbooks.book import Runbook
    from nightshift.runbooks.context import Context, Mender, Repositories
    from nightshift.runbooks.results import RunResult


class Bookshelf:
    """The books a configuration knows, and a runner whose record survives the process."""

    def __init__(self, config: Config, store: Store, clock: Clock, notifiers: Sequence[Notifier]) -> None:
        self._config, self._store, self._clock, self._notifiers = config, store, clock, tuple(notifiers)

    def books(self) -> Mapping[str, Runbook]:
        """By name; read anew when a file changed, so that an edited book needs no restart."""
        from nightshift.runbooks.load import load_books

        return load_books(self._config.runbooks.dirs)

    def list(self) -> Sequence[Mapping[str, Any]]:
        """As JSON."""
        return [book.model_dump(mode="json") for _, book in sorted(self.books().items())]

    def context(self, repositories: Repositories | None = None, mender: Mender | None = None) -> Context:
        """What books may use of the world."""
        from nightshift.runbooks.context import Context

        settings = self._config.runbooks
        return Context(
            notifiers=self._notifiers, commands=settings.commands, clock=self._clock, limits=settings.limits,
            docker_url=settings.docker_url, kubeconfig=str(settings.kubeconfig or ""),
            kube_context=settings.kube_context, repositories=repositories, mender=mender, books=self.books,
        )  # fmt: skip

    def run(self, book: Runbook, params: Mapping[str, Any], key: str) -> RunResult:
        """Run to its end under a key; goes on where an earlier run of the key stopped."""
        from nightshift.runbooks.runner import Runner

        result = Runner(self.context(), StoreRecord(self._store)).run(book, params, key=key)
        event = Event(at_ms=self._clock.now_ms(), mission="", stage="runbook", actor="runbook", data=dump(result),
                      reason=f"{book.name}: {result.status} {result.reason}".strip())  # fmt: skip
        self._store.journal.append(event, key=f"{key}:{result.status}")
        return result


class RunbookDeployer:
    """Deploys by a runbook where a service names one, else by its command."""

    def __init__(self, shelf: Bookshelf, otherwise: Deployer) -> None:
        self._shelf, self._otherwise = shelf, otherwise

    def deploy(self, service: Service, commit: str, key: str) -> str:
        """See the port. The book gets `service` and `commit` if it has parameters of those names."""
        if not service.runbook:
            return self._otherwise.deploy(service, commit, key)
        book = self._shelf.books().get(service.runbook)
        if book is None:
            raise EnvironmentBroke(f"there is no runbook '{service.runbook}'")
        given = {"service": service.name, "commit": commit}
        result = self._shelf.run(book, {k: v for k, v in given.items() if k in book.parameters}, key)
        if result.status == "waiting":
            raise EnvironmentBroke(f"runbook {book.name} asks a person; one that deploys can't")
        if not result.ok:
            raise EnvironmentBroke(f"runbook {book.name}: {result.reason}")
        return f"runbook {book.name}: {result.status}"

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        """See the port. A book ships the commit that undoes it."""
        return (
            self.deploy(service, commit, key) if service.runbook else self._otherwise.undo(service, commit, key, of=of)
        )
