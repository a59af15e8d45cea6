"""Windows of the week, in a time zone that changes its clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from nightshift.daemon.missions.policy.settings import DAYS, Window


def inside(window: Window, now_ms: int, zone: str) -> bool:
    """Whether a moment is in a window; one that ends on the next day belongs to the day it begins on."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    minute, start, end = now.hour * 60 + now.minute, _minutes(window.start), _minutes(window.end)
    today = DAYS[now.weekday()] in window.days
    if start < end:
        return today and start <= minute < end
    yesterday = DAYS[(now - timedelta(days=1)).weekday()] in window.days
    return (today and minute >= start) or (yesterday and minute < end)


def spoken(window: Window) -> str:
    """A window in a sentence."""
    days = "daily" if window.days == DAYS else ",".join(window.days)
    return f"{days} {window.start}-{window.end}"


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
