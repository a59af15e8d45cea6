"""What a pod's status says of its containers' deaths: pure reading of Kubernetes objects, one value per death."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Death:
    """One end of one container. `ordinal` counts them (1 = the first); `looping` when kubelet is backing off.

    `gone` means the container that died is no longer the current one: its log is the *previous* log.
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

    @property
    def oom(self) -> bool:
        """Killed by the kernel for its memory."""
        return self.reason == "OOMKilled"


def deaths_of(pod: Mapping[str, Any]) -> list[Death]:
    """The latest death of each container of a pod (as the API's JSON), if it ever died."""
    status = pod.get("status") or {}
    rows = [
        row
        for group in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        for row in status.get(group) or ()
    ]
    return [death for row in rows if (death := _death(pod.get("metadata") or {}, row)) is not None]


def _death(meta: Mapping[str, Any], row: Mapping[str, Any]) -> Death | None:
    now, last = row.get("state") or {}, row.get("lastState") or {}
    looping = (now.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    ended = now.get("terminated") or last.get("terminated")
    if not ended and not looping:
        return None
    ended = ended or {}
    restarts = int(row.get("restartCount") or 0)
    # restartCount is raised when the next one starts: while it waits or lies dead, this death isn't counted yet
    ordinal = restarts + 1 if now.get("terminated") or now.get("waiting") else max(restarts, 1)
    return Death(
        pod=str(meta.get("name", "")), uid=str(meta.get("uid") or f"{meta.get('namespace')}/{meta.get('name')}"),
        namespace=str(meta.get("namespace") or "default"), container=str(row.get("name", "")), ordinal=ordinal,
        reason=str(ended.get("reason") or ("Error" if ended.get("exitCode") else "")),
        exit_code=int(ended.get("exitCode") or 0), at_ms=unix_ms(ended.get("finishedAt")), looping=looping,
        gone=not now.get("terminated"), labels=dict(meta.get("labels") or {}),
    )  # fmt: skip


def unix_ms(stamp: object) -> int:
    """Milliseconds of an RFC 3339 time; 0 when there is none (also for Go's zero time of the year 1)."""
    try:
        return max(0, int(datetime.fromisoformat(str(stamp)).timestamp() * 1000)) if stamp else 0
    except ValueError:
        return 0


def service_of(labels: Mapping[str, str], wanted: Sequence[str], renamed: Mapping[str, str], fallback: str) -> str:
    """The first of the wanted labels that is set (else `fallback`), through the table of other names."""
    name = next((labels[key] for key in wanted if labels.get(key)), fallback)
    return renamed.get(name, name)
