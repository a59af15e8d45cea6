"""Checks from outside: does it answer, in time, with what it should?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service, Severity
from nightshift.daemon.ports import Monitor


class _Check(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(min_length=1, max_length=100)
    """What people read; names must differ."""
    service: str = Field(min_length=1)
    """The service it is about."""
    interval_s: float = Field(default=30.0, gt=0)
    """Seconds between tries."""
    timeout_s: float = Field(default=10.0, gt=0)
    """Seconds one try may take."""
    failures: int = Field(default=3, ge=1)
    """Failures in a row before it is said."""
    successes: int = Field(default=2, ge=1)
    """Successes in a row before it is over."""
    slow_ms: float | None = Field(default=None, gt=0)
    """A try that takes longer has failed."""
    slow_of: int = Field(default=1, ge=1, le=100)
    """Not one try but the median of so many is compared with `slow_ms`."""
    severity: Severity = Severity.ERROR
    """Severity of the signal."""


class HttpCheck(_Check):
    """A page."""

    kind: Literal["http"]
    """`http`."""
    url: str = Field(pattern=r"^https?://.+")
    """What is asked for."""
    method: Literal["GET", "HEAD", "POST"] = "GET"
    """How."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Headers that are sent; values may be `env:NAME`."""
    status: tuple[int, ...] = ()
    """Status codes that are right; none named: 200 to 399. Redirects are not followed."""
    contains: str = ""
    """Text the first 64 KiB of the body must hold."""
    matches: str = ""
    """Regular expression that must be found in the first 64 KiB of the body."""
    ca_file: Path | None = None
    """Certificates to verify the server with instead of the usual ones; verification is never off."""
    certificate_days: float = Field(default=0.0, ge=0)
    """For how many days the certificate must still be valid; 0: it only has to be valid."""

    @field_validator("matches")
    @classmethod
    def _compiles(cls, matches: str) -> str:
        try:
            re.compile(matches)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return matches


class TcpCheck(_Check):
    """A port."""

    kind: Literal["tcp"]
    """`tcp`."""
    host: str = Field(min_length=1)
    """Name or address."""
    port: int = Field(ge=1, le=65535)
    """Its port."""


class CommandCheck(_Check):
    """A program; 0 is success."""

    kind: Literal["command"]
    """`command`."""
    argv: list[str] = Field(min_length=1)
    """The program and its arguments; no shell is involved."""


AnyCheck = HttpCheck | TcpCheck | CommandCheck
Check = Annotated[AnyCheck, Field(discriminator="kind")]


class Settings(BaseModel):
    """What is tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checks: tuple[Check, ...] = Field(min_length=1)
    """The checks."""
    at_once: int = Field(default=16, ge=1, le=256)
    """How many may be under way at the same time."""

    @field_validator("checks")
    @classmethod
    def _names_differ(cls, checks: tuple[Check, ...]) -> tuple[Check, ...]:
        names = [check.name for check in checks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two checks are called {twice[0]!r}")
        return checks


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:  # noqa: ARG001
    """The monitor; checks name their service themselves, so none needs to be known here."""
    from nightshift.monitors.probes.monitor import ProbeMonitor

    return ProbeMonitor(settings, clock)
