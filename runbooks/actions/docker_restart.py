"""Restart a container. Its start time, noted before, tells a resumed run whether the restart took place."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .engine import engine, settled


class Arguments(BaseModel):
    """Which container, and how patiently."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    container: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")
    """Name or id of the container."""
    grace_s: int = Field(default=10, ge=0, le=600)
    """How long it gets to stop by itself before it is killed."""
    healthy_within_s: float = Field(default=10.0, ge=0, le=600)
    """How long it may take until it runs, and is healthy if it has a health check."""
    stays_up_s: float = Field(default=1.0, ge=0, le=60)
    """How long it must then stay up without another restart; a crash loop looks well for a moment, too."""
    required: bool = True
    """Fail when it is not up in time; else a later step may look at `healthy`."""


class DockerRestart(Action):
    """`docker.restart`."""

    name: ClassVar[str] = "docker.restart"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("healthy",)

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"restart the container {arguments.container} (grace {arguments.grace_s} s)"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The container's id and start time."""
        with engine(context, timeout_s) as client:
            state = client.api.inspect_container(arguments.container)
            context.limits.check_container(state["Name"].lstrip("/"))
            return {"id": state["Id"], "started_at": state["State"]["StartedAt"]}

    def run(
        self,
        arguments: Arguments,
        context: Context,
        *,
        key: str,
        evidence: Evidence,
        repeated: bool,
        timeout_s: float,
    ) -> Output:
        """Restarts unless the start time has moved since `before`; says since when it is up, gives `healthy`."""
        del key, repeated
        within_s, stays_up_s = arguments.healthy_within_s, arguments.stays_up_s
        with engine(context, timeout_s + arguments.grace_s) as client:
            found = client.api.inspect_container(evidence["id"])
            if found["State"]["StartedAt"] == evidence["started_at"]:
                client.api.restart(evidence["id"], timeout=arguments.grace_s)
            try:
                started_at = settled(client, evidence["id"], context, within_s=within_s, stays_up_s=stays_up_s)
            except ActionFailed as error:
                if arguments.required:
                    raise
                return Output(text=f"{evidence['id'][:12]}: {error}", values={"healthy": False})
        return Output(text=f"{evidence['id'][:12]} up since {started_at}", values={"healthy": True})
