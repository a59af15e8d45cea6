"""A runbook as data. What is written here is all a book can say: names, typed parameters, steps; no code."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Value = str | int | float | bool
Level = Literal["observe", "propose", "act"]
_Written = Literal["observe", "propose", "act", "merge"]
Autonomy = Annotated[
    Level, BeforeValidator(lambda value: "act" if value == "merge" else value, json_schema_input_type=_Written)
]
"""What may happen without a person; `merge`, as services call it, means `act`."""
UNDO = "undo"
"""The action of a rollback step that takes back one of the steps."""
PHASES = ("steps", "verify", "rollback")


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
    kind: str = ""
    """Kind of the signal, such as `oom`, `probe`, `rollout`, `alert`."""
    regex: str = ""
    """Regular expression found in the signal's title, message or sample."""
    promql: str = ""
    """PromQL that must hold now: it gives a result, and not only zeros. A book with nothing else than this is
    asked about every minute, and begins an incident of its own when it holds."""

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
    label: str = ""
    """The label that gives it when the book is run for a signal; empty: the one of its own name. `service` is the
    signal's service where no label has that name."""

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
    """The step is skipped unless this holds: `${{ a.b }}` (not empty, 0, false, no, off, none), `not ${{ a.b }}`, or
    a comparison such as `${{ a.b }} > 5`; several joined by `and`."""
    foreach: str | tuple[Value, ...] | None = None
    """Do the step once for each of these: a list, or a look-up that gives one (a text is split at commas and line
    ends). The step reads `${{ each.value }}` and `${{ each.index }}`."""
    at_most: int = Field(default=20, ge=1, le=1000)
    """The most `foreach` may be; more fail the step before anything is done."""
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
    rollback: tuple[Step, ...] | None = None
    """Done when a step or a verification failed. Left out: every step that was begun is undone, the last one first,
    where its action has an undo. `[]`: nothing is taken back."""
    autonomy: Autonomy = "propose"
    """What may happen without a person: `observe` nothing, `propose` a proposal that waits for one, `act` a run."""
    cool_down_s: float = Field(default=300.0, ge=0, le=30 * 86400)
    """How long to leave it alone after a run began, whatever came of it."""
    cool_down_per: tuple[Name, ...] = ()
    """Parameters that tell targets apart: the cool-down holds for each of their values by itself. None: for the
    whole book."""

    def all_steps(self) -> tuple[tuple[str, Step], ...]:
        """Every step with its phase: steps, verify or rollback."""
        return tuple((phase, s) for phase in PHASES for s in getattr(self, phase) or ())

    def target(self, bound: dict[str, Value]) -> str:
        """What the cool-down is about, of parameters with their values."""
        return ", ".join(f"{name}={bound[name]}" for name in self.cool_down_per)


def cooling_down(book: Runbook, last_ms: int | None, now_ms: int) -> str:
    """Why the book should be left alone now, or '' when nothing speaks against it. Times are Unix milliseconds; a
    clock that was set back does not end a cool-down."""
    since_s = 0.0 if last_ms is None else max(0.0, (now_ms - last_ms) / 1000)
    left_s = 0.0 if last_ms is None else book.cool_down_s - since_s
    return f"runbook {book.name} ran {since_s:.0f} s ago, wait {left_s:.0f} s" if left_s > 0 else ""


def lowest(*levels: str) -> Level:
    """The least of several autonomies; what is not known counts as `observe`. A service's `earned` was earned by
    patches, so it lets a runbook no further than `propose`."""
    order = get_args(Level)
    known = [{"merge": "act", "earned": "propose"}.get(level, level) for level in levels]
    found: Level = order[min((order.index(level) if level in order else 0 for level in known), default=0)]
    return found
