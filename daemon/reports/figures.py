"""Times and amounts as people write them, and the one sentence every channel begins with."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nightshift.daemon.reports.model import OUTCOMES, Cost, ReportData, ReportIncident
from nightshift.daemon.reports.texts import Words

_NAMED = 10


def zone_of(name: str) -> ZoneInfo:
    """The zone of that IANA name; UTC when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def stamp(at_ms: int, zone: ZoneInfo) -> str:
    """Day and minute in a zone: ``2026-01-02 03:04``."""
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")


def clock(at_ms: int, zone: ZoneInfo) -> str:
    """Second of the day in a zone: ``03:04:05``."""
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%H:%M:%S")


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def headline(data: ReportData, words: Words) -> str:
    """The night in one sentence."""
    if not data.incidents:
        return words("quiet")
    parts = words("comma").join(words(f"part_{name}", n=data.counts[name]) for name in OUTCOMES if data.counts[name])
    one = len(data.incidents) == 1
    return words("headline_one" if one else "headline", total=len(data.incidents), parts=parts)


def seen(incident: ReportIncident, words: Words, zone: ZoneInfo) -> str:
    """How often and when."""
    first, last = stamp(incident.first_at_ms, zone), stamp(incident.last_at_ms, zone)
    if incident.count == 1:
        return words("seen_once", first=first)
    return words("seen_value", count=incident.count, first=first, last=last if last[:10] != first[:10] else last[11:])


def quarantined(incident: ReportIncident) -> str:
    """The tests that could not be relied on, the first few by name."""
    more = len(incident.quarantined) - _NAMED
    return ", ".join(incident.quarantined[:_NAMED]) + (f" + {more}" if more > 0 else "")


def cost_text(cost: Cost, words: Words) -> str:
    """What it took, as one phrase; what it did not take is left out."""
    parts = [words("cost_seconds", n=duration(cost.seconds))]
    if cost.candidates:
        one = cost.candidates == 1
        parts.append(words("cost_candidate" if one else "cost_candidates", n=f"{cost.candidates:,}"))
    if cost.tokens:
        parts.append(words("cost_tokens", n=f"{cost.tokens:,}"))
    return words("comma").join(parts)
