"""What actions may use of the world: handed in by whoever runs a book, so that a book can reach nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.ports import Notifier


@dataclass(frozen=True, kw_only=True)
class Context:
    """`commands` are the argument lists the `command` action may run, word for word; none by default.

    `docker_url` '' means what the environment says; `kubeconfig` '' means in-cluster credentials if there are any,
    else the default file; `kube_context` '' means the file's current one.
    """

    notifiers: tuple[Notifier, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    docker_url: str = ""
    kubeconfig: str = ""
    kube_context: str = ""
    clock: Clock = field(default_factory=SystemClock)
