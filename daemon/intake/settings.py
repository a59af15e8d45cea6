"""What a user may say about incidents: what is worth one, what belongs together, what is known, when to be still."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nightshift.daemon.model import Severity


class Match(BaseModel):
    """Which signals are meant: those that fit all that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str = ""
    """Only this service; empty means any."""
    source: str = ""
    """Only signals of this monitor, for example `prometheus` or `logs`."""
    severity: tuple[Severity, ...] = ()
    """Only these severities."""
    fingerprint: str = ""
    """Only this fingerprint (`nightshift show` prints it)."""
    regex: str = ""
    """Only signals whose title or message the pattern is found in."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Only signals whose labels match these patterns as a whole, for example `{cluster: "eu-.*"}`."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return _pattern(value)

    @field_validator("labels")
    @classmethod
    def _all_compile(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return {name: _pattern(pattern) for name, pattern in value.items()}


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as wrong:
        raise ValueError(f"not a regular expression: {wrong}") from None
    return value


class Silence(Match):
    """Signals nobody wants an incident of, by all that is given, from when until when."""

    since: datetime | None = None
    """When the silence begins; local time without a zone; at once, when left out."""
    until: datetime | None = None
    """When the silence ends; local time without a zone; never, when left out."""
    reason: str = ""
    """Why; shown to people."""


class Maintenance(Match):
    """A window that comes again: signals in it make no incidents."""

    cron: str
    """When it begins: minute, hour, day of month, month, day of week."""
    duration_s: float = Field(gt=0, le=7 * 86_400)
    """How long it lasts, in seconds."""
    timezone: str = "UTC"
    """The zone of `cron`, for example `Europe/Berlin`."""
    reason: str = ""
    """Why; shown to people."""

    @model_validator(mode="after")
    def _reads(self) -> Maintenance:
        from zoneinfo import ZoneInfo

        from apscheduler.triggers.cron import CronTrigger

        try:
            CronTrigger.from_crontab(self.cron, timezone=ZoneInfo(self.timezone))
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise ValueError(f"cron '{self.cron}' in '{self.timezone}' can't be read: {error}") from None
        return self


class Known(Match):
    """An error people know of: it is counted, shown, and gets no mission."""

    reason: str = Field(min_length=1)
    """Why it is left alone."""
    ticket: str = ""
    """Where it is tracked."""

    @model_validator(mode="after")
    def _names_something(self) -> Known:
        if not (self.fingerprint or self.regex or self.labels):
            raise ValueError("give a fingerprint, a regex or labels: a whole service can't be a known error")
        return self


class SeverityRule(Match):
    """How bad something is, when people know better than its source."""

    floor: Severity = Severity.INFO
    """It is at least so bad."""
    override: Severity | None = None
    """It is exactly so bad, whatever its source says."""


class Settings(BaseModel):
    """From signals to incidents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cool_down_s: float = Field(default=300.0, ge=0)
    """How long after the end of an incident its stragglers are counted in it instead of opening a new one. Longer than
    alerts take to decay."""
    min_severity: Severity = Severity.WARNING
    """What is less bad is silenced: exceptions a service logs as debug or info are handled ones."""
    severities: tuple[SeverityRule, ...] = ()
    """Corrections of severities; all that fit are applied in order."""
    min_count: int = Field(default=1, ge=1)
    """How often something must be seen before a mission starts."""
    min_counts: Mapping[str, int] = Field(default_factory=dict)
    """The same by service, where it differs."""
    min_count_window_s: float = Field(default=0.0, ge=0)
    """Within how many seconds it must be seen so often; 0: ever."""
    silences: tuple[Silence, ...] = ()
    """What is never made an incident of."""
    maintenance: tuple[Maintenance, ...] = ()
    """Recurring windows in which no incidents are made."""
    known: tuple[Known, ...] = ()
    """Errors that are counted but left alone."""
    correlate_s: float = Field(default=300.0, ge=0)
    """How far from the beginning of an incident signals of other sources may be to join it; 0: none ever joins."""
    topology: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """service → the services it depends on: alerts of a service join the incident of what it depends on."""
    flap_count: int = Field(default=4, ge=2)
    """An alert that fires more often than this within `flap_window_s` flaps: one incident and no further missions."""
    flap_window_s: float = Field(default=3600.0, gt=0)
    """In seconds; a flapping incident ends after so long without a signal."""
    max_new_incidents: int = Field(default=100, ge=1)
    """How many incidents may begin in one service within `storm_window_s`; the rest is joined into one storm."""
    storm_window_s: float = Field(default=300.0, gt=0)
    """In seconds."""
    storm_rate: float = Field(default=200.0, gt=0)
    """From how many signals per second of one source and service on a storm is told, and samples are kept rarely."""
    max_missions: int = Field(default=30, ge=1)
    """How many missions may start for one service within `storm_window_s`; the others start later."""
