"""Runbooks in the daemon: started by people over HTTP or the command line, and as a service's way to deploy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nightshift.daemon.config import Config
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import random_id
from nightshift.daemon.model import Event, Service, dump
from nightshift.daemon.ports import Deployer, EnvironmentBroke, Notifier, Refused
from nightshift.daemon.store.store import Store

if TYPE_CHECKING:
    from nightshift.runbooks.book import Runbook
    from nightshift.runbooks.runner import Runner, RunResult

log = logging.getLogger(__name__)


class Bookshelf:
    """The books a configuration knows, and a runner whose record survives the process."""

    def __init__(self, config: Config, store: Store, clock: Clock, notifiers: Sequence[Notifier]) -> None:
        self._config, self._store, self._clock, self._notifiers = config, store, clock, tuple(notifiers)
        self._runs: dict[str, dict[str, Any]] = {}

    def books(self) -> Mapping[str, Runbook]:
        """By name; read anew each time, so that an edited book needs no restart."""
        from nightshift.runbooks.load import load_books

        return load_books(self._config.runbooks.dirs)

    def list(self) -> Sequence[Mapping[str, Any]]:
        """As JSON."""
        return [book.model_dump(mode="json") for _, book in sorted(self.books().items())]

    def start(self, name: str, params: Mapping[str, Any], dry_run: bool, actor: str) -> str:
        """Run in the background; returns the run's id. Raises KeyError, ValueError."""
        from nightshift.runbooks.parameters import bind

        book = self.books()[name]
        bind(book, params)
        key = random_id("run")
        self._runs[key] = {
            "id": key,
            "book": name,
            "status": "running",
            "steps": [],
            "actor": actor,
            "dry_run": dry_run,
        }
        work = threading.Thread(target=self._run, args=(book, dict(params), key, dry_run), name=key, daemon=True)
        work.start()
        return key

    def state(self, key: str) -> Mapping[str, Any] | None:
        """A run of this process as JSON."""
        return self._runs.get(key)

    def run(self, book: Runbook, params: Mapping[str, Any], key: str, dry_run: bool = False) -> RunResult:
        """Run in the foreground under a key; goes on where an earlier run of the key stopped."""
        result = self._runner().run(book, params, key=key, dry_run=dry_run, on_step=lambda step: self._step(key, step))
        event = Event(at_ms=self._clock.now_ms(), mission="", stage="runbook", actor="runbook", data=dump(result),
                      reason=f"{book.name}: {result.status} {result.reason}".strip())  # fmt: skip
        self._store.journal.append(event, key=f"{key}:{result.status}")
        return result

    def _runner(self) -> Runner:
        from nightshift.runbooks.context import Context
        from nightshift.runbooks.records import FileRecord
        from nightshift.runbooks.runner import Runner

        settings = self._config.runbooks
        context = Context(notifiers=self._notifiers, commands=settings.commands, clock=self._clock)
        return Runner(context, FileRecord(self._config.state_dir / "runs"))

    def _run(self, book: Runbook, params: Mapping[str, Any], key: str, dry_run: bool) -> None:
        try:
            self._runs[key].update(dump(self.run(book, params, key, dry_run)))
        except (EnvironmentBroke, Refused) as error:
            self._runs[key].update(status="failed", reason=str(error))
        except Exception as error:  # a thread's edge: the run must not look as if it went on for ever
            log.exception("runbook %s broke", book.name)
            self._runs[key].update(status="failed", reason=f"internal error: {error}")

    def _step(self, key: str, step: object) -> None:
        if key in self._runs:
            self._runs[key]["steps"].append(dump(step))


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
        if not result.ok:
            raise EnvironmentBroke(f"runbook {book.name}: {result.reason}")
        return f"runbook {book.name}: {result.status}"
