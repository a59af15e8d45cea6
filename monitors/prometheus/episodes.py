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
    """One series that is, or was just now, bad. Times are Unix milliseconds, 0: not yet."""

    labels: Mapping[str, str]
    since_ms: int
    firing_ms: int = 0
    fine_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How findings of one detector become signals."""

    name: str
    title: str
    severity: Severity
    for_s: float
    clear_s: float
    service_labels: tuple[str, ...]


Episodes = Mapping[str, Episode]


def advance(
    manner: Manner, before: Episodes, findings: Iterable[Finding], now_ms: int
) -> tuple[Episodes, list[Signal]]:
    """The episodes after a round, and the signals it caused. A series nobody speaks of is fine."""
    after: dict[str, Episode] = {}
    signals: list[Signal] = []
    bad = {series_id(finding.labels): finding for finding in findings if finding.bad}
    for key, finding in bad.items():
        episode = replace(before.get(key) or Episode(labels=dict(finding.labels), since_ms=now_ms), fine_ms=0)
        if not episode.firing_ms and now_ms - episode.since_ms >= manner.for_s * 1000:
            episode = replace(episode, firing_ms=now_ms)
            signals.append(_signal(manner, episode, key, now_ms, finding.why))
        after[key] = episode
    for key, episode in before.items():
        if key in bad or not episode.firing_ms:
            continue
        episode = replace(episode, fine_ms=episode.fine_ms or now_ms)
        if now_ms - episode.fine_ms < manner.clear_s * 1000:
            after[key] = episode
        else:
            signals.append(_signal(manner, episode, key, now_ms, ""))
    return after, signals


def _signal(manner: Manner, episode: Episode, key: str, now_ms: int, why: str) -> Signal:
    labels = episode.labels
    service = next((labels[name] for name in manner.service_labels if labels.get(name)), "unknown")
    state = "firing" if why else "resolved"
    return Signal(
        key=f"prometheus:{manner.name}:{key}:{episode.firing_ms}:{state}", source="prometheus", service=service,
        title=manner.title, at_ms=now_ms, kind="alert", severity=manner.severity, resolved=not why,
        message=why or f"{manner.title}: back to normal", labels={"alertname": manner.title, **labels},
    )  # fmt: skip


def dump_episodes(episodes: Episodes) -> str:
    """For a checkpoint."""
    return json.dumps({k: [dict(e.labels), e.since_ms, e.firing_ms, e.fine_ms] for k, e in episodes.items()})


def load_episodes(text: str) -> Episodes:
    """From a checkpoint; an unreadable one counts as none."""
    try:
        rows = json.loads(text or "{}")
        return {
            k: Episode(labels=dict(r[0]), since_ms=int(r[1]), firing_ms=int(r[2]), fine_ms=int(r[3]))
            for k, r in rows.items()
        }
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return {}
