"""What actions may use of the world: handed in by whoever runs a book, so that a book can reach nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.ports import Notifier

from .limits import Limits

Answer = Mapping[str, str]
"""What a person said to a question: verb (approve | reject), actor, reason."""


class Repositories(Protocol):
    """The services' repositories, as `git.revert` needs them."""

    def revert(self, service: str, commit: str, *, key: str, merge: bool) -> Mapping[str, str]:
        """Propose (and with `merge`, which a person asked for, if policy allows it, merge) the undoing of a commit,
        once under `key`. Returns url, branch, head and merged ('' while it waits). Raises Refused, EnvironmentBroke."""
        ...

    def take_back(self, service: str, *, key: str) -> str:
        """Close what was proposed under `key`; raises Refused when it has been merged."""
        ...


class Mender(Protocol):
    """The fixers under the gates of missions, as the `fixer` action needs them."""

    def mend(self, run: str, *, service: str, fixer: str, key: str) -> Mapping[str, str]:
        """Let one fixer draft a patch for what the run's incident shows, have it judged, propose it, once under
        `key`. Returns outcome (proposed | none) and url, reason. Raises Refused, EnvironmentBroke."""
        ...


class Nested(Protocol):
    """Runs another book on behalf of a step; the runner gives it."""

    def run(self, book: str, params: Mapping[str, Any], key: str) -> str:
        """Run it to its end under `key`; returns its status. Raises ActionFailed, Refused, Waiting."""
        ...

    def undo(self, book: str, params: Mapping[str, Any], key: str) -> str:
        """Roll back what was run under `key`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Context:
    """`commands` are the argument lists the `command` action may run, word for word; none by default.

    `docker_url` '' means what the environment says; `kubeconfig` '' means in-cluster credentials if there are any,
    else the default file; `kube_context` '' means the file's current one. `forbidden` is asked before every effect
    and says why there may be none now ('' = go on). `person` started or approved the run ('' = nobody did). `books`
    gives a book by name for `runbook` steps. The last three fields are the runner's.
    """

    notifiers: tuple[Notifier, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    docker_url: str = ""
    kubeconfig: str = ""
    kube_context: str = ""
    clock: Clock = field(default_factory=SystemClock)
    limits: Limits = field(default_factory=Limits)
    repositories: Repositories | None = None
    mender: Mender | None = None
    forbidden: Callable[[], str] = lambda: ""
    person: str = ""
    books: Callable[[], Mapping[str, Any]] = dict
    answers: Callable[[str], Answer | None] = lambda _: None
    nested: Nested | None = None
    path: tuple[str, ...] = ()
