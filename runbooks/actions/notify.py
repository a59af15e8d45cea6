"""Tell people. The channel delivers a key once, so repeating is safe."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import Notice

from ..action import Action, Evidence
from ..context import Context
from ..errors import ActionFailed, nearest


class Arguments(BaseModel):
    """What to tell whom."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    title: str = Field(min_length=1, max_length=200)
    """One line."""
    text: str = Field(default="", max_length=20_000)
    """The rest."""
    severity: Literal["info", "warning", "error", "critical"] = "info"
    """How loudly."""
    channel: str = ""
    """Name of the channel; all of them when empty."""


class Notify(Action):
    """`notify`."""

    name: ClassVar[str] = "notify"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"tell {arguments.channel or 'every channel'}: {arguments.title}"

    def run(
        self,
        arguments: Arguments,
        context: Context,
        *,
        key: str,
        evidence: Evidence,
        repeated: bool,
        timeout_s: float,
    ) -> str:
        """Sends to each channel; returns their names. A channel that fails raises EnvironmentBroke."""
        del evidence, repeated, timeout_s
        channels = [n for n in context.notifiers if arguments.channel in ("", n.name)]
        if not channels:
            known = [n.name for n in context.notifiers]
            raise ActionFailed(f"there is no channel '{arguments.channel}'{nearest(arguments.channel, known)}")
        notice = Notice(
            key=key, title=redact(arguments.title), text=redact(arguments.text), severity=arguments.severity
        )
        for channel in channels:
            channel.send(notice)
        return ", ".join(n.name for n in channels)
