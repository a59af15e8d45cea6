"""Failing pipelines, told by the forge's webhooks, as Repairnator heard of broken builds (Urli et al., ICSE 2018)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Receiver

PATHS = ("/webhooks/ci",)


class Settings(BaseModel):
    """Whose pipelines, and who may tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: SecretStr
    """The webhook's secret: GitHub, Gitea and Forgejo sign with it, GitLab sends it."""
    repositories: dict[str, str] = Field(default_factory=dict)
    """Repository (`owner/name`, as the forge spells it) to service; needed where a service's `repo` is no address of
    the forge, or several services share one."""
    branches: tuple[str, ...] = ()
    """Branches that count; none named: the service's own, `main` when the service is not configured here."""
    pipelines: tuple[str, ...] = ()
    """Names of the pipelines (workflows) that count; none named: all."""
    forks: bool = False
    """Also hear of runs for commits of other people's repositories."""


def receiver(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Receiver:
    """What is called."""
    from nightshift.monitors.ci.endpoint import Endpoint

    return Endpoint(settings, services, clock)
