"""What a workflow may ask of the engine under it; the workflow itself never sees which engine that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Json = dict[str, Any]


class Durable(Protocol):
    """A run that survives kill -9: finished steps are not repeated, messages are not lost.

    Step values are plain JSON. A step that was under way when the process died runs again: its effects are
    get-or-create under keys.
    """

    async def step(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        """Run `work(*args)` in a thread, once, and remember what it returned."""
        ...

    async def receive(self, timeout_s: float) -> Mapping[str, str] | None:
        """The next human signal ({verb, actor, reason}), or None after the time-out."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a restart does not start the wait over."""
        ...
