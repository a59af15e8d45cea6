"""What was told of each object, small enough to keep for ten thousand of them, and how that survives a restart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

SHARDS = 32
_SHARED = frozenset({"crash_loop", "oom"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Open:
    """A trouble that was told and is not over: what its resolution must repeat."""

    key: str
    service: str
    kind: str
    title: str
    labels: Mapping[str, str]

    @property
    def group(self) -> tuple[str, ...]:
        """Equal for those that are over only when the last of them is: deaths, of which each pod of a workload has its
        own. States end one by one; whether others still hold is counted where incidents are made.
        """
        if self.kind not in _SHARED:
            return (self.key,)
        return (self.service, self.kind, self.title, self.labels.get("namespace", ""), self.labels.get("workload", ""))


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """The last occurrence that was told of one slot of one object; `open` while it lasts."""

    instance: str
    ordinal: int = 0
    open: Open | None = None


Slots = Mapping[str, Told]


class Memory:
    """Object → slot → told. Written in shards, so that one change does not rewrite what is known of all others."""

    def __init__(self, name: str, checkpoints: Mapping[str, str]) -> None:
        self._name = name
        self._told: dict[str, Slots] = {}
        self._shards: list[set[str]] = [set() for _ in range(SHARDS)]
        self.groups: dict[tuple[str, ...], set[tuple[str, str]]] = {}
        for number in range(SHARDS):
            self.put(_load(checkpoints.get(self._key(number), "")))

    def slots(self, uid: str) -> Slots:
        """What is known of one object."""
        return self._told.get(uid, {})

    def uids(self) -> set[str]:
        """The objects anything is known of."""
        return set(self._told)

    def put(self, changes: Mapping[str, Slots]) -> None:
        """Replace what is known of some objects; nothing known forgets one."""
        for uid, slots in changes.items():
            self._count(uid, self._told.pop(uid, {}), slots)
            shard = self._shards[_shard(uid)]
            shard.discard(uid)
            if slots:
                self._told[uid] = slots
                shard.add(uid)

    def _count(self, uid: str, before: Slots, after: Slots) -> None:
        for slot, told in before.items():
            if told.open is not None:
                members = self.groups.get(told.open.group, set())
                members.discard((uid, slot))
                if not members:
                    self.groups.pop(told.open.group, None)
        for slot, told in after.items():
            if told.open is not None:
                self.groups.setdefault(told.open.group, set()).add((uid, slot))

    def checkpoints(self, changes: Mapping[str, Slots]) -> dict[str, str]:
        """The shards as they will be after `put(changes)`."""
        made = {}
        for number in {_shard(uid) for uid in changes}:
            uids = self._shards[number] | {uid for uid in changes if _shard(uid) == number}
            known = {uid: changes.get(uid, self._told.get(uid, {})) for uid in sorted(uids)}
            made[self._key(number)] = json.dumps(_dump(known), separators=(",", ":"))
        return made

    def _key(self, number: int) -> str:
        return f"{self._name}:{number:02d}"


def _shard(uid: str) -> int:
    return crc32(uid.encode("utf-8", "replace")) % SHARDS


def _dump(known: Mapping[str, Slots]) -> dict[str, Any]:
    return {
        uid: {
            slot: [t.instance, t.ordinal, [t.open.key, t.open.service, t.open.kind, t.open.title, dict(t.open.labels)]
                   if t.open else None]
            for slot, t in slots.items()
        }
        for uid, slots in known.items()
        if slots
    }  # fmt: skip


def _load(saved: str) -> dict[str, Slots]:
    try:
        return {str(uid): _slots(slots.items()) for uid, slots in json.loads(saved or "{}").items()}
    except (ValueError, TypeError, AttributeError, KeyError):
        return {}


def _slots(items: Iterable[tuple[str, Any]]) -> Slots:
    made = {}
    for slot, (instance, ordinal, opened) in items:
        still = None
        if opened is not None:
            key, service, kind, title, labels = (opened[0], opened[1], opened[2], opened[3], opened[4])
            still = Open(key=key, service=service, kind=kind, title=title, labels=dict(labels))
        made[str(slot)] = Told(instance=str(instance), ordinal=int(ordinal), open=still)
    return made
