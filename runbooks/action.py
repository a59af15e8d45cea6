"""What an action is, so that the runner knows none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from .context import Context

Evidence = Mapping[str, Any]
"""Plain JSON an action wants to know about the world before its effect."""


class Action(Protocol):
    """One kind of effect. Stateless."""

    name: ClassVar[str]
    accepts: ClassVar[type[BaseModel]]

    def describe(self, arguments: Any, context: Context) -> str:
        """What would happen, in one line, for a dry run. No effects, no look at the world."""
        ...

    def before(self, arguments: Any, context: Context, *, timeout_s: float) -> Evidence:
        """Looked at and recorded durably before the first attempt, so that a run that was killed in the middle can
        tell whether its effect took place. Raises as `run` does."""
        ...

    def run(
        self, arguments: Any, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str:
        """Do it, at most once under `key`, and return its output. `repeated`: it was begun before, under the same
        key and evidence, and nobody knows how it ended.

        Raises ActionFailed (rollback follows), Refused (not allowed), EnvironmentBroke (try again later).
        """
        ...
