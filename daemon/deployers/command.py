"""Shipping through the operator's own command. A killed daemon never ships twice what it knows was shipped.

The command comes from the configuration and is trusted, but it must be idempotent for one commit: when the
daemon is killed while it runs, nobody can tell how far it got, so it is run again, with
``NIGHTSHIFT_ATTEMPT`` counting.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nightshift.daemon.deployers.nobody import Nobody
from nightshift.daemon.deployers.shipments import Shipments
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.kit.run import Completed, run_logged
from nightshift.daemon.model import Service
from nightshift.daemon.ports import EnvironmentBroke

_TAIL_CHARS = 4000
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """What is known of one deploy. `state` is started | done | failed; `pid` and `born` name a running command."""

    key: str
    service: str
    commit: str
    state: str
    attempt: int
    at_ms: int
    output: str = ""
    pid: int = 0
    born: str = ""


class CommandDeployer:
    """Port `Deployer` that runs `service.deploy`, one at a time per service, recorded under `state_dir`.

    The command sees NIGHTSHIFT_SERVICE, NIGHTSHIFT_COMMIT, NIGHTSHIFT_REPO (the forge's repository of the
    service, from `repo_of`), NIGHTSHIFT_KEY and NIGHTSHIFT_ATTEMPT, and the daemon's own environment.
    Servers that it starts in the background outlive it.
    """

    def __init__(self, state_dir: Path, clock: Clock, repo_of: Callable[[Service], str] = lambda _: "") -> None:
        self.state_dir, self.clock, self.repo_of = Path(state_dir), clock, repo_of
        self._shipments = Shipments(self.state_dir)

    def deploy(self, service: Service, commit: str, key: str) -> str:
        """Ship a commit; returns the end of the command's output, redacted. Done once, it returns that record.

        Raises EnvironmentBroke with the output's end when the command fails, hangs or isn't there.
        """
        if not service.deploy:
            return Nobody().deploy(service, commit, key)
        with self._shipments.alone(service):
            before = self.shipment(key)
            if before and before.state == "done" and before.commit == commit:
                return before.output
            if before:
                self._outlive(before, service.deploy_timeout_s)
            return self._ship(service, Shipment(
                key=key, service=service.name, commit=commit, state="started",
                attempt=before.attempt + 1 if before else 1, at_ms=self.clock.now_ms()))  # fmt: skip

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        """Ship the commit that undoes it: a command keeps nothing to go back to."""
        del of
        return self.deploy(service, commit, key)

    def shipment(self, key: str) -> Shipment | None:
        """What is recorded under a key."""
        found = self._shipments.find(key)
        return Shipment(**found) if found else None

    def _ship(self, service: Service, shipment: Shipment) -> str:
        self._record(shipment)
        try:
            done = self._run(service, shipment)
        except OSError as error:
            self._end(shipment, "failed", str(error))
            raise EnvironmentBroke(f"the deploy command can't be run: {error}") from error
        output = redact(done.text())[-_TAIL_CHARS:].strip()
        self._end(shipment, "done" if done.ok else "failed", output)
        if not done.ok:
            how = f"exited with {done.code}" if done.ended == "exited" else f"was stopped ({done.ended})"
            raise EnvironmentBroke(f"the deploy command {how} after {done.duration_s:.1f} s: {output or 'no output'}")
        return output

    def _run(self, service: Service, shipment: Shipment) -> Completed:
        env = {
            **os.environ, "NIGHTSHIFT_SERVICE": service.name, "NIGHTSHIFT_COMMIT": shipment.commit,
            "NIGHTSHIFT_REPO": self.repo_of(service), "NIGHTSHIFT_KEY": shipment.key,
            "NIGHTSHIFT_ATTEMPT": str(shipment.attempt),
        }  # fmt: skip
        return run_logged(
            service.deploy, timeout_s=service.deploy_timeout_s, env=env,
            log=str(self._shipments.file(shipment.key, "log")),
            started=lambda pid: self._record(replace(shipment, pid=pid, born=_born(pid))),
        )  # fmt: skip

    def _outlive(self, before: Shipment, timeout_s: float) -> None:
        """Wait for the command of a killed daemon, which may still run, so that two never run at once."""
        deadline = self.clock.monotonic() + timeout_s
        while before.born and _born(before.pid) == before.born:
            if self.clock.monotonic() >= deadline:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(before.pid, signal.SIGKILL)
                return
            self.clock.sleep(_POLL_S)

    def _end(self, shipment: Shipment, state: str, output: str) -> None:
        self._record(replace(shipment, state=state, output=output, at_ms=self.clock.now_ms()))

    def _record(self, shipment: Shipment) -> None:
        self._shipments.put(shipment.key, asdict(shipment))


def _born(pid: int) -> str:
    """When a process started, in the kernel's ticks: with the id it names one process. '' when it isn't there."""
    with suppress(OSError, IndexError):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if after_name[0] == "Z" else after_name[19]
    return ""
