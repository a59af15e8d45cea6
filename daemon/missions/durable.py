"""What a workflow may ask of the engine under it; the workflow itself never sees which engine that is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

log = logging.getLogger(__name__)

Json = dict[str, Any]

STEP: ContextVar[str] = ContextVar("step", default="")
"""The step under way, the same name when it is repeated after a kill: what it writes is recognised by it."""


class Defect(Exception):
    """A step raised what no step should: ours to mend. The text is the same when the step is replayed."""


class Durable(Protocol):
    """A run that survives kill -9: finished steps are not repeated, messages are not lost.

    Step values are plain JSON. A step that was under way when the process died runs again: its effects are
    get-or-create under keys.
    """

    async def step(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        """Run `work(*args)` in a thread, once, and remember what it returned. Raises Defect if it raised."""
        ...

    async def receive(self, timeout_s: float) -> Mapping[str, str] | None:
        """The next human signal ({verb, actor, reason}), or None after the time-out."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a restart does not start the wait over."""
        ...


def performed(step: str, work: Callable[..., Json], *args: Any) -> Json:
    """A step's work under its name. What it raises becomes a value, so that every engine replays it alike."""
    STEP.set(step)
    try:
        return work(*args)
    except Exception as error:  # a defect of ours: logged where it happened, told by `valued`
        log.exception("step %s broke", step)
        return {"defect": f"{type(error).__name__}: {error}"}


def valued(result: Json) -> Json:
    """What a step returned; raises Defect when that was an exception."""
    if "defect" in result:
        raise Defect(result["defect"])
    return result
