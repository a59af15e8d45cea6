"""The morning report: once a day under the day's id, built from the store, handed to the outbox."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nightshift.daemon.config import Config
from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.reports.build import build_report
from nightshift.daemon.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from nightshift.daemon.reports.model import ReportData

_LAST = "report:last"
_UNTIL = "report:until_ms"
_DAY_MS = 24 * 3600 * 1000


class Reporting:
    """Makes reports on schedule."""

    def __init__(self, config: Config, store: Store, clock: Clock, channels: Sequence[str], wake: Callable[[], None]):
        self._config, self._store, self._clock = config, store, clock
        self._channels, self._wake = tuple(channels), wake

    @contextmanager
    def scheduled(self) -> Iterator[None]:
        """Keep the schedule while the block runs; a report missed while nobody ran is made at once."""
        from nightshift.daemon.reports.schedule import MorningReport, Settings

        settings = Settings(cron=self._config.reports.cron, zone=self._config.reports.timezone)
        morning = MorningReport(settings, self._clock, lambda name: not self._store.notices.has(name), self.make)
        morning.start(self._store.offsets.all(_LAST).get(_LAST, ""))
        try:
            yield
        finally:
            morning.stop()

    def make(self, name: str) -> None:
        """Make the report `report-YYYY-MM-DD`; making it again changes nothing."""
        from nightshift.daemon.reports.notice import report_notice

        now = self._clock.now_ms()
        since = int(self._store.offsets.all(_UNTIL).get(_UNTIL, now - _DAY_MS))
        data = report_of(self._config, self._store, since, now, name)
        with self._store.transaction():
            self._store.notices.enqueue(report_notice(data), self._channels, now)
            self._store.offsets.put({_LAST: name, _UNTIL: str(now)})
        self._wake()


def report_of(config: Config, store: Store, start_ms: int, end_ms: int, name: str) -> ReportData:
    """What happened in a period, in the configuration's zone and language."""
    return build_report(
        store, start_ms, end_ms, report_id=name, made_at_ms=end_ms, zone=config.reports.timezone,
        language=config.reports.language, host=socket.gethostname(),
    )  # fmt: skip


def write_report_of(config: Config, console: Console, name: str = "report-latest") -> list[Path]:
    """Print the last day's report and write its files; returns their paths."""
    from nightshift.daemon.reports.files import write_report
    from nightshift.daemon.reports.terminal import print_report

    now = SystemClock().now_ms()
    store = Store.open(config.store_path)
    data = report_of(config, store, now - _DAY_MS, now + 1, name)
    store.close()
    print_report(data, console)
    return write_report(data, config.reports_dir)
