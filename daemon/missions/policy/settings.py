"""What the configuration says about autonomy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from nightshift.daemon.missions.policy.levels import Autonomy
from nightshift.daemon.model import Severity

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Names = tuple[str, ...]
_ALL: Names = ("*",)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Grant(_Section):
    """How far Nightshift goes with some changes of some services; the service's own `autonomy` stays the most."""

    services: Names = _ALL
    """Names of services (`*` allowed)."""
    fixers: Names = _ALL
    """Names of fixers (`*` allowed)."""
    kinds: Names = _ALL
    """Kinds of change (`*` allowed), for example `revert` or a template's name."""
    autonomy: Autonomy
    """`observe`, `propose`, `earned` or `merge`."""


class Limit(_Section):
    """Less autonomy where all that is given applies."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    """What it is called when it is explained."""
    autonomy: Literal["observe", "propose"] = "propose"
    """The most that is allowed where it applies; not even an approval lifts `observe`."""
    services: Names = _ALL
    """Names of services (`*` allowed)."""
    fixers: Names = _ALL
    """Names of fixers (`*` allowed)."""
    kinds: Names = _ALL
    """Kinds of change (`*` allowed)."""
    paths: Names = ()
    """It applies when the patch touches one of these (`*` within a folder, `**` across); empty: whatever it touches."""
    severities: tuple[Severity, ...] = ()
    """It applies to incidents of these severities; empty: to all."""
    more_than_lines: Annotated[int, Field(ge=0)] | None = None
    """It applies when the patch adds and removes more lines than this."""
    more_than_files: Annotated[int, Field(ge=0)] | None = None
    """It applies when the patch changes more files than this."""


class Window(_Section):
    """A time of the week in which merging alone is allowed."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    """Days of the week on which it begins."""
    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    """When it begins, `HH:MM`."""
    end: Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")] = "24:00"
    """When it ends; a time not after `start` is on the next day."""


class Freeze(_Section):
    """A time in which less is allowed: a change freeze."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    """What it is called when it is explained."""
    start: AwareDatetime
    """When it begins, with a time zone: `2026-12-20T00:00:00+01:00`."""
    end: AwareDatetime
    """When it ends."""
    services: Names = _ALL
    """Names of services (`*` allowed)."""
    autonomy: Literal["observe", "propose"] = "propose"
    """The most that is allowed meanwhile; not even an approval lifts `observe`."""

    @model_validator(mode="after")
    def _in_order(self) -> Freeze:
        if self.end <= self.start:
            raise ValueError("`end` is not after `start`")
        return self


class Earning(_Section):
    """What a track record has to be for autonomy that is earned, counted for each (service, fixer, kind of change)."""

    days: Annotated[int, Field(ge=1, le=90)] = 7
    """A merge that was not reverted for so many days has lasted; until then it counts neither way."""
    evidence: Annotated[float, Field(ge=1)] = 5.0
    """The least number of merges that lasted, since the last revert; older ones weigh less."""
    target: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """The share of merges that should last."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """How probable it must be that the share is at least `target`."""
    half_life_days: Annotated[float, Field(gt=0)] = 90.0
    """After so many days a merge weighs half."""


class Settings(_Section):
    """What may happen without a person."""

    dry_run: bool = False
    """Do everything but effects: nothing is proposed, merged, deployed or run."""
    stop: bool = False
    """The kill switch, here in the file: no effect at all, nothing else is lost; missions wait."""
    stop_file: Path | None = None
    """The kill switch as a file: while it exists there is no effect at all. Default: `STOP` in the state folder."""
    auto_merge_fixers: tuple[str, ...] = ("revert", "templates")
    """Fixers whose patches may be merged without a person when a service's autonomy is `merge` or `earned`."""
    trust_synthesised: bool = False
    """Let a test made from a traceback (it only knows that nothing crashes) be proof enough to merge a template."""
    breaker_bad_fixes: int = Field(default=3, ge=1)
    """Rolled-back fixes of one service within an hour after which nothing is merged automatically."""
    grants: tuple[Grant, ...] = ()
    """Autonomy by service, fixer and kind of change; the first that fits counts. None fits: the service's own."""
    limits: tuple[Limit, ...] = ()
    """Less autonomy for some changes; every one that applies counts."""
    windows: tuple[Window, ...] = ()
    """When merging alone is allowed; empty: at any time. Outside of them a person merges."""
    freezes: tuple[Freeze, ...] = ()
    """Change freezes."""
    timezone: str = "UTC"
    """The time zone of `windows`, for example `Europe/Berlin`."""
    max_open_missions: int = Field(default=20, ge=1)
    """With more open missions of one service than this, a person merges: something larger is going on."""
    merges_per_day: int = Field(default=50, ge=0)
    """The most merges of one service in 24 hours without a person."""
    earning: Earning = Earning()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no such time zone: '{value}'") from None
        return value
