"""Where a watch hands in what it sees: objects become looks for a ledger, events are counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nightshift.monitors.kubernetes import selector
from nightshift.monitors.kubernetes.finding import Look, Subject
from nightshift.monitors.kubernetes.happenings import Happenings
from nightshift.monitors.kubernetes.ledger import Ledger
from nightshift.monitors.kubernetes.resources import Resource
from nightshift.monitors.kubernetes.subject import subject_of, uid_of
from nightshift.monitors.shapes import table, text

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

Thing = Mapping[str, Any]


class Desk(Protocol):
    """What a feed needs: to hand in objects, to say which are gone, that it heard something, and that time passed."""

    def observe(self, things: Sequence[Thing]) -> None: ...

    def gone(self, things: Iterable[Thing]) -> None: ...

    def keep(self, alive: set[str]) -> None: ...

    def seen(self, *, now: bool = False) -> None: ...

    def tick(self) -> None: ...


class Objects:
    """Pods, workloads or nodes: read, selected and noted in a ledger. `subjects` is a digest of each, by uid."""

    def __init__(self, resource: Resource, settings: Settings, known: Mapping[str, object], ledger: Ledger) -> None:
        self._resource, self._settings, self._known, self._ledger = resource, settings, known, ledger
        self.subjects: dict[str, Subject] = {}
        self._labels = selector.labels(settings.label_selector if resource.selected else "")
        self._fields = selector.fields(settings.field_selector if resource.name == "pods" else "")
        self.seen, self.tick = ledger.seen, ledger.tick

    def observe(self, things: Sequence[Thing]) -> None:
        """As they are now; those that are not selected (any more) count as gone."""
        chosen = [thing for thing in things if self._labels(thing) and self._fields(thing)]
        if len(chosen) < len(things):
            self.gone(thing for thing in things if not (self._labels(thing) and self._fields(thing)))
        self._ledger.observe([self._look(thing) for thing in chosen])

    def _look(self, thing: Thing) -> Look:
        subject = self._subject(thing)
        self.subjects[subject.uid] = subject
        read = self._resource.read
        return Look(subject=subject, findings=read(thing, self._settings) if read else ())

    def _subject(self, thing: Thing) -> Subject:
        if self._resource.namespaced:
            return subject_of(thing, self._settings, self._known)
        name = text(table(thing, "metadata").get("name"))
        return Subject(uid=uid_of(thing), namespace="", name=name, service=self._settings.node_service)

    def gone(self, things: Iterable[Thing]) -> None:
        """Deleted."""
        uids = [uid_of(thing) for thing in things]
        self._ledger.gone(uids)
        for uid in uids:
            self.subjects.pop(uid, None)

    def keep(self, alive: set[str]) -> None:
        """A complete list was read; only these exist."""
        self._ledger.keep(alive)
        for uid in self.subjects.keys() - alive:
            self.subjects.pop(uid, None)


class Counted:
    """Events."""

    def __init__(self, happenings: Happenings) -> None:
        self._happenings = happenings
        self.observe, self.keep = happenings.observe, happenings.keep
        self.seen, self.tick = happenings.seen, happenings.tick

    def gone(self, things: Iterable[Thing]) -> None:
        """Forgotten by the cluster, after an hour or so."""
        self._happenings.gone([uid_of(thing) for thing in things])
