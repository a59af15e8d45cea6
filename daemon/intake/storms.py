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
        self._begun: dict[str, tuple[str, int, str]] = {}
        """incident → service, when it began, why it is held; as stored."""
        self._open: dict[str, Live] = {}
        self._stored: dict[tuple[str, int], int] = {}
        self.raised_now: list[Live] = []

    def recall(self, services: Collection[str], since_ms: int, until_ms: int) -> None:
        """Read what began near a period, and the storms that are on."""
        for row in self._ingest.begun(services, since_ms - self._window_ms, until_ms + self._window_ms):
            self._begun[row["id"]] = (row["service"], row["first_at_ms"], row["held"])
        storms = [row["id"] for row in self._ingest.storms(services)]
        self._memory.complete(storms)
        self._open.update({name: self._memory.lives[name] for name in storms})

    def of(self, service: str, at_ms: int) -> Live | None:
        """The storm a service is in at a time; the last that began, when there are several."""
        on = [live for live in self._open.values() if live.service == service and live.state is IncidentState.OPEN
              and (abs(at_ms - live.first_at_ms) <= self._window_ms or self._rages(live, at_ms))]  # fmt: skip
        return max(on, key=lambda live: (live.first_at_ms, live.id), default=None)

    def _rages(self, live: Live, at_ms: int) -> bool:
        since_ms = at_ms // BUCKET_MS * BUCKET_MS - self._window_ms
        if (live.id, since_ms) not in self._stored:
            self._stored[live.id, since_ms] = 0 if live.new else self._ingest.bucketed(live.id, since_ms)
        now = sum(times for minute, times in live.buckets.items() if minute >= since_ms)
        return self._stored[live.id, since_ms] + now >= self._most

    def full(self, service: str, at_ms: int) -> bool:
        """Whether so many incidents began in a service near a time that no more may."""
        near = [name for name, (_, begun_ms, _) in self._begun.items() if abs(begun_ms - at_ms) <= self._window_ms]
        return sum(self._counts(name, service) for name in near) >= self._most

    def _counts(self, name: str, service: str) -> bool:
        """Whether an incident is, by now, one of a service that is not accounted for otherwise."""
        at, _, held = self._begun[name]
        if (live := self._memory.lives.get(name)) is not None:
            at, held = live.service, live.held
            if live.joined:
                return False
        return at == service and held not in ("known", "storm")

    def began(self, live: Live) -> None:
        """One more incident of a service."""
        self._begun[live.id] = (live.service, live.first_at_ms, live.held)

    def raised(self, live: Live) -> None:
        """A storm begins."""
        self._open[live.id] = live
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
