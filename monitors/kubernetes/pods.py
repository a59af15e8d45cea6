"""What is wrong with a pod: pure reading of its status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nightshift.daemon.model import Severity
from nightshift.monitors.deaths import GROUPS, Death, deaths_of
from nightshift.monitors.images import release_of
from nightshift.monitors.kubernetes.finding import Finding
from nightshift.monitors.shapes import number, rows, table, text, unix_ms

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

_NEVER_MS = 1 << 62
_PULL = frozenset({
    "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
    "RegistryUnavailable", "SignatureValidationFailed",
})  # fmt: skip
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError"})
_START = frozenset({"RunContainerError", "StartError", "PostStartHookError", "PreStartHookError"})
_WAITS = {
    **dict.fromkeys(_PULL, ("pull", "image_pull", "image of container {} can't be pulled")),
    **dict.fromkeys(_CONFIG, ("config", "config", "container {} can't be created")),
    **dict.fromkeys(_START, ("start", "start", "container {} can't be started")),
}
_STOPPED_CODES = frozenset({0, 130, 137, 143})


def read_pod(pod: Mapping[str, Any], settings: Settings) -> tuple[Finding, ...]:
    """Everything wrong with a pod now; a pod that somebody is deleting has no trouble but what was told already."""
    if table(pod, "metadata").get("deletionTimestamp"):
        return ()
    where = place(pod)
    found = [*_deaths(pod, settings, where), *_ended(pod, where)]
    for group in GROUPS[:2]:
        found += [f for row in rows(table(pod, "status").get(group)) for f in _waiting(pod, row, where)]
    found += [f for row in rows(table(pod, "status").get(GROUPS[1])) for f in _unready(pod, row, settings, where)]
    return (*found, *_pending(pod, settings, where))


def place(thing: Mapping[str, Any]) -> str:
    """``namespace/name``, or the name of what is in no namespace."""
    meta = table(thing, "metadata")
    return "/".join(filter(None, (text(meta.get("namespace")), text(meta.get("name")))))


def labels_of(pod: Mapping[str, Any], container: str) -> dict[str, str]:
    """The labels of a signal about one container ('' = the whole pod)."""
    image = next((text(row.get("image")) for row in _containers(pod) if row.get("name") == container), "")
    told = {
        "pod": text(table(pod, "metadata").get("name")), "container": container, "image": image,
        "node": text(table(pod, "spec").get("nodeName")), "release": release_of(image),
    }  # fmt: skip
    return {key: value for key, value in told.items() if value}


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    spec = table(pod, "spec")
    declared = [
        row for group in ("containers", "initContainers", "ephemeralContainers") for row in rows(spec.get(group))
    ]
    return declared + [row for group in GROUPS for row in rows(table(pod, "status").get(group))]


def _deaths(pod: Mapping[str, Any], settings: Settings, where: str) -> Iterator[Finding]:
    status = table(pod, "status")
    failed = status.get("phase") == "Failed" and not status.get("reason")  # with one, the node or the cluster ended it
    for death in deaths_of(pod):
        for_good = failed and not death.gone and death.exit_code != 0
        often = death.ordinal >= settings.restarts and death.exit_code != 0
        if death.oom or death.looping or ((often or for_good) and not death.ephemeral):
            yield _death(pod, death, settings, where, for_good=for_good)


def _death(pod: Mapping[str, Any], death: Death, settings: Settings, where: str, *, for_good: bool) -> Finding:
    kind, what = "crash_loop", "crashes in a loop"
    if death.oom:
        kind, what = "oom", "killed for its memory"
    elif for_good and death.ordinal < settings.restarts:
        kind, what = "crash", "failed"
    told = f": {death.message}" if death.message else ""
    return Finding(
        slot=f"{death.container}/death", kind=kind, title=f"container {death.container} {what}",
        message=f"{where}: {death.reason or 'ended'}, exit code {death.exit_code}, death number {death.ordinal}{told}",
        severity=Severity.CRITICAL, ordinal=death.ordinal, at_ms=death.at_ms, happening=not death.looping,
        over_ms=_over_ms(death, settings), resolves=not for_good, dead=death.container, previous=death.gone,
        blames_code=not death.oom and death.exit_code not in _STOPPED_CODES, labels=labels_of(pod, death.container),
    )  # fmt: skip


def _over_ms(death: Death, settings: Settings) -> int:
    """When a container that runs again counts as recovered; 0 while it lies dead."""
    if not death.gone or death.looping:
        return 0
    return death.running_ms + round(settings.stable_s * 1000) if death.running_ms else _NEVER_MS


def _ended(pod: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """The whole pod was ended by the node or the cluster."""
    status = table(pod, "status")
    reason = text(status.get("reason"))
    if status.get("phase") != "Failed" or not reason:
        return
    evicted = reason in ("Evicted", "Preempting", "Preempted")
    conditions = [row for row in rows(status.get("conditions")) if row.get("type") == "DisruptionTarget"]
    why = text(status.get("message")) or next((text(row.get("message")) for row in conditions), "")
    stamps = [unix_ms(row.get("lastTransitionTime")) for row in conditions or rows(status.get("conditions"))]
    yield Finding(
        slot="end", instance=reason, kind="evicted" if evicted else "pod_failed",
        title="pod was evicted" if evicted else f"pod failed: {reason}", message=f"{where}: {reason}: {why}",
        at_ms=max([*stamps, unix_ms(status.get("startTime"))]), happening=True, resolves=False,
        labels=labels_of(pod, ""),
    )  # fmt: skip


def _waiting(pod: Mapping[str, Any], row: Mapping[str, Any], where: str) -> Iterator[Finding]:
    waiting, name = table(row, "state", "waiting"), text(row.get("name"))
    reason = text(waiting.get("reason"))
    if reason in _WAITS:
        slot, kind, title = _WAITS[reason]
        yield Finding(
            slot=f"{name}/{slot}", instance=f"{number(row.get('restartCount'))}:{text(row.get('image'))}", kind=kind,
            title=title.format(name), message=f"{where}: {reason}: {text(waiting.get('message'))}",
            labels=labels_of(pod, name),
        )  # fmt: skip


def _unready(pod: Mapping[str, Any], row: Mapping[str, Any], settings: Settings, where: str) -> Iterator[Finding]:
    running, name = table(row, "state", "running"), text(row.get("name"))
    if not running or row.get("ready") is not False:
        return
    conditions = {text(c.get("type")): c for c in rows(table(pod, "status").get("conditions"))}
    changed = unix_ms(table(conditions, "ContainersReady").get("lastTransitionTime"))
    since_ms = max(changed, unix_ms(running.get("startedAt")))
    probe = "startup" if row.get("started") is False else "readiness"
    yield Finding(
        slot=f"{name}/ready", kind="probe", title=f"{probe} probe of container {name} fails", at_ms=since_ms,
        instance=f"{number(row.get('restartCount'))}:{since_ms}" if since_ms else "", after_s=settings.unready_s,
        message=f"{where}: container {name} runs but is not ready: its {probe} probe fails",
        labels=labels_of(pod, name),
    )  # fmt: skip


def _pending(pod: Mapping[str, Any], settings: Settings, where: str) -> Iterator[Finding]:
    status = table(pod, "status")
    if status.get("phase") != "Pending":
        return
    conditions = {text(row.get("type")): row for row in rows(status.get("conditions"))}
    scheduled = table(conditions, "PodScheduled")
    if scheduled.get("reason") == "SchedulingGated":  # somebody holds it back on purpose
        return
    title, why = "pod does not start", ", ".join(_waits(status)) or "no container has started"
    if scheduled.get("status") == "False":
        title, why = "pod can't be scheduled", text(scheduled.get("message")) or text(scheduled.get("reason"))
    elif any(_explained(row) for group in GROUPS for row in rows(status.get(group))):
        return
    yield Finding(
        slot="pending", instance=title, kind="pending", title=title, message=f"{where}: {why}",
        at_ms=unix_ms(table(pod, "metadata").get("creationTimestamp")), after_s=settings.pending_s,
        labels=labels_of(pod, ""),
    )  # fmt: skip


def _waits(status: Mapping[str, Any]) -> list[str]:
    found = [
        f"{text(row.get('name'))}: {text(waiting.get('reason'))} {text(waiting.get('message'))}".rstrip()
        for group in GROUPS
        for row in rows(status.get(group))
        if (waiting := table(row, "state", "waiting"))
    ]
    return found[:10]


def _explained(row: Mapping[str, Any]) -> bool:
    """Whether another finding tells why this container keeps the pod pending, or it works at this moment."""
    reason = table(row, "state", "waiting").get("reason")
    known = isinstance(reason, str) and (reason in _WAITS or reason == "CrashLoopBackOff")
    return known or bool(table(row, "state", "running"))
