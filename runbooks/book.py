"""A runbook as data. What is written here is all a book can say: names, typed parameters, steps; no code."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Value = str | int | float | bool


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class Match(_Part):
    """For which signals the book is meant. All that is given must hold; a book without any is only run by name."""

    labels: dict[str, str] = {}
    """Labels the signal must carry, with exactly these values."""
    service: str = ""
    """Name of the service."""
    exception: str = ""
    """Exception type, in full or its last part."""
    regex: str = ""
    """Regular expression found in the signal's title, message or sample."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value


class Parameter(_Part):
    """Something to be given when the book is run. Without a default it must be."""

    type: Literal["string", "integer", "number", "boolean"] = "string"
    """Its type; text from a command line is converted."""
    default: Value | None = None
    """Value when none is given."""
    description: str = ""
    """What it means, for people."""
    choices: tuple[Value, ...] = ()
    """The only values allowed, if any are listed."""
    pattern: str = r"[\w./:@=+, -]*"
    """Regular expression a string must match as a whole."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return Match._compiles(value)


class Step(_Part):
    """One action, with its arguments."""

    name: Name
    """Unique in the book; later steps read `${{ steps.NAME.output }}`."""
    action: str
    """What to do, such as `docker.restart`."""
    arguments: dict[str, Any] = Field(default={}, alias="with")
    """The action's arguments; values may contain `${{ … }}`."""
    when: str | bool = True
    """A single look-up; the step is skipped when it is empty, 0, false, no, off or none."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Longest one attempt may take."""
    attempts: int = Field(default=1, ge=1, le=30)
    """How often to try before the step counts as failed."""
    wait_s: float = Field(default=2.0, ge=0, le=600)
    """Pause between attempts."""


class Runbook(_Part):
    """A procedure: steps, how to see that they worked, how to undo them."""

    name: Name
    """What the book is called."""
    description: str = Field(min_length=1)
    """What it does and when to use it, for people."""
    match: Match = Match()
    """The signals it is meant for."""
    parameters: dict[Name, Parameter] = {}
    """What must or may be given to run it."""
    steps: tuple[Step, ...] = Field(min_length=1)
    """Done in order; the first failure stops them."""
    verify: tuple[Step, ...] = ()
    """Done after the steps; a failure here means they did not help."""
    rollback: tuple[Step, ...] = ()
    """Done when a step or a verification failed."""
    autonomy: Literal["observe", "propose", "merge"] = "propose"
    """What may happen without a person: nothing, a proposal, a run."""
    cool_down_s: float = Field(default=300.0, ge=0)
    """How long to leave it alone after a run."""

    def all_steps(self) -> tuple[tuple[str, Step], ...]:
        """Every step with its phase: steps, verify or rollback."""
        return tuple((phase, s) for phase in ("steps", "verify", "rollback") for s in getattr(self, phase))


def cooling_down(book: Runbook, last_ms: int | None, now_ms: int) -> str:
    """Why the book should be left alone now, or '' when nothing speaks against it. Times are Unix milliseconds."""
    left_s = 0.0 if last_ms is None else book.cool_down_s - (now_ms - last_ms) / 1000
    return (
        f"runbook {book.name} ran {(now_ms - (last_ms or 0)) / 1000:.0f} s ago, wait {left_s:.0f} s"
        if left_s > 0
        else ""
    )
