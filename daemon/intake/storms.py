"""Too much at once: said once, counted in full, and never allowed to become as many incidents or missions."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from nightshift.daemon.intake.heard import Heard
from nightshift.daemon.intake.live import BUCKET_MS, Live
from nightshift.daemon.intake.memory import Memory
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import IncidentState, Signal
from nightshift.daemon.store.ingest import Ingest

_METER_S = 10


class Storms:
    """Storms of new kinds, over one batch: how many incidents began near a time in a service."""

    def __init__(self, memory: Memory, ingest: Ingest, most: int, window_ms: int) -> None:
        self._memory, self._ingest, self._most, self._window_ms = memory, ingest, most, window_ms
        self._begun: dict[str, list[int]] = {}
        self._open: dict[str, Live] = {}
        self._hot: dict[tuple[str, int], bool] = {}
        self.raised_now: list[Live] = []

    def recall(self, services: Collection[str], since_ms: int, until_ms: int) -> None:
        """Read what began near a period, and the storms that are on."""
        for row in self._ingest.begun(services, since_ms - self._window_ms, until_ms + self._window_ms):
            if row["held"] not in ("known", "storm"):
                self._begun.setdefault(row["service"], []).append(row["first_at_ms"])
        storms = {row["id"]: row["service"] for row in self._ingest.storms(services)}
        self._memory.complete(storms)
        self._open = {service: self._memory.lives[name] for name, service in storms.items()}

    def of(self, service: str, at_ms: int) -> Live | None:
        """The storm a service is in at a time."""
        live = self._open.get(service)
        if live is None or abs(at_ms - live.first_at_ms) <= self._window_ms:
            return live
        minute = at_ms // BUCKET_MS * BUCKET_MS
        if (service, minute) not in self._hot:
            lately = 0 if live.new else self._ingest.bucketed(live.id, minute - self._window_ms)
            self._hot[service, minute] = lately >= self._most
        return live if self._hot[service, minute] else None

    def full(self, service: str, at_ms: int) -> bool:
        """Whether so many incidents began in a service near a time that no more may."""
        near = [at for at in self._begun.get(service, ()) if abs(at - at_ms) <= self._window_ms]
        return len(near) >= self._most

    def began(self, live: Live) -> None:
        """One more incident."""
        if live.held != "known":
            self._begun.setdefault(live.service, []).append(live.first_at_ms)

    def raised(self, live: Live) -> None:
        """A storm begins."""
        self._open[live.service] = live
        self.raised_now.append(live)


def storm_of(h: Heard, most: int, window_s: float) -> Live:
    """The incident of a storm that begins with this signal; it explains itself, for there is nothing to mend."""
    service = h.signal.service
    title = f"storm: more than {most} new kinds of incident in {service} within {window_s:.0f} s"
    text = f"{title}. What came after them is counted here and gets no mission; the first kinds are listed."
    signal = Signal(key=h.key, source="intake", service=service, title=title, at_ms=h.at_ms, kind="storm",
                    severity=h.signal.severity, message=text, sample=text)  # fmt: skip
    mark = stable_id("fp", "storm", service)
    return Live(
        id=stable_id("inc", service, mark, h.key), fingerprint=mark, service=service, title=title, signal=signal,
        severity=signal.severity, state=IncidentState.OPEN, first_at_ms=h.at_ms, last_at_ms=h.at_ms, new=True,
        held="storm",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Gust:
    """A source and service that began to say more per second than is listened to in full."""

    source: str
    service: str
    per_s: float


class Meter:
    """How much each source says of each service, over the last ten seconds by our clock."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._seconds: deque[tuple[int, Counter[tuple[str, str]]]] = deque()
        self._total: Counter[tuple[str, str]] = Counter()
        self.stormy: set[tuple[str, str]] = set()

    def hear(self, now_ms: int, counts: Mapping[tuple[str, str], int]) -> list[Gust]:
        """Add a batch; returns what has just become a storm."""
        second = now_ms // 1000
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, Counter()))
        self._seconds[-1][1].update(counts)
        self._total.update(counts)
        while self._seconds[0][0] <= second - _METER_S:
            self._total -= self._seconds.popleft()[1]
        loud = {who for who, count in self._total.items() if count >= self._rate * _METER_S}
        calm = {who for who in self.stormy if self._total[who] < self._rate * _METER_S / 2}
        begun = loud - self.stormy
        self.stormy = (self.stormy | loud) - calm
        return [Gust(source=who[0], service=who[1], per_s=self._total[who] / _METER_S) for who in sorted(begun)]


class Turnstile:
    """How many missions may start for a service in a while."""

    def __init__(self, most: int, window_ms: int) -> None:
        self._most, self._window_ms = most, window_ms
        self._let: dict[str, deque[int]] = {}

    def may(self, service: str, now_ms: int) -> bool:
        """Whether one more may start now; counts it if so."""
        let = self._let.setdefault(service, deque())
        while let and let[0] <= now_ms - self._window_ms:
            let.popleft()
        if len(let) >= self._most:
            return False
        let.append(now_ms)
        return True
