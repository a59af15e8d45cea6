"""Did production heal? Read it for a while and decide, with the reads as evidence.

A read is clean when the fingerprint stayed quiet since the last read and the probe works, dirty when either
failed, blank when neither could tell. A late crash of a request the old program still served makes one dirty
read, so one alone condemns only what had already answered a probe well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.missions.probes import Probe, make_probe
from nightshift.daemon.model import Incident, Outcome, Recovery, Service
from nightshift.daemon.ports import EnvironmentBroke, Note

Occurrences = Callable[[], int]
"""How often the fingerprint was seen since the deploy; raises EnvironmentBroke when that can't be read."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """One look. `new` occurrences since the look before (None: unknown), `probe` as probed (None: unknown)."""

    at_ms: int
    new: int | None
    probe: bool | None

    def as_json(self) -> Mapping[str, object]:
        """For the outcome's evidence."""
        return {"at_ms": self.at_ms, "new": self.new, "probe": self.probe}


@dataclass(kw_only=True)
class _Reading:
    """The rules, fed with one read at a time."""

    probed: bool
    reads: list[Read] = field(default_factory=list)

    def dirty(self, read: Read) -> bool:
        return bool(read.new) or read.probe is False

    def clean(self, read: Read) -> bool:
        return read.new == 0 and (read.probe is True or not self.probed)

    def failing(self) -> str:
        """Why the service is still failing, or ''."""
        if len(self.reads) >= 2 and all(map(self.dirty, self.reads[-2:])):
            return "two reads in a row were dirty"
        crashed = [at for at, read in enumerate(self.reads) if read.new]
        if len(crashed) >= 2:
            return "the failure came back twice"
        before = list(map(self.clean, self.reads[: crashed[-1]])) if crashed else []
        if self.probed and any(before):
            return "the failure came back after a probe had worked"
        return "the failure came back after two quiet reads" if before[-2:] == [True, True] else ""

    def recovered(self) -> bool:
        return len(self.reads) >= 2 and all(map(self.clean, self.reads[-2:]))


def watch(
    service: Service, *, occurrences: Occurrences, probe: Probe | None, clock: Clock, note: Note = lambda _: None
) -> Outcome:
    """Read every `watch_interval_s` for at most `watch_window_s`, and decide.

    With a probe, two clean reads in a row are recovery. Without one, silence is the only evidence, and silence
    may be lack of traffic: the whole window has to pass, and its last two reads be clean.
    """
    reading, seen = _Reading(probed=probe is not None), 0
    interval_s = min(service.watch_interval_s, service.watch_window_s / 3)
    end = clock.monotonic() + service.watch_window_s
    while True:
        read, seen = _look(occurrences, probe, clock, seen)
        reading.reads.append(read)
        note(_words(read))
        why = reading.failing()
        if why:
            return _outcome(Recovery.STILL_FAILING, why, reading)
        if reading.recovered() and reading.probed:
            return _outcome(Recovery.RECOVERED, "two clean reads: quiet, and the probe works", reading)
        if clock.monotonic() + interval_s > end:
            return _at_the_end(reading, service)
        clock.sleep(interval_s)


def make_watcher(
    occurrences_since: Callable[[Incident, int], int], clock: Clock
) -> Callable[[Service, Incident, int, Note], Outcome]:
    """The watcher of missions: (service, incident, deployed at ms, note) → outcome.

    `occurrences_since(incident, at_ms)` counts its signals at or after a time.
    """

    def watcher(service: Service, incident: Incident, deployed_ms: int, note: Note) -> Outcome:
        probe = make_probe(service, incident.signal.labels, clock, note)
        count: Occurrences = lambda: occurrences_since(incident, deployed_ms)  # noqa: E731  one line says it
        return watch(service, occurrences=count, probe=probe, clock=clock, note=note)

    return watcher


def _look(occurrences: Occurrences, probe: Probe | None, clock: Clock, seen: int) -> tuple[Read, int]:
    probed = probe() if probe else None
    try:
        count: int | None = occurrences()
    except EnvironmentBroke:
        count = None
    new = None if count is None else max(0, count - seen)
    return Read(at_ms=clock.now_ms(), new=new, probe=probed), seen if count is None else count


def _at_the_end(reading: _Reading, service: Service) -> Outcome:
    last = reading.reads[-1]
    if reading.dirty(last):
        return _outcome(Recovery.STILL_FAILING, "the last read of the window was dirty", reading)
    if reading.recovered():
        why = f"quiet until the end of the {service.watch_window_s:g} s watched; there was nothing to probe"
        return _outcome(Recovery.RECOVERED, why, reading)
    return _outcome(Recovery.INDETERMINATE, "no two clean reads in a row: a person decides", reading)


def _outcome(recovery: Recovery, reason: str, reading: _Reading) -> Outcome:
    return Outcome(recovery=recovery, reason=reason, reads=tuple(read.as_json() for read in reading.reads))


def _words(read: Read) -> str:
    quiet = {None: "occurrences unknown", 0: "quiet"}.get(read.new, f"{read.new} new")
    probe = {None: "not probed", True: "probe works", False: "probe fails"}[read.probe]
    return f"{quiet}, {probe}"
