"""One batch of signals, decided one after the other over what the store knew before it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.daemon.intake.cleaning import clean, excerpt, title
from nightshift.daemon.intake.correlation import Correlation, Joiner, Match
from nightshift.daemon.intake.deploys import Deploys
from nightshift.daemon.intake.heard import Heard
from nightshift.daemon.intake.live import Facet, Live
from nightshift.daemon.intake.matching import Rules
from nightshift.daemon.intake.memory import Memory
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.intake.storms import Storms, storm_of
from nightshift.daemon.intake.ties import Ties
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Event, Incident, IncidentState
from nightshift.daemon.store.ingest import Ingest

MAX_FACETS = 100
"""How many kinds of signals an incident remembers; further ones are only counted."""
RESERVOIR = 8
_SAMPLES_A_BATCH = 2
"""To mask the secrets of a text costs as much as to count ten signals."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What was decided; `snapshot` is the incident as it was announced."""

    action: str
    reason: str
    live: Live | None = None
    snapshot: Incident | None = None


class Batch:
    """Decides and collects; `write` puts everything into the caller's transaction."""

    def __init__(self, memory: Memory, ingest: Ingest, settings: Settings, rules: Rules, correlation: Correlation,
                 storms: Storms, deploys: Deploys, now_ms: int, keep_last: Callable[[str], bool]) -> None:  # fmt: skip
        self._ties = Ties(memory, correlation, storms, deploys, round(settings.correlate_s * 1000))
        self._memory, self._ingest, self._settings, self._rules = memory, ingest, settings, rules
        self._correlation, self._storms, self._now_ms, self._keep_last = correlation, storms, now_ms, keep_last
        self._known: dict[str, str] = {}

    def decide(self, given: Sequence[Heard]) -> list[Verdict]:
        """One verdict each, in turn."""
        self._known = self._ingest.known({h.key for h in given})
        fresh = [h for h in given if h.key not in self._known]
        self._recall(fresh)
        self._ties.prepare([h for h in fresh if not h.signal.resolved and self._may_join(h)])
        return [self._decide(h) for h in given]

    def _recall(self, fresh: Sequence[Heard]) -> None:
        self._memory.recall({h.stream for h in fresh})
        firing = {h.instance: h.stream for h in fresh if h.holds}
        if firing:
            self._memory.recall_fires(firing)
        over = [live.id for live, _ in self._memory.by_key.values() if not live.alive]
        self._memory.mission_rows(over)

    def _may_join(self, h: Heard) -> bool:
        found = self._memory.by_key.get(h.stream)
        return found is None or not found[0].alive or bool(found[1].why)

    # ------------------------------------------------------------ deciding

    def _decide(self, h: Heard) -> Verdict:
        if h.key in self._known or h.key in self._memory.seen:
            return self._duplicate(h)
        if silence := self._rules.silence(h.signal, h.mark, h.at_ms):
            return self._apart(h, "silenced", silence)
        live, facet = self._memory.by_key.get(h.stream, (None, None))
        if live is not None and facet is not None and self._stale(h, live, facet):
            return self._resolve(h, live, facet) if h.signal.resolved else self._begin(h, live, facet)
        if h.signal.resolved:
            return self._resolve(h, live, facet)
        if h.holds and (late := self._fires(h, live, facet)):
            return self._apart(h, "ignored", late)
        if live is None or facet is None:
            return self._begin(h, None, None)
        if live.alive:
            return self._count(h, live, facet)
        if h.at_ms - (ended_ms := self._ended_ms(live)) <= self._settings.cool_down_s * 1000:
            return self._cool(h, live, facet, ended_ms)
        return self._begin(h, live, facet)

    def _duplicate(self, h: Heard) -> Verdict:
        live = self._memory.seen[h.key][1] if h.key in self._memory.seen else None
        reason = "this observation was counted before"
        self._say(live, self._known.get(h.key) or f"service:{h.signal.service}", "duplicate", reason)
        return Verdict(action="duplicate", reason=reason)

    def _say(self, live: Live | None, subject: str, action: str, reason: str) -> None:
        if live is not None:
            live.say(action, reason, self._now_ms)
            return
        times = self._memory.elsewhere.get((subject, action), (0,))[0]
        self._memory.elsewhere[subject, action] = (times + 1, reason, self._now_ms)

    def _apart(self, h: Heard, action: str, reason: str, live: Live | None = None) -> Verdict:
        """Remembered as seen, counted nowhere."""
        self._memory.seen[h.key] = (h.last_at_ms, None, h.mark, h.times)
        self._say(live, f"service:{h.signal.service}", action, reason)
        return Verdict(action=action, reason=reason, live=live)

    def _stale(self, h: Heard, live: Live, facet: Facet) -> bool:
        """What once joined an incident and was quiet for longer than the window is a matter of its own again."""
        away_ms = max(self._settings.correlate_s, self._settings.cool_down_s) * 1000
        return bool(facet.why) and live.alive and h.at_ms - facet.last_at_ms > away_ms and not h.signal.resolved

    def _ended_ms(self, live: Live) -> int:
        """When an incident ended: its last signal, or its mission's end if that came later."""
        mission = self._memory.mission(live)
        return max(live.last_at_ms, mission["updated_at_ms"] if mission else 0)

    def _needed(self, service: str) -> int:
        return self._settings.min_counts.get(service, self._settings.min_count)

    # ------------------------------------------------------------ counting

    def _see(self, h: Heard, live: Live, facet: Facet | None, *, cooling: bool = False) -> None:
        self._memory.seen[h.key] = (h.last_at_ms, live, h.mark, h.times)
        last_ms = live.last_at_ms
        live.see(facet, h.at_ms, h.last_at_ms, h.times, h.signal.severity)
        if cooling:
            live.last_at_ms = last_ms
        self._sample(h, live)

    def _sample(self, h: Heard, live: Live) -> None:
        """The first, the last (now and then) and a reservoir: Vitter's algorithm R by the key's hash, two a batch."""
        slots = ["first"] if live.new and live.count == h.times else ["last"] if self._keep_last(live.id) else []
        chosen = zlib.crc32(h.key.encode("utf-8", "replace")) % live.count
        slot = live.count - 1 if live.count <= RESERVOIR else chosen
        if slot < RESERVOIR and not slots and len(live.samples) < _SAMPLES_A_BATCH:
            slots.append(f"s{slot}")
        if slots:
            text = excerpt(h.signal)
            live.samples.update(dict.fromkeys(slots, (h.last_at_ms, text)))

    def _count(self, h: Heard, live: Live, facet: Facet) -> Verdict:
        self._see(h, live, facet)
        return self._counted(h, live, f"known and {live.state.value}; number {live.count}", "counted")

    def _counted(self, h: Heard, live: Live, reason: str, action: str) -> Verdict:
        """After counting: does the incident get its mission now?"""
        if live.held in ("known", "threshold") and (known := self._rules.known(h.signal, h.mark)):
            live.held = "known"
            return self._verdict(live, "known", known)
        if live.held == "known":
            live.held = "threshold"
        if live.held == "threshold" and live.state is IncidentState.OPEN:
            needed, so_far = self._needed(live.service), self._so_far(live, h.last_at_ms)
            if so_far >= needed:
                live.held, live.announce = "", True
                return self._verdict(live, "opened", f"reached {so_far} of {needed}; {reason}", announce=True)
            return self._verdict(live, "below_threshold", f"{self._of(so_far, needed)}; {reason}")
        if live.held in ("flapping", "storm"):
            return self._verdict(live, live.held, f"{live.held}; number {live.count}")
        return self._verdict(live, action, reason)

    def _of(self, so_far: int, needed: int) -> str:
        window_s = self._settings.min_count_window_s
        within = f" within {window_s:.0f} s" if window_s else ""
        return f"{so_far} of {needed}{within} before a mission starts"

    def _so_far(self, live: Live, at_ms: int) -> int:
        """The count that a threshold is about."""
        window_ms = round(self._settings.min_count_window_s * 1000)
        if not window_ms:
            return live.count
        stored = [part for part in self._memory.parts(live) if not self._memory.lives[part].new]
        before = sum(self._ingest.counted(part, at_ms - window_ms) for part in stored)
        here = [
            row for row in self._memory.seen.values()
            if row[1] is not None and self._memory.owner(row[1]) is live and row[0] >= at_ms - window_ms
        ]  # fmt: skip
        return before + sum(row[3] for row in here)

    def _cool(self, h: Heard, live: Live, facet: Facet, ended_ms: int) -> Verdict:
        """Counted without moving the incident's last time: the cool-down must end even if stragglers never do.

        What a person dismissed stays dismissed for as long as it keeps happening.
        """
        self._see(h, live, facet, cooling=live.state is not IncidentState.DISMISSED)
        late_s = max(0, h.at_ms - ended_ms) / 1000
        reason = f"{live.state.value} {late_s:.0f} s ago, within {self._settings.cool_down_s:.0f} s of cool-down"
        return self._verdict(live, "cooling_down", reason)

    def _verdict(self, live: Live, action: str, reason: str, *, announce: bool = False) -> Verdict:
        live.say(action, reason, self._now_ms)
        if not announce:
            return Verdict(action=action, reason=reason, live=live)
        if live.signal is None:
            live.signal = self._ingest.signals([live.id])[live.id]
        return Verdict(action=action, reason=reason, live=live, snapshot=live.incident())

    # ------------------------------------------------------------ beginning

    def _begin(self, h: Heard, before: Live | None, was: Facet | None) -> Verdict:
        """The first of its kind, or the first again: it joins an incident or begins one."""
        h = self._ties.of(h)
        turns = list(was.turns) if was else []
        if h.holds:
            turns.append(h.at_ms)
        known = self._rules.known(h.signal, h.mark)
        flaps = self._flaps(turns, h.at_ms)
        facet = _facet(h, turns)
        storm = self._storms.of(h.signal.service, h.at_ms) if h.rank else None
        if not known and not flaps and storm is None:
            joiner = Joiner(service=h.signal.service, rank=h.rank, at_ms=h.at_ms, tokens=h.tokens)
            matches = self._correlation.matches(joiner)
            if matches:
                return self._join(h, facet, matches)
            storm = self._storms.of(h.signal.service, h.at_ms)
        if storm is None and not known and self._storms.full(h.signal.service, h.at_ms):
            storm = self._storm(h)
        if storm is not None and not known:
            return self._into_storm(h, storm, facet)
        return self._open(h, facet, before, known or ("flapping" if flaps else ""))

    def _flaps(self, turns: Sequence[int], at_ms: int) -> bool:
        since_ms = at_ms - self._settings.flap_window_s * 1000
        return len([turn for turn in turns if turn > since_ms]) > self._settings.flap_count

    def _open(self, h: Heard, facet: Facet, before: Live | None, why_held: str) -> Verdict:
        name = stable_id("inc", h.signal.service, h.mark, h.key)
        if name in self._memory.lives or self._ingest.cases([name]):
            return Verdict(action="duplicate", reason="the memory of this observation had expired")
        kept = clean(h.signal)
        facet.signal = kept
        held = "flapping" if why_held == "flapping" else "known" if why_held else "threshold"
        live = Live(
            id=name, fingerprint=h.mark, service=h.signal.service, title=kept.title, severity=h.signal.severity,
            state=IncidentState.OPEN, first_at_ms=h.at_ms, last_at_ms=h.at_ms, signal=kept, new=True, held=held,
            previous=before.id if before else "",
        )  # fmt: skip
        self._memory.add(live)
        self._memory.put(live, facet, h.tokens)
        self._storms.began(live)
        self._fire(h, live)
        self._see(h, live, facet)
        return self._opened(live, why_held)

    def _opened(self, live: Live, why_held: str) -> Verdict:
        reason = f"seen again after {live.previous}" if live.previous else "seen for the first time"
        if live.held == "flapping":
            times, hours = self._settings.flap_count, self._settings.flap_window_s / 3600
            reason += f"; it fired more than {times} times in {hours:g} h: it flaps, no mission"
            verdict = self._verdict(live, "flapping", reason)
        elif live.held == "known":
            reason = f"{reason}; {why_held}"
            verdict = self._verdict(live, "known", reason)
        else:
            needed, so_far = self._needed(live.service), live.count
            if so_far >= needed:
                live.held, live.announce = "", True
                verdict = self._verdict(live, "opened", reason, announce=True)
            else:
                reason += f"; {self._of(so_far, needed)}"
                verdict = self._verdict(live, "below_threshold", reason)
        self._journal(live, "open", reason)
        return verdict

    def _join(self, h: Heard, facet: Facet, matches: Sequence[Match]) -> Verdict:
        target = matches[0]
        if h.stream in target.live.facets:  # it was there before, long ago as such things go
            return self._count(h, target.live, target.live.facets[h.stream])
        live, best = target.live, target.live.rank
        if len(live.facets) >= MAX_FACETS:
            self._see(h, live, None)
            return self._counted(h, live, f"{target.why}; more kinds than are told apart", "joined")
        for other in self._correlation.absorbed(matches[1:]):
            self._journal(other.live, "joined", f"part of {live.id}: {other.why}")
            self._memory.absorb(other.live, live, other.why)
        facet.why, facet.signal = target.why, clean(h.signal)
        self._memory.put(live, facet, h.tokens)
        self._fire(h, live)
        self._see(h, live, facet)
        reason = target.why
        if (h.rank > best or target.root) and self._memory.promotable(live):
            self._promote(live, facet)
            reason += "; it is what the incident is mended from now"
        self._journal(live, "joined", f"{facet.title}: {reason}")
        return self._counted(h, live, reason, "joined")

    def _promote(self, live: Live, facet: Facet) -> None:
        for other in live.facets.values():
            if other.key == (live.service, live.fingerprint) and not other.why:
                other.why, other.dirty = "it came first", True
        live.set(fingerprint=facet.fingerprint, service=facet.service, title=facet.title, signal=facet.signal)
        self._storms.began(live)

    # ------------------------------------------------------------ storms

    def _storm(self, h: Heard) -> Live:
        live = storm_of(h, self._settings.max_new_incidents, self._settings.storm_window_s)
        self._memory.add(live)
        self._storms.raised(live)
        self._journal(live, "storm", live.title)
        return live

    def _into_storm(self, h: Heard, live: Live, facet: Facet) -> Verdict:
        if h.stream in live.facets:
            self._see(h, live, live.facets[h.stream])
        elif len(live.facets) < MAX_FACETS // 2:
            facet.why, facet.signal = "joined because its service was in a storm", clean(h.signal)
            self._memory.put(live, facet, ())
            self._see(h, live, facet)
        else:
            self._see(h, live, None)
        return self._verdict(live, "storm", f"{live.service} is in a storm of new kinds; number {live.count}")

    # ------------------------------------------------------------ firing and resolving

    def _fires(self, h: Heard, live: Live | None, facet: Facet | None) -> str:
        """Note that an alert fires; the reason to look past it when its end was heard first."""
        name = h.instance
        _, over_ms, _ = self._memory.instances.get(name, (0, 0, ""))
        if h.at_ms < over_ms:
            return "its end was heard before its beginning"
        if live is not None and facet is not None and (live.alive or self._cools(h, live)):
            if not self._memory.fires(live, h.stream):
                facet.turns.append(h.at_ms)
                facet.dirty = True
            self._fire(h, live)
        return ""

    def _cools(self, h: Heard, live: Live) -> bool:
        return h.at_ms - self._ended_ms(live) <= self._settings.cool_down_s * 1000

    def _fire(self, h: Heard, live: Live) -> None:
        if h.holds:
            self._memory.fire(h.instance, h.stream, live, h.at_ms, 0)

    def _resolve(self, h: Heard, live: Live | None, facet: Facet | None) -> Verdict:
        """Over is an incident only when nothing of it fires any more, and when it has no cause that can't resolve."""
        if live is None or facet is None:
            if h.holds:
                nowhere = Live(id="", fingerprint="", service="", title="", severity=h.signal.severity,
                               state=IncidentState.HEALED, first_at_ms=0, last_at_ms=0)  # fmt: skip
                self._memory.fire(h.instance, h.stream, nowhere, h.at_ms, h.at_ms)
            return self._apart(h, "ignored", "nothing open that this could resolve")
        self._memory.seen[h.key] = (h.at_ms, None, h.mark, h.times)
        self._memory.complete([live.id])
        if h.holds:
            self._memory.fire(h.instance, h.stream, live, h.at_ms, h.at_ms)
        if not live.alive:
            return self._verdict(live, "ignored", "nothing open that this could resolve")
        live.last_at_ms, live.dirty = max(live.last_at_ms, h.at_ms), True
        if going_on := self._going_on(live, facet):
            return self._verdict(live, "still_firing", going_on)
        live.set(state=IncidentState.HEALED)
        reason = f"{h.signal.source} says it is over"
        self._journal(live, "healed", reason)
        return self._verdict(live, "resolved", reason)

    def _going_on(self, live: Live, facet: Facet) -> str:
        """Why an incident is not over although one of its alerts is; '' when it is."""
        if live.held == "flapping":
            return f"it flaps: over only after {self._settings.flap_window_s:.0f} s without a signal"
        if here := self._memory.fires(live, facet.key):
            return f"{here} more of {facet.title} fire"
        for other in live.facets.values():
            if other.rank and other is not facet:
                return f"the alert is over; nobody says so of {other.title}"
            if self._memory.fires(live, other.key):
                return f"{other.title} still fires"
        return ""

    def _journal(self, live: Live, stage: str, reason: str) -> None:
        data: Mapping[str, Any] = {"incident": live.id, "service": live.service, "title": live.title}
        event = Event(at_ms=self._now_ms, mission="", stage=stage, actor="intake", reason=reason, data=data)
        self._memory.events.append((event, ""))


def _facet(h: Heard, turns: list[int]) -> Facet:
    return Facet(
        service=h.signal.service, fingerprint=h.mark, source=h.signal.source, kind=h.signal.kind[:60],
        title=title(h.signal), severity=h.signal.severity, first_at_ms=h.at_ms, last_at_ms=h.last_at_ms, rank=h.rank,
        turns=turns,
    )  # fmt: skip
