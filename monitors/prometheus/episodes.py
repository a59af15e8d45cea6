"""From findings, round by round, to signals: bad for a while to be said, fine for a while to be over.

An episode survives restarts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from nightshift.daemon.model import Severity, Signal
from nightshift.monitors.rules import series_id


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a detector says of one series now."""

    labels: Mapping[str, str]
    bad: bool
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One series that is bad, or was not long ago. Times are Unix milliseconds, 0: not yet. `returns` counts how often
    it came back; once over it is remembered for `MEMORY_MS`."""

    labels: Mapping[str, str]
    since_ms: int
    firing_ms: int = 0
    fine_ms: int = 0
    over_ms: int = 0
    returns: int = 0


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How findings of one detector become signals. Of `service_labels` the first that names one of `services` counts,
    else the first that is set."""

    name: str
    title: str
    severity: Severity
    for_s: float
    clear_s: float
    service_labels: tuple[str, ...]
    services: frozenset[str] = frozenset()
    unseen: str = "not seen any more, neither bad nor good"


Episodes = Mapping[str, Episode]
MEMORY_MS = 6 * 3_600_000
_MOST_DOUBLINGS = 4


def advance(
    manner: Manner, before: Episodes, findings: Iterable[Finding], now_ms: int
) -> tuple[Episodes, list[Signal]]:
    """The episodes after a round, and the signals it caused.

    A series nobody speaks of is over as well, after the same time, but is not said to be normal. One that comes and
    goes must be fine for twice as long each time, so that it is told ever less often.
    """
    after: dict[str, Episode] = {}
    signals: list[Signal] = []
    said = {series_id(finding.labels): finding for finding in findings}
    for key, finding in said.items():
        if finding.bad:
            after[key], begun = _bad(manner, before.get(key), finding, now_ms)
            signals += [_signal(manner, after[key], key, now_ms, finding.why, resolved=False)] * begun
    for key, episode in before.items():
        if key not in after:
            kept, ended = _fine(manner, episode, now_ms)
            after |= {key: kept} if kept else {}
            signals += [_signal(manner, episode, key, now_ms, _ending(manner, said.get(key)), resolved=True)] * ended
    return after, signals


def _bad(manner: Manner, before: Episode | None, finding: Finding, now_ms: int) -> tuple[Episode, bool]:
    episode = before or Episode(labels=dict(finding.labels), since_ms=now_ms)
    episode = replace(episode, since_ms=episode.since_ms or now_ms, fine_ms=0)
    begins = not episode.firing_ms and now_ms - episode.since_ms >= manner.for_s * 1000
    if begins:
        episode = replace(episode, firing_ms=now_ms, returns=episode.returns + bool(episode.over_ms), over_ms=0)
    return episode, begins


def _fine(manner: Manner, episode: Episode, now_ms: int) -> tuple[Episode | None, bool]:
    """What is kept of it, and whether it ends now."""
    if not episode.firing_ms:
        remembered = episode.over_ms and now_ms - episode.over_ms < MEMORY_MS
        return (replace(episode, since_ms=0) if remembered else None), False
    episode = replace(episode, fine_ms=episode.fine_ms or now_ms)
    if now_ms - episode.fine_ms < manner.clear_s * 1000 * 2 ** min(episode.returns, _MOST_DOUBLINGS):
        return episode, False
    return replace(episode, since_ms=0, firing_ms=0, fine_ms=0, over_ms=now_ms), True


def _ending(manner: Manner, finding: Finding | None) -> str:
    if finding is None:
        return f"{manner.title}: {manner.unseen}"
    return f"{manner.title}: back to normal{': ' if finding.why else ''}{finding.why}"


def _signal(manner: Manner, episode: Episode, key: str, now_ms: int, why: str, *, resolved: bool) -> Signal:
    state = "resolved" if resolved else "firing"
    return Signal(
        key=f"prometheus:{manner.name}:{key}:{episode.firing_ms}:{state}", source="prometheus",
        service=_service(manner, episode.labels), title=manner.title, at_ms=now_ms, kind="alert",
        severity=manner.severity, resolved=resolved, message=why,
        labels={"alertname": manner.title, **episode.labels},
    )  # fmt: skip


def _service(manner: Manner, labels: Mapping[str, str]) -> str:
    named = [labels[name] for name in manner.service_labels if labels.get(name)]
    return next((name for name in named if name in manner.services), named[0] if named else "unknown")


def dump_episodes(episodes: Episodes) -> str:
    """For a checkpoint."""
    return json.dumps({
        key: [dict(e.labels), e.since_ms, e.firing_ms, e.fine_ms, e.over_ms, e.returns] for key, e in episodes.items()
    })  # fmt: skip


def load_episodes(text: str) -> Episodes:
    """From a checkpoint; an unreadable one counts as none."""
    try:
        rows = json.loads(text or "{}")
        return {key: _episode(*row) for key, row in rows.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _episode(labels: Mapping[str, str], *numbers: int) -> Episode:
    since_ms, firing_ms, fine_ms, over_ms, returns = (*map(int, numbers), 0, 0)[:5]
    return Episode(labels=dict(labels), since_ms=since_ms, firing_ms=firing_ms, fine_ms=fine_ms, over_ms=over_ms,
                   returns=returns)  # fmt: skip
