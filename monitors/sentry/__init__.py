"""What Sentry's SDKs report: applications that have one only need another DSN. Frames come with their variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Receiver

_KEY = re.compile(r"[0-9A-Za-z_-]{8,200}|https://\w+\.invalid/")
"""What fits into an address; commands that only read take secrets unread, as an address in `.invalid`."""
PATHS = ("/api/{project}/envelope/", "/api/{project}/store/")


class Project(BaseModel):
    """One application that reports."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")
    """The last part of its DSN."""
    service: str = Field(min_length=1)
    """The service its events are about."""
    key: SecretStr
    """The user part of its DSN: `http://KEY@nightshift:8700/ID`."""

    @field_validator("key")
    @classmethod
    def _fits_a_dsn(cls, key: SecretStr) -> SecretStr:
        if not _KEY.fullmatch(key.get_secret_value()):
            raise ValueError("needs 8 to 200 letters, digits, - or _: it stands in an address, before the @")
        return key


class Settings(BaseModel):
    """Which applications may report, and how much."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    projects: tuple[Project, ...] = Field(min_length=1)
    """The applications; ids must differ."""
    events_per_minute: int = Field(default=6000, gt=0)
    """Events taken of one project in a minute; an SDK that sends more is told to wait and drops events itself."""
    browser_origins: tuple[str, ...] = ()
    """Origins whose pages may report from browsers (`https://shop.example`, or `*`)."""

    @field_validator("projects")
    @classmethod
    def _ids_differ(cls, projects: tuple[Project, ...]) -> tuple[Project, ...]:
        ids = [project.id for project in projects]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if twice:
            raise ValueError(f"two projects have the id {twice[0]!r}")
        return projects


def receiver(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Receiver:  # noqa: ARG001
    """What is called."""
    from nightshift.monitors.sentry.endpoint import Endpoint

    return Endpoint(settings, clock)
