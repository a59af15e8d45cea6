"""Stop unless something is so: a value from an earlier step against what it should be. Changes nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..action import Action, Evidence
from ..condition import compare
from ..context import Context
from ..errors import ActionFailed
from ..template import TemplateError, spoken, truth

Plain = str | int | float | bool
_HOW = {"equals": "==", "is_not": "!=", "at_least": ">=", "at_most": "<=", "above": ">", "below": "<"}


class Arguments(BaseModel):
    """What has to be so. All that is given must hold; with `value` alone it must not be empty, 0, false, no, off."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    value: Any
    """What to look at."""
    equals: Plain | None = None
    """It is this; numbers are compared as numbers."""
    is_not: Plain | None = None
    """It is not this."""
    at_least: float | None = None
    """It is a number, this or more."""
    at_most: float | None = None
    """It is a number, this or less."""
    above: float | None = None
    """It is a number, more than this."""
    below: float | None = None
    """It is a number, less than this."""
    contains: str | None = None
    """Its text holds this."""
    message: str = Field(default="", max_length=500)
    """What to say when it is not so."""

    @model_validator(mode="after")
    def _has_value(self) -> Arguments:
        if isinstance(self.value, (dict, list)) and any(getattr(self, name) is not None for name in _HOW):
            raise ValueError("a list or a mapping can't be compared; look up something in it")
        return self


class Assert(Action):
    """`assert`."""

    name: ClassVar[str] = "assert"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"check that {_wanted(arguments)}"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str:
        """Raises ActionFailed unless all holds."""
        del context, key, evidence, repeated, timeout_s
        given = {name: getattr(arguments, name) for name in (*_HOW, "contains")}
        asked = {name: value for name, value in given.items() if value is not None}
        try:
            fine = all(_holds(arguments.value, name, value) for name, value in asked.items())
        except TemplateError as error:
            raise ActionFailed(str(error)) from None
        if not (fine if asked else truth(arguments.value)):
            raise ActionFailed(arguments.message or f"it is not so that {_wanted(arguments)}")
        return _wanted(arguments)


def _holds(value: Any, how: str, wanted: Any) -> bool:
    return str(wanted) in spoken(value) if how == "contains" else compare(value, _HOW[how], wanted)


def _wanted(arguments: Arguments) -> str:
    given = [f"{n.replace('_', ' ')} {v}" for n in (*_HOW, "contains") if (v := getattr(arguments, n)) is not None]
    return f"{spoken(arguments.value)[:100]} {' and '.join(given) or 'is given'}"
