"""Exactly one report a day: whatever the zone, the clock change, the restart, or the number of callers."""

import threading
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import ManualClock, SystemClock
from nightshift.daemon.reports.schedule import MorningReport, Settings, due_id


def ms(text, zone="UTC"):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


class Ledger:
    """Claims as the store keeps them, and the reports made."""

    def __init__(self):
        self.claimed, self.made, self._lock = set(), [], threading.Lock()

    def claim(self, name):
        with self._lock:
            new = name not in self.claimed
            self.claimed.add(name)
            return new

    def make(self, name):
        self.made.append(name)


def morning(ledger, now, settings=None, **more):
    return MorningReport(settings or Settings(**more), ManualClock(now), ledger.claim, ledger.make)


@pytest.mark.parametrize(
    ("now", "zone", "due"),
    [
        ("2026-01-02T06:59:59", "UTC", "report-2026-01-01"),
        ("2026-01-02T07:00:00", "UTC", "report-2026-01-02"),
        ("2026-01-02T23:59:59", "UTC", "report-2026-01-02"),
        ("2026-01-02T00:30:00", "Asia/Shanghai", "report-2026-01-01"),
        ("2026-01-02T07:00:00", "Asia/Shanghai", "report-2026-01-02"),
    ],
)
def test_due_id_is_the_date_in_the_zone(now, zone, due):
    assert due_id(Settings(zone=zone), ms(now, zone)) == due


@pytest.mark.parametrize("cron", ["30 2 * * *", "0 7 * * *", "0 0 * * *", "0 7,19 * * *", "59 23 * * *"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Shanghai", "Australia/Lord_Howe"])
@pytest.mark.parametrize("around", ["2026-03-29", "2026-10-25", "2026-04-05"])
def test_one_id_a_day_through_clock_changes(cron, zone, around):
    settings = Settings(cron=cron, zone=zone)
    start = datetime.fromisoformat(around).replace(tzinfo=ZoneInfo("UTC")) - timedelta(days=2)
    times = [start + timedelta(minutes=20 * n) for n in range(4 * 72)]
    seen = list(dict.fromkeys(due_id(settings, int(t.timestamp() * 1000)) for t in times))
    assert seen == sorted(seen), "never back"
    dates = [datetime.fromisoformat(name.removeprefix("report-")) for name in seen]
    assert all(b - a == timedelta(days=1) for a, b in pairwise(dates)), "no day left out"
    assert len(seen) >= 4


def test_weekdays_only():
    settings = Settings(cron="0 7 * * mon-fri")
    assert due_id(settings, ms("2026-01-04T12:00:00")) == "report-2026-01-02", "Sunday reads Friday's"


def test_a_date_that_never_comes_is_never_due():
    assert due_id(Settings(cron="0 7 30 2 *"), ms("2026-01-04T12:00:00")) == ""
    assert morning(Ledger(), ms("2026-01-04T12:00:00"), cron="0 7 30 2 *").run_due() == ""


def test_two_nodes_make_one_report():
    ledger = Ledger()
    nodes = [morning(ledger, ms("2026-01-02T07:00:01")) for _ in range(8)]
    threads = [threading.Thread(target=node.run_due) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.made == ["report-2026-01-02"]


@pytest.mark.parametrize(
    ("last", "made"),
    [
        ("report-2026-01-01", ["report-2026-01-02"]),
        ("report-2025-12-20", ["report-2026-01-02"]),
        ("report-2026-01-02", []),
        ("", []),
    ],
)
def test_catching_up_at_start(last, made):
    ledger = Ledger()
    report = morning(ledger, ms("2026-01-02T09:00:00"))
    report.start(last)
    report.stop()
    assert ledger.made == made


def test_a_failing_report_is_logged_and_tomorrow_s_still_comes(caplog):
    clock, made = ManualClock(ms("2026-01-02T07:00:00")), []

    def make(name):
        if name.endswith("02"):
            raise OSError("disk full")
        made.append(name)

    report = MorningReport(Settings(), clock, Ledger().claim, make)
    assert report.run_due() == "" and "disk full" in caplog.text
    clock.advance(86_400)
    assert report.run_due() == "report-2026-01-03" and made == ["report-2026-01-03"]


def test_a_failed_report_is_tried_again_before_tomorrow():
    tries, done = [], threading.Event()

    def make(name):
        tries.append(name)
        if len(tries) < 3:
            raise OSError("disk full")
        done.set()

    clock = ManualClock(ms("2026-01-02T09:00:00"))
    report = MorningReport(Settings(), clock, lambda _: not done.is_set(), make, Backoff(first_s=0.05, most_s=0.1))
    report.start("report-2026-01-01")
    try:
        assert done.wait(20)
    finally:
        report.stop()
    assert tries == ["report-2026-01-02"] * 3


def test_next():
    assert morning(Ledger(), ms("2026-01-02T09:00:00")).next_ms() == ms("2026-01-03T07:00:00")


def test_the_real_scheduler_fires_and_claims_once():
    ledger, fired, calls = Ledger(), threading.Event(), []

    def claim(name):
        calls.append(name)
        if len(calls) >= 2:
            fired.set()
        return ledger.claim(name)

    report = MorningReport(Settings(cron="* * * * * *"), SystemClock(), claim, ledger.make)
    report.start()
    try:
        assert fired.wait(20)
    finally:
        report.stop()
    assert len(ledger.made) == len(set(calls)), "once a date, however often it fires"


@pytest.mark.parametrize(
    "wrong", [{"zone": "Mars/Olympus"}, {"cron": "7"}, {"cron": "99 7 * * *"}, {"cron": "a b c d e"}]
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong.values())).split()[0]):
        Settings(**wrong)
