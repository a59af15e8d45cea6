"""What an action is, so that the runner knows none of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from .context import Context
from .errors import ActionFailed

Evidence = Mapping[str, Any]
"""Plain JSON an action wants to know about the world before its effect."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """What an action gave: `text` for people, `values` (plain JSON, named in the action's `gives`) for later steps."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Action(ABC):
    """One kind of effect. Stateless."""

    name: ClassVar[str]
    accepts: ClassVar[type[BaseModel]]
    gives: ClassVar[tuple[str, ...]] = ()
    """Names of the values later steps can read besides `output` and `status`."""
    can_undo: ClassVar[bool] = False
    """Whether `undo` takes back what `run` did."""

    @abstractmethod
    def describe(self, arguments: Any, context: Context) -> str:
        """What would happen, in one line, for a dry run. No effects, no look at the world."""

    def before(self, arguments: Any, context: Context, *, timeout_s: float) -> Evidence:
        """Looked at and recorded durably before the first attempt, so that a run that was killed in the middle can
        tell whether its effect took place. Raises as `run` does. Nothing, unless an action says otherwise."""
        del arguments, context, timeout_s
        return {}

    @abstractmethod
    def run(
        self, arguments: Any, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str | Output:
        """Do it, at most once under `key`, and return its output. `repeated`: it was begun before, under the same
        key and evidence, and nobody knows how it ended.

        Raises ActionFailed (rollback follows), Refused (not allowed), EnvironmentBroke (try again later), Waiting
        (a person has to answer first).
        """

    def undo(self, arguments: Any, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """Take back what `run` did under this key and evidence, also when that was cut off halfway; done again it
        changes nothing. Raises as `run` does. Only for actions with `can_undo`."""
        del arguments, context, key, evidence, timeout_s
        raise ActionFailed(f"{self.name} can't be undone")
