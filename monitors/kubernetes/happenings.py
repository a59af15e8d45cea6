"""Warning events of a cluster: those of one reason about one object are one signal with a count, not one each."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Severity, Signal
from nightshift.daemon.ports import Sink
from nightshift.monitors.kubernetes.finding import Subject
from nightshift.monitors.kubernetes.heard import Heard
from nightshift.monitors.kubernetes.memory import Memory, Slots, Told
from nightshift.monitors.kubernetes.subject import named, uid_of
from nightshift.monitors.shapes import number, table, text, unix_ms

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

_PROBE = re.compile(r"\s*(Liveness|Readiness|Startup) probe (?:failed|errored)")
_CONTAINER = re.compile(r"\{([^{}]{1,253})\}\Z")
_AT_ONCE = frozenset({"SystemOOM", "OOMKilling", "Rebooted"})
_MOST_EVENTS = 50_000

Find = Callable[[str], Subject | None]
"""uid → who that is, as far as the other watches know."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """One event object: `count` times so far."""

    uid: str
    about: str
    kind: str
    name: str
    namespace: str
    reason: str
    message: str
    container: str
    probe: str
    count: int
    first_ms: int
    last_ms: int

    @property
    def group(self) -> tuple[str, ...]:
        """Events of one group are told together."""
        return (self.about, self.reason, self.container, self.probe)


def read_event(event: Mapping[str, Any]) -> Happening | None:
    """A warning event of core/v1 or, in the older names it keeps, of events.k8s.io; None for any other."""
    about, reason = table(event, "involvedObject") or table(event, "regarding"), text(event.get("reason"))
    if event.get("type") != "Warning" or not reason:
        return None
    series, message = table(event, "series"), text(event.get("message")) or text(event.get("note"))
    name, kind, namespace = (text(about.get(key)) for key in ("name", "kind", "namespace"))
    container, probe = _CONTAINER.search(text(about.get("fieldPath"))), _PROBE.match(message)
    made = unix_ms(table(event, "metadata").get("creationTimestamp"))
    times = [unix_ms(event.get(key)) for key in ("lastTimestamp", "deprecatedLastTimestamp", "eventTime")]
    last_ms = max([unix_ms(series.get("lastObservedTime")), *times]) or made
    first_ms = unix_ms(event.get("firstTimestamp")) or unix_ms(event.get("eventTime")) or made or last_ms
    return Happening(
        uid=uid_of(event), about=text(about.get("uid")) or f"{kind}/{namespace}/{name}", kind=kind, name=name,
        namespace=namespace, reason=reason, message=message, container=container[1] if container else "",
        probe=probe[1].lower() if probe else "", first_ms=min(first_ms, last_ms), last_ms=last_ms,
        count=max(1, number(event.get("count")), number(series.get("count")), number(event.get("deprecatedCount"))),
    )  # fmt: skip


class Happenings:
    """The memory of one watch of events. Thread-safe. `find` names the subject when it is told."""

    def __init__(
        self, *, name: str, clock: Clock, checkpoints: Mapping[str, str], sink: Sink, settings: Settings, find: Find
    ) -> None:
        self._clock, self._sink, self._settings, self._find = clock, sink, settings, find
        self._heard = Heard(name, clock, checkpoints, settings.lookback_s)
        self._memory = Memory(name, checkpoints)
        self._events: dict[str, Happening] = {}
        self._groups: dict[tuple[str, ...], set[str]] = {}
        self._told_ms: dict[tuple[str, ...], int] = {}
        self._fresh: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def observe(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Events as they are now; they are told by `tick`."""
        with self._lock:
            for event in events:
                found = read_event(event)
                if found is None or found.reason in self._settings.events_ignored:
                    continue
                if found.last_ms >= self._heard.not_before_ms or self._memory.slots(found.uid):
                    self._put(found)

    def _put(self, found: Happening) -> None:
        if found.uid not in self._events and len(self._events) >= _MOST_EVENTS:
            self._drop(next(iter(self._events)))  # the oldest
        elif (before := self._events.get(found.uid)) is not None and before.group != found.group:
            self._drop(found.uid)
        self._events[found.uid] = found
        self._groups.setdefault(found.group, set()).add(found.uid)
        self._fresh.add(found.group)

    def gone(self, uids: Iterable[str]) -> None:
        """Events the cluster has forgotten; what they told of is not over by that."""
        with self._lock:
            self._gone(uids)

    def keep(self, alive: set[str]) -> None:
        """A complete list was read."""
        with self._lock:
            self._gone((self._memory.uids() | set(self._events)) - alive)

    def _gone(self, uids: Iterable[str]) -> None:
        gone = set(uids)
        changes: dict[str, Slots] = {uid: {} for uid in gone if self._memory.slots(uid)}
        for uid in gone:
            self._drop(uid)
        if changes:
            self._sink((), self._memory.checkpoints(changes))
            self._memory.put(changes)

    def _drop(self, uid: str) -> None:
        event = self._events.pop(uid, None)
        if event is not None and (members := self._groups.get(event.group)) is not None:
            members.discard(uid)
            if not members:
                del self._groups[event.group]
                self._told_ms.pop(event.group, None)
                self._fresh.discard(event.group)

    def seen(self, *, now: bool = False) -> None:
        """As `Ledger.seen`."""
        with self._lock:
            self._heard.just_now(self._sink, write=now)

    def tick(self) -> None:
        """Tell the groups that are many enough, each at most once in `event_every_s`."""
        with self._lock:
            now_ms, every_ms = self._clock.now_ms(), round(self._settings.event_every_s * 1000)
            signals, changes, told = [], dict[str, Slots](), []
            for group in list(self._fresh):
                if self._told_ms.get(group, 0) + every_ms > now_ms:
                    continue
                events = [self._events[uid] for uid in self._groups.get(group, ())]
                signal = self._signal(events)
                self._fresh.discard(group) if signal is None else told.append(group)
                if signal is not None:
                    signals.append(signal)
                    changes |= {e.uid: {"event": Told(instance=e.uid, ordinal=e.count)} for e in events}
            if signals:
                self._sink(signals, self._memory.checkpoints(changes))
                self._memory.put(changes)
                self._told_ms |= dict.fromkeys(told, now_ms)
                self._fresh -= set(told)

    def _signal(self, events: list[Happening]) -> Signal | None:
        """The signal for what is new of one group; None when that is nothing, or not enough yet."""
        counted = {e.uid: told.ordinal for e in events if (told := self._memory.slots(e.uid).get("event"))}
        new = sum(max(0, e.count - counted.get(e.uid, 0)) for e in events)
        if new < 1 or (not counted and new < self._settings.event_count and events[0].reason not in _AT_ONCE):
            return None
        grown = [e for e in events if e.count > counted.get(e.uid, 0)]
        return self._made(max(grown, key=lambda e: e.last_ms), min(e.first_ms for e in events), new, fresh=not counted)

    def _made(self, last: Happening, first_ms: int, new: int, *, fresh: bool) -> Signal | None:
        subject = self._find(last.about)
        if subject is None and self._settings.label_selector and last.kind != "Node":
            return None
        service, labels = self._whom(subject, last)
        title = f"{last.reason} of {last.kind or 'something'}"
        if last.probe:
            title = f"{last.probe} probe of container {last.container} fails"
        at_ms = first_ms if fresh else last.last_ms
        return Signal(
            key=f"kubernetes:event:{last.uid}:{last.count}", source="kubernetes", service=service, title=title,
            at_ms=at_ms or self._clock.now_ms(), last_at_ms=last.last_ms, count=new,
            kind="probe" if last.probe else "event",
            severity=Severity.ERROR if last.probe == "liveness" else Severity.WARNING, labels=labels,
            message=f"{'/'.join(filter(None, (last.namespace, last.name)))}: {last.message}",
        )  # fmt: skip

    def _whom(self, subject: Subject | None, last: Happening) -> tuple[str, dict[str, str]]:
        """The service an event belongs to, and its labels."""
        labels = {"namespace": last.namespace, "container": last.container, "reason": last.reason}
        labels["pod" if last.kind == "Pod" else "node" if last.kind == "Node" else "name"] = last.name
        if subject is not None:
            return subject.service, {**subject.labels, **{k: v for k, v in labels.items() if v}}
        if last.kind == "Node" or not last.name:
            return self._settings.node_service, {k: v for k, v in labels.items() if v}
        owner = named(last.kind, last.name)
        labels["workload"] = owner
        return self._settings.services.get(owner, owner), {k: v for k, v in labels.items() if v}
