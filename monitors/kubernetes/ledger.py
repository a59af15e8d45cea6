"""Which findings are news? Each occurrence is told once, in every state that shows it, through relists and restarts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Sink
from nightshift.monitors.kubernetes.finding import Finding, Look, Subject
from nightshift.monitors.kubernetes.heard import Heard
from nightshift.monitors.kubernetes.memory import Memory, Open, Slots, Told

_OPEN_LABELS = ("namespace", "workload", "container", "pod", "node", "image", "release", "commit")

Tell = Callable[[Subject, Finding, str, int], Signal]
"""(whom, what, the signal's key, its time) → the signal; may read the container's log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wait:
    """Something that becomes true at `due_ms` unless the object changes: a finding to tell, or (None) a recovery."""

    due_ms: int
    since_ms: int
    subject: Subject
    finding: Finding | None


class _Batch:
    """Changes that become memory once the sink has taken their signals."""

    def __init__(self) -> None:
        self.changes: dict[str, dict[str, Told]] = {}
        self.signals: list[Signal] = []
        self.closed: list[tuple[str, str, Open]] = []
        self.waits: dict[str, dict[str, _Wait]] = {}


class Ledger:
    """The memory of one watch. Thread-safe: its feed observes, the monitor's clock ticks."""

    def __init__(
        self, *, name: str, clock: Clock, checkpoints: Mapping[str, str], sink: Sink, tell: Tell, lookback_s: float
    ) -> None:
        self._clock, self._sink, self._tell = clock, sink, tell
        self._memory = Memory(name, checkpoints)
        self._heard = Heard(name, clock, checkpoints, lookback_s)
        self._waits: dict[str, dict[str, _Wait]] = {}
        self._lock = threading.Lock()

    def observe(self, looks: Iterable[Look]) -> None:
        """Objects as they are now. What the sink refuses was not observed. Raises as the sink does."""
        with self._lock:
            batch = _Batch()
            for look in looks:
                self._look(batch, look)
            self._commit(batch)

    def gone(self, uids: Iterable[str]) -> None:
        """Objects that are no more: their troubles are over."""
        with self._lock:
            self._gone(uids)

    def keep(self, alive: set[str]) -> None:
        """A complete list was read: whatever is not in it is gone."""
        with self._lock:
            self._gone((self._memory.uids() | set(self._waits)) - alive)

    def _gone(self, uids: Iterable[str]) -> None:
        batch = _Batch()
        for uid in uids:
            if uid in self._waits or self._memory.slots(uid):
                for slot, told in self._memory.slots(uid).items():
                    self._close(batch, uid, slot, told)
                batch.changes[uid], batch.waits[uid] = {}, {}
        self._commit(batch)

    def seen(self, *, now: bool = False) -> None:
        """The source was heard from just now; written down about once a minute."""
        with self._lock:
            self._heard.just_now(self._sink, write=now)

    def tick(self) -> None:
        """Tell what has held long enough by now, and what has recovered by now."""
        with self._lock:
            now_ms = self._clock.now_ms()
            due = [uid for uid, waits in self._waits.items() if any(w.due_ms <= now_ms for w in waits.values())]
            batch = _Batch()
            for uid in due[:500]:
                self._due(batch, uid, now_ms)
            self._commit(batch)

    def _due(self, batch: _Batch, uid: str, now_ms: int) -> None:
        slots, waits = dict(self._memory.slots(uid)), dict(self._waits[uid])
        for slot, wait in list(waits.items()):
            if wait.due_ms > now_ms:
                continue
            del waits[slot]
            if wait.finding is not None:
                slots[slot] = self._told(batch, wait.subject, wait.finding, wait.since_ms, slots.get(slot))
            elif (told := slots.get(slot)) is not None:
                slots[slot] = self._close(batch, uid, slot, told)
        batch.changes[uid], batch.waits[uid] = slots, waits

    # ------------------------------------------------------------ one object

    def _look(self, batch: _Batch, look: Look) -> None:
        uid = look.subject.uid
        before = self._memory.slots(uid)
        slots, waits = dict(before), dict[str, _Wait]()
        for finding in look.findings:
            self._finding(batch, look.subject, finding, slots, waits)
        there = {finding.slot for finding in look.findings}
        for slot, told in before.items():
            if slot not in there:
                slots[slot] = self._close(batch, uid, slot, told)
        if slots != before:
            batch.changes[uid] = slots
        if waits or uid in self._waits:
            batch.waits[uid] = waits

    def _finding(
        self, batch: _Batch, subject: Subject, finding: Finding, slots: dict[str, Told], waits: dict[str, _Wait]
    ) -> None:
        told, slot = slots.get(finding.slot), finding.slot
        if told is None and finding.happening and 0 < finding.at_ms < self._heard.not_before_ms:
            return
        now_ms = self._clock.now_ms()
        if not _known(told, finding):
            since_ms = finding.at_ms or self._since_ms(subject.uid, slot, now_ms)
            due_ms = since_ms + round(finding.after_s * 1000)
            if due_ms > now_ms:
                waits[slot] = _Wait(due_ms=due_ms, since_ms=since_ms, subject=subject, finding=finding)
                return
            told = slots[slot] = self._told(batch, subject, finding, since_ms, told)
        if told is not None and told.open and finding.over_ms:
            waits[slot] = _Wait(due_ms=finding.over_ms, since_ms=0, subject=subject, finding=None)

    def _since_ms(self, uid: str, slot: str, now_ms: int) -> int:
        wait = self._waits.get(uid, {}).get(slot)
        return wait.since_ms if wait is not None and wait.finding is not None else now_ms

    def _told(self, batch: _Batch, subject: Subject, finding: Finding, since_ms: int, before: Told | None) -> Told:
        instance = finding.instance or str(since_ms)
        mark = str(finding.ordinal) if finding.ordinal else f"{finding.slot.rpartition('/')[2]}:{instance}"
        container = finding.dead or finding.slot.rpartition("/")[0]
        key = ":".join(filter(None, ("kubernetes", subject.uid, container, mark)))
        signal = self._tell(subject, finding, key, since_ms)
        missed = finding.ordinal - before.ordinal if before and before.ordinal else 1
        signal = replace(signal, count=max(finding.count, missed))
        batch.signals.append(signal)
        lasts = finding.resolves and not signal.exception and not 0 < finding.over_ms <= self._clock.now_ms()
        return Told(instance=instance, ordinal=finding.ordinal, open=_open(signal) if lasts else None)

    def _close(self, batch: _Batch, uid: str, slot: str, told: Told) -> Told:
        if told.open is None:
            return told
        batch.closed.append((uid, slot, told.open))
        return replace(told, open=None)

    # ------------------------------------------------------------ all of them

    def _commit(self, batch: _Batch) -> None:
        self._resolve(batch)
        if batch.changes:
            self._deliver(batch.signals, batch.changes)
        for uid, waits in batch.waits.items():
            if waits:
                self._waits[uid] = waits
            else:
                self._waits.pop(uid, None)

    def _deliver(self, signals: Sequence[Signal], changes: Mapping[str, Slots]) -> None:
        self._sink(signals, self._memory.checkpoints(changes))
        self._memory.put(changes)

    def _resolve(self, batch: _Batch) -> None:
        """Say that a trouble is over, once no other object has it any more."""
        closed: dict[tuple[str, ...], set[tuple[str, str]]] = {}
        for uid, slot, was in batch.closed:
            closed.setdefault(was.group, set()).add((uid, slot))
        again = {
            told.open.group for slots in batch.changes.values() for told in slots.values() if told.open is not None
        }
        for group, members in closed.items():
            if group in again or self._memory.groups.get(group, set()) - members:
                continue
            was = next(o for _, _, o in reversed(batch.closed) if o.group == group)
            batch.signals.append(_resolved(was, self._clock.now_ms()))


def _known(told: Told | None, finding: Finding) -> bool:
    if told is None:
        return False
    if finding.ordinal:
        return told.ordinal >= finding.ordinal
    return told.instance == finding.instance if finding.instance else told.open is not None


def _open(signal: Signal) -> Open:
    labels = {key: signal.labels[key] for key in _OPEN_LABELS if key in signal.labels}
    return Open(key=signal.key, service=signal.service, kind=signal.kind, title=signal.title, labels=labels)


def _resolved(was: Open, now_ms: int) -> Signal:
    return Signal(
        key=f"{was.key}:resolved", source="kubernetes", service=was.service, title=was.title, at_ms=now_ms,
        kind=was.kind, message="it is over", labels=was.labels, resolved=True,
    )  # fmt: skip
