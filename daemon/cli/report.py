"""`nightshift report`: what happened in a period, from the store, daemon or not."""

from __future__ import annotations

import sys
import time
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from nightshift.daemon.cli.options import ConfigPath, configured, opened
from nightshift.daemon.cli.periods import seconds
from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from nightshift.daemon.reports.model import ReportData


class Format(StrEnum):
    """How a report is printed."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


Since = Annotated[str, typer.Option("--since", metavar="TIME", help="The last so much: 24h, 7d. Default 24h.")]
Date = Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="That day, in the configuration's time zone.")]
As = Annotated[Format, typer.Option("--format", "-f", help="How to print it.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]


def command(
    config: ConfigPath = None, since: Since = "", day: Date = "", how: As = Format.TERMINAL, as_json: AsJson = False
) -> None:
    """Print the report of a period: what broke, what was fixed, proved, shipped, refused, and what waits for you."""
    if since and day:
        raise Trouble("nightshift report: give --since or --date, not both")
    settings = configured(config, demand_secrets=False)
    start_ms, end_ms, name = _day(day, settings.reports.timezone) if day else _last(since or "24h")
    store = opened(settings)
    if store is None:
        raise Trouble("nightshift report: the daemon has not run with this configuration yet", code=1)
    from nightshift.daemon.app.reporting import report_of

    _print(report_of(settings, store, start_ms, end_ms, name), Format.JSON if as_json else how)


def _last(since: str) -> tuple[int, int, str]:
    now = time.time()
    return int((now - seconds(since)) * 1000), int(now * 1000) + 1, f"report-{since}"


def _day(text: str, zone: str) -> tuple[int, int, str]:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Trouble(f"nightshift report: '{text}' is no date; write for example 2026-01-31") from None
    start, end = (
        datetime.combine(d, datetime.min.time(), ZoneInfo(zone)).timestamp() for d in (day, day + timedelta(days=1))
    )
    return int(start * 1000), int(end * 1000), f"report-{day.isoformat()}"


def _print(data: ReportData, how: Format) -> None:
    if how is Format.TERMINAL:
        from rich.console import Console

        from nightshift.daemon.reports.terminal import print_report, to_text

        if sys.stdout.isatty():
            print_report(data, Console())
        else:
            sys.stdout.write(to_text(data))
        return
    from nightshift.daemon.reports.files import FORMATS

    sys.stdout.write(FORMATS["md" if how is Format.MARKDOWN else how.value](data))
