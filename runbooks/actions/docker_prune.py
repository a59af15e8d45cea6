"""Remove what a Docker engine no longer needs: stopped containers, images nothing uses, build cache. Never volumes:
they hold data. Done again, it removes only what has become needless since. There is no undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from .engine import engine
from .places import amount

if TYPE_CHECKING:
    from docker import DockerClient

_REMOVED = ("ContainersDeleted", "ImagesDeleted", "CachesDeleted")


class Arguments(BaseModel):
    """What to remove."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    what: tuple[Literal["containers", "images", "build_cache"], ...] = Field(default=("images",), min_length=1)
    """`images` are those without a name that no container uses; `containers` those that are stopped."""
    older_than_h: int = Field(default=24, ge=0, le=24 * 365)
    """Only what was made so long ago."""
    labels: tuple[str, ...] = Field(default=(), max_length=10)
    """Only what has these labels (`team=shop`, or `team` with any value)."""


class DockerPrune(Action):
    """`docker.prune`."""

    name: ClassVar[str] = "docker.prune"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("freed", "removed")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"prune {', '.join(arguments.what)} older than {arguments.older_than_h} h"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `freed`, in bytes, and how many things were `removed`."""
        del key, evidence, repeated
        filters: dict[str, Any] = {"until": f"{arguments.older_than_h}h"} if arguments.older_than_h else {}
        filters |= {"label": list(arguments.labels)} if arguments.labels else {}
        freed = removed = 0
        with engine(context, timeout_s) as client:
            for what in dict.fromkeys(arguments.what):
                answer = _pruned(client, what, filters)
                freed += answer.get("SpaceReclaimed") or 0
                removed += sum(len(answer.get(name) or ()) for name in _REMOVED)
        return Output(text=f"{removed} removed, {amount(freed)} freed", values={"freed": freed, "removed": removed})


def _pruned(client: DockerClient, what: str, filters: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any]
    if what == "containers":
        answer = client.api.prune_containers(filters)
    elif what == "images":
        answer = client.api.prune_images({**filters, "dangling": True})
    else:
        answer = client.api.prune_builds(filters=filters)
    return answer
