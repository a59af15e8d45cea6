"""What is wrong with a deployment, stateful set, daemon set or job: pure reading of its status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nightshift.monitors.images import release_of
from nightshift.monitors.kubernetes.finding import Finding
from nightshift.monitors.kubernetes.pods import place
from nightshift.monitors.shapes import number, rows, table, text, unix_ms

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings


def read_deployment(thing: Mapping[str, Any], settings: Settings) -> tuple[Finding, ...]:
    """A rollout that is stuck, replicas that can't be made, replicas that are missing for too long."""
    found, status = _conditions(thing), table(thing, "status")
    wanted = number(table(thing, "spec").get("replicas"), 1)
    missing = number(status.get("unavailableReplicas"))
    since_ms = 0
    if table(found, "Available").get("status") == "False":
        since_ms, missing = unix_ms(table(found, "Available").get("lastTransitionTime")), missing or 1
    return (*_rollout(thing, found), *_refused(thing, found), *_unavailable(thing, missing, wanted, since_ms, settings))


def read_set(thing: Mapping[str, Any], settings: Settings) -> tuple[Finding, ...]:
    """Stateful sets (ready of wanted) and daemon sets (unavailable of scheduled)."""
    status = table(thing, "status")
    if "desiredNumberScheduled" in status:
        wanted, missing = number(status.get("desiredNumberScheduled")), number(status.get("numberUnavailable"))
    else:
        wanted = number(table(thing, "spec").get("replicas"), 1)
        missing = wanted - number(status.get("readyReplicas"))
    return tuple(_unavailable(thing, missing, wanted, 0, settings))


def read_job(thing: Mapping[str, Any], settings: Settings) -> tuple[Finding, ...]:  # noqa: ARG001 - readers are alike
    """A job that failed for good."""
    failed = table(_conditions(thing), "Failed")
    if failed.get("status") != "True":
        return ()
    reason, why = text(failed.get("reason")) or "Failed", text(failed.get("message"))
    made = Finding(
        slot="job", instance=reason, kind="job_failed", title=f"job failed: {reason}",
        message=f"{place(thing)}: {reason}: {why}", at_ms=unix_ms(failed.get("lastTransitionTime")), happening=True,
        resolves=False, labels=_labels(thing),
    )  # fmt: skip
    return (made,)


def _conditions(thing: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {text(row.get("type")): row for row in rows(table(thing, "status").get("conditions"))}


def _rollout(thing: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    progress = table(found, "Progressing")
    if progress.get("status") != "False" or progress.get("reason") != "ProgressDeadlineExceeded":
        return
    generation = number(table(thing, "metadata").get("generation"))
    at_ms = unix_ms(progress.get("lastTransitionTime")) or unix_ms(progress.get("lastUpdateTime"))
    yield Finding(
        slot="rollout", instance=f"{generation}:{at_ms}", kind="rollout", title="rollout is stuck", at_ms=at_ms,
        message=f"{place(thing)}: ProgressDeadlineExceeded: {text(progress.get('message'))}", labels=_labels(thing),
    )  # fmt: skip


def _refused(thing: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    failure = table(found, "ReplicaFailure")
    if failure.get("status") == "True":
        at_ms = unix_ms(failure.get("lastTransitionTime"))
        yield Finding(
            slot="replicas", instance=str(at_ms or ""), kind="rollout", title="replicas can't be made", at_ms=at_ms,
            message=f"{place(thing)}: {text(failure.get('reason'))}: {text(failure.get('message'))}",
            labels=_labels(thing),
        )  # fmt: skip


def _unavailable(
    thing: Mapping[str, Any], missing: int, wanted: int, since_ms: int, settings: Settings
) -> Iterator[Finding]:
    if missing > 0 < wanted:
        yield Finding(
            slot="available", instance=str(since_ms or ""), kind="unavailable", title="too few replicas",
            message=f"{place(thing)}: {missing} of {wanted} replicas are not available", at_ms=since_ms,
            after_s=settings.unavailable_s, labels=_labels(thing),
        )  # fmt: skip


def _labels(thing: Mapping[str, Any]) -> dict[str, str]:
    """Image and release of a workload of one container; of several, those of the first."""
    first = (rows(table(thing, "spec", "template", "spec").get("containers")) or [{}])[0]
    image = text(first.get("image"))
    return {key: value for key, value in (("image", image), ("release", release_of(image))) if value}
