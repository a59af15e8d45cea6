"""What the HTTP surface needs of the daemon. The app implements it; tests use the one in `testing.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from pydantic import SecretStr

    from nightshift.daemon.config.settings import SlackSettings
    from nightshift.daemon.model import ForgeEvent, Health, Signal
    from nightshift.daemon.ports import Receiver
    from nightshift.daemon.store.store import Store


class Api(Protocol):
    """The daemon as HTTP sees it. All calls may come from several threads and may block."""

    @property
    def store(self) -> Store:
        """What is read for lists and pages."""
        ...

    @property
    def token(self) -> SecretStr | None:
        """The bearer token of everything that changes something; None: nothing may."""
        ...

    @property
    def registry(self) -> CollectorRegistry:
        """What /metrics shows; `metrics.registry_for(store)` makes one."""
        ...

    def health(self) -> Sequence[Health]:
        """Whether the daemon can do its work; any row that is not ok makes /readyz answer 503."""
        ...

    def signal_mission(self, mission: str, verb: str, actor: str, reason: str) -> None:
        """approve | reject | pause | resume. `mission` is a full id that exists in the store. Raises KeyError (there
        is no such run), Refused (not now; the message says why)."""
        ...

    def runbooks(self) -> Sequence[Mapping[str, Any]]:
        """Every runbook as plain JSON: name, title, parameters."""
        ...

    def run_runbook(
        self, name: str, params: Mapping[str, Any], dry_run: bool, actor: str, *, key: str = "", force: bool = False
    ) -> str:
        """Start a run in the background; returns its id, which is its mission's. The same actor and `key` start one
        run. `force` goes over its cool-down. Raises KeyError (no such book), BookError or ValueError (parameters),
        Refused."""
        ...

    def runbook_run(self, run: str) -> Mapping[str, Any] | None:
        """A run as plain JSON, with its status and steps so far; None when there is no such run."""
        ...

    def runbook_runs(self, book: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """The newest runs as plain JSON, of one book or ('') of all."""
        ...

    @property
    def slack(self) -> SlackSettings | None:
        """Who may speak from Slack; None: nobody."""
        ...

    def explain(self, name: str) -> Mapping[str, Any] | None:
        """What policy says of a mission now, rule by rule, as plain JSON; None when there is no such mission."""
        ...

    def stop(self, actor: str, reason: str) -> None:
        """Stop every effect; durable on return."""
        ...

    def go(self, actor: str, reason: str) -> None:
        """Let effects happen again."""
        ...

    def stopped(self) -> str:
        """Why there may be no effect now; '' when there may."""
        ...

    @property
    def receivers(self) -> Mapping[str, Receiver]:
        """Sources that may call, by name."""
        ...

    @property
    def closed(self) -> Mapping[str, str]:
        """Path → name, of receivers that are off."""
        ...

    def hear(self, events: Sequence[ForgeEvent]) -> None:
        """Act on what people did on a forge. Raises EnvironmentBroke, having taken nothing."""
        ...

    def take(self, signals: Sequence[Signal]) -> None:
        """Store what callers sent; durable on return. Raises as the store does, having done nothing."""
        ...
