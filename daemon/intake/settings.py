"""What a user may say about incidents: how long stragglers are swallowed, what is not worth a mission."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nightshift.daemon.model import Severity


class Silence(BaseModel):
    """Signals nobody wants an incident of, by all that is given: service, fingerprint, pattern, until when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str = ""
    """Only this service; empty means any."""
    fingerprint: str = ""
    """Only this fingerprint (`nightshift show` prints it)."""
    regex: str = ""
    """Only signals whose title or message the pattern is found in."""
    until: datetime | None = None
    """When the silence ends; local time without a zone; never, when left out."""
    reason: str = ""
    """Why; shown to people."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as wrong:
            raise ValueError(f"not a regular expression: {wrong}") from None
        return value


class Settings(BaseModel):
    """From signals to incidents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cool_down_s: float = Field(default=300.0, ge=0)
    """How long after the end of an incident its stragglers are counted in it instead of opening a new one."""
    min_severity: Severity = Severity.WARNING
    """What is less bad is silenced: exceptions a service logs as debug or info are handled ones."""
    min_count: int = Field(default=1, ge=1)
    """How often something must be seen before a mission starts."""
    min_counts: Mapping[str, int] = Field(default_factory=dict)
    """The same by service, where it differs."""
    silences: tuple[Silence, ...] = ()
    """What is never made an incident of."""
