"""Who is an object of the cluster? Its service, workload, release and commit, from labels, owners and images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nightshift.monitors.kubernetes.finding import Subject
from nightshift.monitors.shapes import rows, table, text, texts

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

_HASH = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{6,10}\Z")
_POD = re.compile(r"(?:-[bcdfghjklmnpqrstvwxz2456789]{6,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}\Z")
_RUN = re.compile(r"-\d{7,}\Z")
_ORDINAL = re.compile(r"-\d{1,5}\Z")


def subject_of(thing: Mapping[str, Any], settings: Settings, known: Mapping[str, object]) -> Subject:
    """The subject of a pod or workload; `known` are the services of the configuration."""
    meta = table(thing, "metadata")
    labels, name = texts(meta.get("labels")), text(meta.get("name"))
    namespace, owner = text(meta.get("namespace")) or "default", workload(meta, labels)
    told = {"namespace": namespace, "workload": owner, "commit": _commit(thing, labels, settings)}
    return Subject(
        uid=uid_of(thing), namespace=namespace, name=name, service=_service(labels, owner, settings, known),
        labels={key: value for key, value in told.items() if value},
    )  # fmt: skip


def uid_of(thing: Mapping[str, Any]) -> str:
    """What names an object for ever; its place where a server gives it no uid."""
    meta = table(thing, "metadata")
    return text(meta.get("uid")) or f"{text(meta.get('namespace'))}/{text(meta.get('name'))}"


def workload(meta: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """The deployment (or other controller) behind an object: ReplicaSets and runs of CronJobs lose their suffix."""
    owners = rows(meta.get("ownerReferences"))
    owner = next((o for o in owners if o.get("controller") is True), owners[0] if owners else {})
    kind, name = owner.get("kind"), text(owner.get("name"))
    if kind == "ReplicaSet":
        suffix = f"-{labels.get('pod-template-hash', '')}"
        return name.removesuffix(suffix) if len(suffix) > 1 and name.endswith(suffix) else _HASH.sub("", name)
    return _RUN.sub("", name) if kind in ("Job", "CronJob") else name or _RUN.sub("", text(meta.get("name")))


def named(kind: str, name: str) -> str:
    """The workload that a bare name suggests, where nothing else is known of the object."""
    if kind == "Pod":
        return _ORDINAL.sub("", _RUN.sub("", _POD.sub("", name)))
    return _RUN.sub("", _HASH.sub("", name) if kind == "ReplicaSet" else name)


def _service(labels: Mapping[str, str], owner: str, settings: Settings, known: Mapping[str, object]) -> str:
    names = [labels[key] for key in settings.service_labels if labels.get(key)] + [owner]
    renamed = next((settings.services[name] for name in names if name in settings.services), "")
    return renamed or next((name for name in names if name in known), names[0])


def _commit(thing: Mapping[str, Any], labels: Mapping[str, str], settings: Settings) -> str:
    inner = table(thing, "spec", "template", "metadata")
    places = (texts(table(thing, "metadata").get("annotations")), texts(inner.get("annotations")), labels)
    return next((place[key] for key in settings.commit_annotations for place in places if place.get(key)), "")
