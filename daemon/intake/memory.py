"""The part of the store one batch needs, read as sets before it and written as sets after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from typing import Any

from nightshift.daemon.intake.live import CASE, MAX_TURNS, Facet, Key, Live, Row
from nightshift.daemon.intake.matching import worst
from nightshift.daemon.model import Event, Signal, dump
from nightshift.daemon.store.store import Store

_SAME_MS = 3_600_000
"""An instance that fires on is written down again after so long."""
_GATHERING = frozenset({"queued", "gathering"})


class Memory:
    """Incidents, facets, ties, missions and firing alerts that a batch touches."""

    def __init__(self, store: Store, signals: MutableMapping[tuple[str, str], Signal]) -> None:
        self._store, self._ingest, self._signals = store, store.ingest, signals
        self.lives: dict[str, Live] = {}
        self.by_key: dict[Key, tuple[Live, Facet]] = {}
        self.by_token: dict[str, dict[str, Live]] = {}
        self.missions: dict[str, Row | None] = {}
        self.instances: dict[str, tuple[int, int, str]] = {}
        """instance → fires since, over since (0: it fires), incident."""
        self._stored: dict[str, dict[Key, int]] = {}
        """incident → stream → how many of its instances fired in it before this batch."""
        self._fires: Counter[tuple[str, Key]] = Counter()
        """The same: how many more since."""
        self.seen: dict[str, tuple[int, Live | None, str, int]] = {}
        self.events: list[tuple[Event, str]] = []
        self.elsewhere: dict[tuple[str, str], tuple[int, str, int]] = {}
        """Decisions that belong to no incident: (subject, action) → times, last reason, when."""
        self._fired: dict[str, Row] = {}
        self._merges: list[tuple[Live, Live]] = []
        self._whole: set[str] = set()
        self._put: list[Facet] = []

    # ------------------------------------------------------------ reading

    def recall(self, keys: Collection[Key]) -> None:
        """Read the newest incident of each (service, fingerprint)."""
        wanted = set(keys)
        rows = [
            r for r in self._ingest.latest({mark for _, mark in keys}) if (r["service"], r["fingerprint"]) in wanted
        ]
        for row in rows:
            if row["incident"] not in self.lives:
                self.lives[row["incident"]] = Live.of({name: row[f"i_{name}"] for name in CASE})
        for row in sorted(rows, key=lambda r: r["incident"]):
            facet, live = Facet.of(row), self.lives[row["incident"]]
            live.facets[facet.key] = facet
            self.by_key[facet.key] = (live, facet)

    def _read(self, ids: Collection[str]) -> None:
        for row in self._ingest.cases([i for i in ids if i not in self.lives]):
            self.lives[row["id"]] = Live.of(row)

    def candidates(self, tokens: Collection[str], since_ms: int, until_ms: int) -> None:
        """Read the incidents that began in a period and have any of these ties, whole."""
        ids = {row["incident"] for row in self._ingest.tied(tokens, since_ms, until_ms)}
        self.complete(ids)
        for row in self._ingest.ties_of(ids):
            self.lives[row["incident"]].tokens[row["token"]] = row["at_ms"]
            self.by_token.setdefault(row["token"], {})[row["incident"]] = self.lives[row["incident"]]

    def complete(self, ids: Collection[str]) -> None:
        """Read all facets and the mission of incidents."""
        missing = [i for i in ids if i not in self._whole and not (i in self.lives and self.lives[i].new)]
        self._read(missing)
        for row in self._ingest.facets_of(missing):
            live, key = self.lives[row["incident"]], (row["service"], row["fingerprint"])
            if key not in live.facets:
                live.facets[key] = Facet.of(row)
        self._whole.update(missing)
        self.mission_rows(missing)

    def mission_rows(self, ids: Collection[str]) -> None:
        """Read the missions of incidents."""
        missing = [i for i in ids if i not in self.missions]
        found = self._ingest.missions_of(missing)
        self.missions.update({i: found.get(i) for i in missing})

    def mission(self, live: Live) -> Row | None:
        """The mission of an incident; None when it has none."""
        if live.new:
            return None
        self.mission_rows([live.id])
        return self.missions[live.id]

    def promotable(self, live: Live) -> bool:
        """Whether what an incident is mended from may still change: its mission has not gathered it."""
        row = self.mission(live)
        return row is None or (row["stage"] in _GATHERING and not row["gathered"])

    def recall_fires(self, instances: Mapping[str, Key]) -> None:
        """Read which of these instances of alerts fire, and how many do in the incidents they are in."""
        for row in self._ingest.firing(list(instances)):
            self.instances[row["instance"]] = (row["at_ms"], row["over_ms"], row["incident"])
        self._stored_fires({self.by_key[key][0].id for key in instances.values() if key in self.by_key})

    def _stored_fires(self, ids: Iterable[str]) -> None:
        missing = [i for i in ids if i not in self._stored]
        self._stored.update({i: {} for i in missing})
        for row in self._ingest.firing_of(missing):
            self._stored[row["incident"]][row["service"], row["fingerprint"]] = row["count"]

    def fires(self, live: Live, key: Key) -> int:
        """How many instances of a stream fire in an incident."""
        ids = self.parts(live)
        self._stored_fires(ids)
        return sum(self._stored[i].get(key, 0) + self._fires[i, key] for i in ids)

    def parts(self, live: Live) -> list[str]:
        """An incident and those that became part of it in this batch."""
        return [live.id, *(loser.id for loser, _ in self._merges if self.owner(loser) is live)]

    # ------------------------------------------------------------ changing

    def add(self, live: Live) -> None:
        """A new incident."""
        self.lives[live.id] = live

    def put(self, live: Live, facet: Facet, tokens: Iterable[str]) -> None:
        """A new facet of an incident, found from now on."""
        live.put(facet, dict.fromkeys(tokens, facet.first_at_ms))
        self._put.append(facet)
        self.by_key[facet.key] = (live, facet)
        for token in live.new_tokens:
            self.by_token.setdefault(token, {})[live.id] = live

    def fire(self, name: str, key: Key, live: Live, at_ms: int, over_ms: int) -> None:
        """An instance of an alert fires or is over."""
        since_ms, was_over_ms, before = self.instances.get(name, (0, 1, ""))
        if not over_ms and not was_over_ms and before in self.parts(live) and at_ms - since_ms < _SAME_MS:
            return
        self.instances[name] = (at_ms, over_ms, live.id)
        self._fires[before, key] -= not was_over_ms
        self._fires[live.id, key] += not over_ms
        row = {"instance": name, "service": key[0], "fingerprint": key[1], "at_ms": at_ms, "over_ms": over_ms}
        self._fired[name] = {**row, "live": live}

    def absorb(self, loser: Live, winner: Live, why: str) -> None:
        """All of one incident becomes part of another."""
        for facet in loser.facets.values():
            facet.why = facet.why or why
            facet.dirty = True
            kept = winner.facets[facet.key] = _united(winner.facets.get(facet.key), facet)
            if self.by_key.get(facet.key, (loser, facet))[0] in (loser, winner):
                self.by_key[facet.key] = (winner, kept)
        for token, at_ms in loser.tokens.items():
            winner.tokens.setdefault(token, at_ms)
            winner.new_tokens.setdefault(token, at_ms)
            self.by_token.setdefault(token, {})[winner.id] = winner
        winner.more += loser.count
        winner.count += loser.count
        winner.last_at_ms = max(winner.last_at_ms, loser.last_at_ms)
        winner.dirty = True
        for minute, times in loser.buckets.items():
            winner.buckets[minute] = winner.buckets.get(minute, 0) + times
        loser.buckets, loser.joined, loser.facets, loser.tokens = {}, winner.id, {}, {}
        self._merges.append((loser, winner))

    def owner(self, live: Live) -> Live:
        """The incident that took this one over, or itself."""
        while live.joined and live.joined in self.lives:
            live = self.lives[live.joined]
        return live

    # ------------------------------------------------------------ writing

    def write(self) -> None:
        """Everything, in a handful of statements."""
        self._signal_of([live for live in self.lives.values() if not live.new and "signal" not in live.changed])
        lives = [live for live in self.lives.values() if not live.joined]
        # An incident that began and was taken over in one batch leaves nothing but its successor.
        self._ingest.insert("incidents", [dump(live.incident()) for live in lives if live.new])
        for loser, winner in self._merges:
            if not loser.new:
                self._ingest.merge(loser.id, self.owner(winner).id)
        self._write_facets(lives)
        for live in lives:
            if live.changed and not live.new:
                self._change(live)
        self._ingest.see([self._seen(key, *row) for key, row in self.seen.items()])
        self._write_rest(lives)

    def _write_facets(self, lives: Iterable[Live]) -> None:
        facets = [(live, facet) for live in lives for facet in live.facets.values() if facet.dirty]
        new = {id(facet): _facet(live, facet) for live, facet in facets if facet.signal is not None}
        self._ingest.insert("facets", [new[id(facet)] for facet in self._put if id(facet) in new])
        self._ingest.count(
            [_counted(live) for live in lives if live.dirty and not live.new],
            [_recount(live, facet) for live, facet in facets if facet.signal is None],
        )

    def _change(self, live: Live) -> None:
        values = {name: getattr(live, name) for name in live.changed}
        if "signal" in values:
            values["signal"] = dump(live.signal)
        if "state" in values:
            values["state"] = live.state.value
        self._ingest.change(live.id, values)
        if "service" in values:
            self._ingest.hand_over(live.id, live.service)

    def _write_rest(self, lives: Iterable[Live]) -> None:
        buckets = [{"incident": live.id, "at_ms": at, "count": n} for live in lives for at, n in live.buckets.items()]
        self._ingest.add("buckets", buckets)
        said = [(live.id, action, *what) for live in self.lives.values() for action, what in live.said.items()]
        said += [(subject, action, *what) for (subject, action), what in self.elsewhere.items()]
        self._ingest.add("decisions", [_said(self._subject(row[0]), *row[1:]) for row in said])
        samples = [(live.id, slot, *what) for live in lives for slot, what in live.samples.items()]
        self._ingest.add("samples", [dict(zip(("incident", "slot", "at_ms", "text"), s, strict=True)) for s in samples])
        ties = [{"token": t, "incident": live.id, "at_ms": at} for live in lives for t, at in live.new_tokens.items()]
        self._ingest.add("ties", ties)
        fired = [{**{k: v for k, v in row.items() if k != "live"}, "incident": self.owner(row["live"]).id}
                 for row in self._fired.values()]  # fmt: skip
        self._ingest.add("firing", fired)
        for event, key in self.events:
            self._store.journal.append(event, key=key)

    def _seen(self, key: str, at_ms: int, live: Live | None, mark: str, times: int) -> Row:
        incident = self.owner(live).id if live else ""
        return {"key": key, "at_ms": at_ms, "incident": incident, "fingerprint": mark, "count": times}

    def _subject(self, name: str) -> str:
        return self.owner(self.lives[name]).id if name in self.lives else name[:240]

    def _signal_of(self, lives: Iterable[Live]) -> None:
        """What each incident is mended from; parsed once for all batches."""
        wanted = {live.id: live for live in lives if live.signal is None}
        missing = [i for i, live in wanted.items() if (i, live.fingerprint) not in self._signals]
        for name, signal in self._ingest.signals(missing).items():
            self._signals[name, wanted[name].fingerprint] = signal
        for name, live in wanted.items():
            live.signal = self._signals[name, live.fingerprint]


def _united(a: Facet | None, b: Facet) -> Facet:
    """One kind of signals that was told of in two incidents; one that is stored stays."""
    if a is None:
        return b
    kept, other = (a, b) if a.signal is None else (b, a)
    kept.first_at_ms, kept.last_at_ms = min(a.first_at_ms, b.first_at_ms), max(a.last_at_ms, b.last_at_ms)
    kept.count, kept.more = a.count + b.count, a.more + b.more
    kept.severity, kept.turns = worst(a.severity, b.severity), sorted(a.turns + b.turns)
    kept.why, kept.dirty = other.why and kept.why, True
    return kept


def _facet(live: Live, facet: Facet) -> Row:
    names = ("service", "fingerprint", "source", "kind", "title", "first_at_ms", "last_at_ms", "count", "rank", "why")
    row: dict[str, Any] = {name: getattr(facet, name) for name in names}
    return {
        **row, "incident": live.id, "severity": facet.severity.value, "turns": _turns(facet),
        "signal": dump(facet.signal),
    }  # fmt: skip


def _recount(live: Live, facet: Facet) -> Row:
    return {
        "b_incident": live.id, "b_service": facet.service, "b_fingerprint": facet.fingerprint, "more": facet.more,
        "last": facet.last_at_ms, "first": facet.first_at_ms, "worst": facet.severity.value, "turned": _turns(facet),
        "because": facet.why,
    }  # fmt: skip


def _turns(facet: Facet) -> str:
    return " ".join(map(str, facet.turns[-MAX_TURNS:]))


def _counted(live: Live) -> Row:
    return {"b_id": live.id, "more": live.more, "last": live.last_at_ms, "worst": live.severity.value,
            "why_held": live.held}  # fmt: skip


def _said(subject: str, action: str, count: int, reason: str, at_ms: int) -> Row:
    return {"subject": subject, "action": action, "count": count, "reason": reason[:500], "at_ms": at_ms}
