"""What is wrong with a node: pure reading of its conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nightshift.daemon.model import Severity
from nightshift.monitors.kubernetes.finding import Finding
from nightshift.monitors.shapes import rows, table, text, unix_ms

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

_SAID = {
    "Ready": "a node is not ready",
    "MemoryPressure": "a node runs out of memory",
    "DiskPressure": "a node runs out of disk space",
    "PIDPressure": "a node runs out of process ids",
    "NetworkUnavailable": "a node has no network",
}


def read_node(node: Mapping[str, Any], settings: Settings) -> tuple[Finding, ...]:
    """Conditions that are not as they should be; `Unknown` counts for readiness only (its kubelet is silent)."""
    return tuple(_findings(node, settings))


def _findings(node: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    name = text(table(node, "metadata").get("name"))
    for row in rows(table(node, "status").get("conditions")):
        kind, status = text(row.get("type")), row.get("status")
        sick = status in ("False", "Unknown") if kind == "Ready" else status == "True"
        if kind not in _SAID or not sick:
            continue
        at_ms = unix_ms(row.get("lastTransitionTime"))
        yield Finding(
            slot=kind, instance=str(at_ms or ""), kind="node", title=_SAID[kind], at_ms=at_ms, after_s=settings.node_s,
            severity=Severity.CRITICAL if kind == "Ready" else Severity.ERROR, labels={"node": name},
            message=f"{name}: {text(row.get('reason')) or kind}: {text(row.get('message'))}",
        )  # fmt: skip
