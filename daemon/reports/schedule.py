"""The morning report comes once a day, at the hour people chose where they live, also after the daemon slept in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, field_validator

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

_log = logging.getLogger(__name__)
_LOOK_BACK = tuple(timedelta(minutes=m) for m in (1, 60, 24 * 60, 8 * 24 * 60, 32 * 24 * 60))
_FIELDS = ("second", "minute", "hour", "day", "month", "day_of_week")


class Settings(BaseModel):
    """When the morning report is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str = "0 7 * * *"
    """Minute, hour, day of month, month, day of week; with six fields the first is the second."""
    zone: str = "UTC"
    """IANA name of the time zone the hours and the report's date are meant in, for example ``Asia/Shanghai``."""

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone is called {zone!r}") from None
        return zone

    @field_validator("cron")
    @classmethod
    def _cron_reads(cls, cron: str) -> str:
        try:
            trigger(cron, "UTC")
        except (ValueError, TypeError) as error:
            raise ValueError(f"cron {cron!r} can't be read: {error}") from None
        return cron


def trigger(cron: str, zone: str) -> Any:
    """APScheduler's trigger for a cron line. Raises ValueError when it can't be read."""
    from apscheduler.triggers.cron import CronTrigger

    words = cron.split()
    if len(words) == 5:
        return CronTrigger.from_crontab(cron, timezone=ZoneInfo(zone))
    if len(words) == 6:
        return CronTrigger(**dict(zip(_FIELDS, words, strict=True)), timezone=ZoneInfo(zone))
    raise ValueError(f"{len(words)} fields; five are expected, or six with seconds first")


def due_id(settings: Settings, now_ms: int) -> str:
    """The id of the latest report due by now, ``report-YYYY-MM-DD`` with the date in the zone; '' when none was."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    when = trigger(settings.cron, settings.zone)
    if when.get_next_fire_time(None, now) is None:
        return ""
    for span in _LOOK_BACK:
        if last := _last_fire(when, now - span, now):
            return f"report-{last.astimezone(ZoneInfo(settings.zone)).date().isoformat()}"
    return ""


def _last_fire(when: Any, start: datetime, now: datetime) -> datetime | None:
    last: datetime | None = None
    at = start
    while (fire := when.get_next_fire_time(None, at)) is not None and fire <= now:
        last = fire
        at = fire.astimezone(UTC) + timedelta(seconds=1)  # in UTC: the repeated hour of autumn would never end
    return last


class MorningReport:
    """Calls `callback(report_id)` once for each due report.

    `claim(report_id)` decides: it returns True to one caller only, across processes and nodes, until the report
    is known to be delivered. `callback` should be get-or-create under the id: a crash in the middle runs it again.
    """

    def __init__(
        self, settings: Settings, clock: Clock, claim: Callable[[str], bool], callback: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._clock, self._claim, self._callback = settings, clock, claim, callback
        self._backoff = backoff or Backoff(first_s=30, most_s=900)
        self._scheduler: BackgroundScheduler | None = None
        self._lock = threading.Lock()

    def start(self, last_delivered: str = "") -> None:
        """Begin; a report that came due while nobody ran is made now. '' means none ever was: nothing is caught up."""
        from apscheduler.schedulers.background import BackgroundScheduler

        self._scheduler = BackgroundScheduler(timezone=ZoneInfo(self._settings.zone))
        when = trigger(self._settings.cron, self._settings.zone)
        # no grace time: after a suspend the report comes late rather than never
        self._scheduler.add_job(self.run_due, when, id="morning", coalesce=True, misfire_grace_time=None)
        self._scheduler.start()
        due = due_id(self._settings, self._clock.now_ms())
        if last_delivered and due > last_delivered:
            _log.info("catching up on %s (last delivered: %s)", due, last_delivered)
            self.run_due()

    def run_due(self) -> str:
        """Make the report that is due unless somebody has; returns its id, '' when there was nothing to do."""
        with self._lock:
            due = due_id(self._settings, self._clock.now_ms())
            try:
                if due and self._claim(due):
                    self._callback(due)
                    self._backoff.reset()
                    return due
            except Exception:  # noqa: BLE001 - a scheduler's edge: tomorrow's report must still come
                _log.exception("the report %s failed, will try again", due)
                self._again(self._backoff.next_s())
            return ""

    def _again(self, seconds: float) -> None:
        if self._scheduler:
            when = datetime.now(UTC) + timedelta(seconds=seconds)
            self._scheduler.add_job(
                self.run_due, "date", run_date=when, id="again", replace_existing=True, misfire_grace_time=None
            )

    def next_ms(self) -> int:
        """When the next report is due, Unix milliseconds; 0 when never."""
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        fire = trigger(self._settings.cron, self._settings.zone).get_next_fire_time(None, now)
        return int(fire.timestamp() * 1000) if fire else 0

    def stop(self) -> None:
        """End; waits for a report that is being made."""
        if self._scheduler:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
