"""Did production heal? Read it for a while and decide, with the reads as evidence.

A read is clean when the fingerprint stayed quiet since the last read, the probe works and every guard metric is no
worse than before the deploy; dirty when any of them failed, blank when they could not tell. A late crash of a request
the old program still served makes one dirty read, so one alone condemns only what had already answered a probe well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.missions.comparison import Figure, quieted
from nightshift.daemon.missions.guards import GuardReader, worse
from nightshift.daemon.missions.parts import Watcher
from nightshift.daemon.missions.probes import Probe, make_probe
from nightshift.daemon.model import Incident, Outcome, Recovery, Service
from nightshift.daemon.ports import EnvironmentBroke, Note

Occurrences = Callable[[], int]
"""How often the fingerprint was seen since the deploy; raises EnvironmentBroke when that can't be read."""
Figures = Callable[[], Sequence[Figure]]
"""The guard metrics, before the deploy and up to now."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """One look. `new` occurrences since the look before (None: unknown), `probe` as probed (None: unknown), `guards`
    as compared."""

    at_ms: int
    new: int | None
    probe: bool | None
    guards: tuple[Figure, ...] = ()

    def as_json(self) -> Mapping[str, object]:
        """For the outcome's evidence."""
        told = {"at_ms": self.at_ms, "new": self.new, "probe": self.probe}
        return {**told, "guards": {g.name: g.verdict for g in self.guards}} if self.guards else told


@dataclass(kw_only=True)
class _Reading:
    """The rules, fed with one read at a time."""

    probed: bool
    reads: list[Read] = field(default_factory=list)

    def dirty(self, read: Read) -> bool:
        return bool(read.new) or read.probe is False or bool(worse(read.guards))

    def clean(self, read: Read) -> bool:
        guarded = all(guard.verdict == "no worse" for guard in read.guards)
        return read.new == 0 and (read.probe is True or not self.probed) and guarded

    def failing(self) -> str:
        """Why the service is still failing, or ''."""
        if len(self.reads) >= 2 and all(map(self.dirty, self.reads[-2:])):
            names = worse(self.reads[-1].guards)
            return "two reads in a row were dirty" + (f": {names} worse than before" if names else "")
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
    service: Service, *, occurrences: Occurrences, probe: Probe | None, clock: Clock, note: Note = lambda _: None,
    figures: Figures = tuple,
) -> Outcome:  # fmt: skip
    """Read every `watch_interval_s` for at most `watch_window_s`, and decide.

    With a probe, two clean reads in a row are recovery. Without one, silence is the only evidence, and silence
    may be lack of traffic: the whole window has to pass, and its last two reads be clean.
    """
    reading, seen = _Reading(probed=probe is not None), 0
    interval_s = min(service.watch_interval_s, service.watch_window_s / 3)
    end = clock.monotonic() + service.watch_window_s
    while True:
        read, seen = _look(occurrences, probe, clock, seen)
        read = replace(read, guards=tuple(figures()))
        reading.reads.append(read)
        note(_words(read))
        why = reading.failing()
        if why:
            return _outcome(Recovery.STILL_FAILING, why, reading)
        if reading.recovered() and reading.probed:
            no_worse = ", and every guard is no worse than before" * bool(read.guards)
            return _outcome(Recovery.RECOVERED, f"two clean reads: quiet, and the probe works{no_worse}", reading)
        if clock.monotonic() + interval_s > end:
            return _at_the_end(reading, service)
        clock.sleep(interval_s)


def make_watcher(
    occurrences_since: Callable[[Incident, int], int], clock: Clock,
    guards: Callable[[Service], GuardReader | None] = lambda _: None, before_s: float = 1800.0,
) -> Watcher:  # fmt: skip
    """The watcher of missions.

    `occurrences_since(incident, at_ms)` counts its signals at or after a time, `guards` reads a service's metrics.
    """

    def watcher(service: Service, incident: Incident, deployed_ms: int, note: Note, began_ms: int = 0) -> Outcome:
        began = began_ms or deployed_ms
        probe, reader = make_probe(service, incident.signal.labels, clock, note), guards(service)
        count: Occurrences = lambda: occurrences_since(incident, deployed_ms)  # noqa: E731  one line says it
        read: Figures = (lambda: reader.read(began, deployed_ms, clock.now_ms(), note)) if reader else tuple
        outcome = watch(service, occurrences=count, probe=probe, clock=clock, note=note, figures=read)
        since = occurrences_since(incident, round(began - 1000 * before_s))
        return _with_rate(outcome, since, began, deployed_ms, clock.now_ms(), before_s)

    return watcher


def _with_rate(outcome: Outcome, since: int, began_ms: int, deployed_ms: int, now_ms: int, before_s: float) -> Outcome:
    """How often it happened, before and after, among the figures. What happened during the deploy counts as before."""
    counted = [read["new"] for read in outcome.reads]
    if None in counted:
        return outcome
    after = sum(counted)
    spans_s = before_s + (deployed_ms - began_ms) / 1000, (now_ms - deployed_ms) / 1000
    rate = quieted("occurrences", max(0, since - after), spans_s[0], after, spans_s[1])
    return replace(outcome, figures=(rate.as_json(), *outcome.figures))


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
    untold = ", ".join(f"{guard.name}: {guard.verdict}" for guard in last.guards if guard.verdict != "no worse")
    if reading.dirty(last):
        return _outcome(Recovery.STILL_FAILING, "the last read of the window was dirty", reading)
    if reading.recovered():
        why = f"quiet until the end of the {service.watch_window_s:g} s watched; there was nothing to probe"
        return _outcome(Recovery.RECOVERED, why, reading)
    why = "no two clean reads in a row: a person decides" + (f" ({untold})" if untold else "")
    return _outcome(Recovery.INDETERMINATE, why, reading)


def _outcome(recovery: Recovery, reason: str, reading: _Reading) -> Outcome:
    figures = tuple(figure.as_json() for figure in reading.reads[-1].guards)
    return Outcome(
        recovery=recovery, reason=reason, reads=tuple(read.as_json() for read in reading.reads), figures=figures
    )


def _words(read: Read) -> str:
    quiet = {None: "occurrences unknown", 0: "quiet"}.get(read.new, f"{read.new} new")
    probe = {None: "not probed", True: "probe works", False: "probe fails"}[read.probe]
    guards = "".join(f", {guard.name} {guard.verdict}" for guard in read.guards)
    return f"{quiet}, {probe}{guards}"
