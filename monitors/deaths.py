"""What a pod's status says of its containers' deaths: pure reading of Kubernetes objects, one value per death."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.monitors.shapes import number, rows, table, text, texts, unix_ms

GROUPS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, kw_only=True)
class Death:
    """One end of one container. `ordinal` counts them (1 = the first); `looping` when kubelet is backing off.

    `gone` means the container that died is no longer the current one: its log is the *previous* log. `running_ms`:
    since when its successor runs (0: it doesn't). `ephemeral`: somebody started the container by hand, to debug.
    """

    pod: str
    uid: str
    namespace: str
    container: str
    ordinal: int
    reason: str
    exit_code: int
    at_ms: int
    looping: bool
    gone: bool
    labels: Mapping[str, str]
    message: str = ""
    running_ms: int = 0
    ephemeral: bool = False

    @property
    def oom(self) -> bool:
        """Killed by the kernel for its memory."""
        return self.reason == "OOMKilled"


def deaths_of(pod: Mapping[str, Any]) -> list[Death]:
    """The latest death of each container of a pod (as the API's JSON), if it ever died."""
    status = table(pod, "status")
    found = [(group, row) for group in GROUPS for row in rows(status.get(group))]
    return [death for group, row in found if (death := _death(table(pod, "metadata"), group, row)) is not None]


def _death(meta: Mapping[str, Any], group: str, row: Mapping[str, Any]) -> Death | None:
    now, last = table(row, "state"), table(row, "lastState", "terminated")
    waiting, here = table(now, "waiting"), table(now, "terminated")
    looping = waiting.get("reason") == "CrashLoopBackOff"
    ended = here or last
    if not ended and not looping:
        return None
    restarts, code = max(0, number(row.get("restartCount"))), number(ended.get("exitCode"))
    # restartCount is raised when the next one starts: while it waits or lies dead, this death isn't counted yet
    ordinal = restarts + 1 if here or waiting else max(restarts, 1)
    name, namespace = text(meta.get("name")), text(meta.get("namespace"))
    return Death(
        pod=name, uid=text(meta.get("uid")) or f"{namespace}/{name}", namespace=namespace or "default",
        container=text(row.get("name")), ordinal=ordinal,
        reason=text(ended.get("reason")) or ("Error" if code else ""), exit_code=code,
        at_ms=unix_ms(ended.get("finishedAt")), looping=looping, gone=not here, labels=texts(meta.get("labels")),
        message=text(ended.get("message")), running_ms=unix_ms(table(now, "running").get("startedAt")),
        ephemeral=group == GROUPS[2],
    )  # fmt: skip


def service_of(labels: Mapping[str, str], wanted: Sequence[str], renamed: Mapping[str, str], fallback: str) -> str:
    """The first of the wanted labels that is set (else `fallback`), through the table of other names."""
    name = next((labels[key] for key in wanted if labels.get(key)), fallback)
    return renamed.get(name, name)


__all__ = ["Death", "deaths_of", "service_of", "unix_ms"]
