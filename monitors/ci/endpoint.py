"""The webhook's address: who may tell, which runs count, and what they become."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.addresses import repository_of
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import register_secret
from nightshift.daemon.model import Service, Severity, Signal
from nightshift.daemon.ports import Call, Receipt, Refused
from nightshift.monitors.ci import PATHS, github, gitlab
from nightshift.monitors.ci.run import Run

if TYPE_CHECKING:
    from nightshift.monitors.ci import Settings

BODY_LIMIT = 4 << 20


class Endpoint:
    """Port `Receiver`. What does not count is answered 200 with the reason: a forge shows it beside the delivery."""

    name = "ci"
    paths: tuple[str, ...] = PATHS
    methods: tuple[str, ...] = ("POST",)
    body_limit = BODY_LIMIT

    def __init__(self, settings: Settings, services: Mapping[str, Service], clock: Clock) -> None:
        self._settings, self._services, self._clock = settings, services, clock
        self._of = _by_address(services) | {name.lower(): one for name, one in settings.repositories.items()}
        register_secret(settings.secret.get_secret_value())

    def read(self, call: Call) -> Receipt:
        """One delivery. Raises Refused (not signed), ValueError (no JSON)."""
        event, forge = self._event(call)
        if not forge.admits(call, self._settings.secret):
            raise Refused("ci: the signature or token is wrong or missing")
        run = forge.run_of(event, _object(call.body))
        ignored = "no finished run" if run is None else self._ignored(run)
        if run is None or ignored:
            return Receipt(body={"signals": 0, "ignored": ignored})
        return Receipt(signals=[self._signal(run)], body={"signals": 1})

    def _event(self, call: Call) -> tuple[str, Any]:
        if event := call.headers.get("x-gitlab-event"):
            return event, gitlab
        if event := next((call.headers[name] for name in github.EVENTS if call.headers.get(name)), ""):
            return event, github
        raise ValueError("no header says which event this is; GitHub, GitLab, Gitea and Forgejo are understood")

    def _ignored(self, run: Run) -> str:
        """Why a run does not count; '' when it does."""
        service = self._of.get(run.repository.lower())
        if service is None:
            return "no one service has this repository; name it in monitors.ci.repositories"
        if run.source.lower() != run.repository.lower() and not self._settings.forks:
            return "the commit is from a fork"
        own = self._services[service].branch if service in self._services else "main"
        if run.branch not in (self._settings.branches or (own,)):
            return f"branch {run.branch} does not count"
        if self._settings.pipelines and run.pipeline not in self._settings.pipelines:
            return f"pipeline {run.pipeline} does not count"
        return "" if run.failed is not None else "neither failed nor passed"

    def _signal(self, run: Run) -> Signal:
        state = "failed" if run.failed else "passed"
        told = f": {run.summary}" if run.summary else ""
        labels = {"repository": run.repository, "pipeline": run.pipeline, "branch": run.branch, "run_url": run.url,
                  "commit_link": run.commit_link}  # fmt: skip
        return Signal(
            key=f"ci:{run.repository}:{run.pipeline}:{run.id}:{state}", source=f"ci:{run.repository}",
            service=self._of[run.repository.lower()], title=f"{run.pipeline} fails on {run.branch}",
            at_ms=min(self._clock.now_ms(), _ms(run.ended_at, self._clock.now_ms())), kind="ci",
            severity=Severity.ERROR, message=f"{run.pipeline} {state} at {run.commit[:12]}{told}",
            labels={name: value for name, value in labels.items() if value}, resolved=not run.failed,
        )  # fmt: skip


def _by_address(services: Mapping[str, Service]) -> dict[str, str]:
    """Repository to service, where a service's address names it and no other service has the same."""
    named = [(repository_of(service.repo).lower(), name) for name, service in services.items()]
    counts = Counter(repository for repository, _ in named)
    return {repository: name for repository, name in named if repository and counts[repository] == 1}


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON; set the webhook's content type to application/json") from None
    if not isinstance(found, dict):
        raise ValueError("the body is no object")
    return found


def _ms(stamp: str, otherwise: int) -> int:
    try:
        moment = datetime.fromisoformat(stamp)
        return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))
    except (ValueError, OverflowError):
        return otherwise
