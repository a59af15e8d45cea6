"""Logs that are no files: a real journal read by the real journalctl, a program's output, standard input."""

import os
import shutil
import struct
import sys

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run, spawn
from nightshift.monitors import logs
from nightshift.monitors.logs.testing import CHAINED, PLAIN, json_line, numbered
from nightshift.monitors.testing import ListSink, watching

REMOTE = shutil.which("systemd-journal-remote", path="/lib/systemd:/usr/lib/systemd:" + os.environ.get("PATH", ""))
needs_journal = pytest.mark.skipif(
    not (REMOTE and shutil.which("journalctl")), reason="needs journalctl and systemd-journal-remote (tests/tools)"
)
START_US = 1_767_225_600_000_000
BOOT = "0123456789abcdef0123456789abcdef"


def watch(sink, **settings):
    return watching(logs.create(logs.Settings(**settings), {}, SystemClock()), sink)


class RealJournal:
    """A journal file that grows by entries in the export format."""

    def __init__(self, folder):
        self.path, self.count = folder / "system.journal", 0

    def write(self, *entries):
        text = b""
        for fields in entries:
            self.count += 1
            stamps = {"__REALTIME_TIMESTAMP": START_US + self.count * 1000, "__MONOTONIC_TIMESTAMP": self.count,
                      "_BOOT_ID": BOOT}  # fmt: skip
            for name, value in {**stamps, **fields}.items():
                data = value if isinstance(value, bytes) else str(value).encode()
                binary = b"\n" in data or any(c < 32 or c > 126 for c in data)
                text += name.encode() + (b"\n" + struct.pack("<Q", len(data)) if binary else b"=") + data + b"\n"
            text += b"\n"
        done = run([REMOTE, f"--output={self.path}", "-"], timeout_s=60, stdin=text)
        assert done.ok, done.stderr

    def settings(self, **more):
        return {"journals": [logs.Journal(arguments=[f"--file={self.path}"], **more)]}


def lines(text, unit="shop.service", **fields):
    """What a service prints, one entry a line, as systemd stores it."""
    return [{"MESSAGE": line, "_SYSTEMD_UNIT": unit, "PRIORITY": 6, "_PID": 7, **fields} for line in text.splitlines()]


@pytest.fixture
def journal(tmp_path):
    return RealJournal(tmp_path)


@needs_journal
def test_what_services_print_line_by_line_is_put_together_and_not_mixed_up(journal):
    sink = ListSink()
    other = lines(PLAIN.replace("tea", "cup"), unit="depot@1.service", _PID=8)
    mixed = [entry for pair in zip(lines(PLAIN), other, strict=True) for entry in pair]
    journal.write(*lines("started\nfine"), *mixed, *lines("going on\nand on"), *lines(PLAIN, unit="else.service"))
    units = {"shop.service": "shop", "depot@*.service": "depot"}
    with watch(sink, from_start=True, **journal.settings(units=units)):
        sink.wait(lambda s: len(s.signals) == 2)
    found = sorted((s.service, s.exception, s.message, s.labels["unit"], len(s.frames)) for s in sink.signals)
    assert found == [
        ("depot", "KeyError", "'cup'", "depot@1.service", 2),
        ("shop", "KeyError", "'tea'", "shop.service", 2),
    ]
    assert all(START_US // 1000 <= s.at_ms < START_US // 1000 + 100 for s in sink.signals)


@needs_journal
def test_an_entry_of_many_lines_is_one_piece_and_need_not_be_utf8(journal):
    sink = ListSink()
    journal.write(
        {"MESSAGE": "cannot price\n" + CHAINED, "_SYSTEMD_UNIT": "shop.service", "PRIORITY": 3},
        {"MESSAGE": b"\xff\xfe rubbish\n" + PLAIN.replace("tea", "mug").encode(), "_SYSTEMD_UNIT": "shop.service"},
        {"MESSAGE": json_line(PLAIN.replace("tea", "pot")), "_SYSTEMD_UNIT": "shop.service"},
        {"MESSAGE": "disk on fire", "_SYSTEMD_UNIT": "shop.service", "PRIORITY": 2},
        {"MESSAGE": "", "_SYSTEMD_UNIT": "shop.service"},
    )
    with watch(sink, from_start=True, errors=True, **journal.settings(service="shop")):
        sink.wait(lambda s: len(s.signals) >= 4)
    assert sorted(s.exception for s in sink.signals) == ["", "KeyError", "KeyError", "shop.errors.Refused"]
    fire = next(s for s in sink.signals if not s.exception)
    assert "disk on fire" in fire.title and fire.severity == "critical"


@needs_journal
def test_the_journal_is_followed_and_gone_on_with_behind_its_cursor(journal):
    sink = ListSink()
    journal.write(*lines(numbered(0)))
    with watch(sink, from_start=True, reconcile_s=0.2, **journal.settings(service="shop")):
        sink.wait(lambda s: len(s.signals) == 1)
        journal.write(*lines(numbered(1)))
        sink.wait(lambda s: len(s.signals) == 2 and any("journal" in key for key in s.checkpoints))
    journal.write(*lines(numbered(2)))
    with watch(sink, **journal.settings(service="shop")):
        sink.wait(lambda s: len(s.signals) == 3)
    assert [s.message for s in sink.signals] == ["'n0'", "'n1'", "'n2'"]
    again = ListSink()
    with watch(again, from_start=True, **journal.settings(service="shop")):
        again.wait(lambda s: len(s.signals) == 3)
    assert {s.key for s in again.signals} == {s.key for s in sink.signals}


@needs_journal
def test_a_cursor_the_journal_does_not_know_is_said_and_given_up(journal, caplog):
    sink = ListSink()
    journal.write(*lines("hello"))
    settings = journal.settings(service="shop")
    with watch(sink, from_start=True, reconcile_s=0.1, **settings):
        sink.wait(lambda s: any("journal" in key for key in s.checkpoints))
    key = next(key for key in sink.checkpoints if "journal" in key)
    sink.checkpoints[key] = "rubbish"
    with watch(sink, from_start=True, **settings):
        journal.write(*lines(PLAIN))
        sink.wait(lambda s: s.signals)
    assert any("cursor" in r.getMessage() for r in caplog.records)


PRINTS = "import sys, time\nfor text in sys.argv[1:]:\n    print(text, flush=True)\n"


def test_a_program_is_listened_to_and_started_again(tmp_path):
    sink, script = ListSink(), tmp_path / "prints.py"
    script.write_text(PRINTS)
    argv = [sys.executable, str(script), "fine", numbered(1), "fine"]
    with watch(sink, commands=[logs.Command(argv=argv, service="shop")]):
        sink.wait(lambda s: len(s.signals) >= 2)
    assert {(s.message, s.service, s.exception) for s in sink.signals} == {("'n1'", "shop", "KeyError")}


def test_a_program_that_does_not_exist_is_said_and_hurts_nobody(tmp_path, caplog):
    path, sink = tmp_path / "app.log", ListSink()
    path.write_text(PLAIN)
    commands = [logs.Command(argv=["/nowhere/prints"], service="shop")]
    with watch(sink, from_start=True, commands=commands, files=[logs.LogFile(path=str(path), service="shop")]):
        sink.wait(lambda s: s.signals and any("prints" in r.getMessage() for r in caplog.records))


STDIN = """
import sys, threading
from nightshift.daemon.kit.clock import SystemClock
from nightshift.monitors import logs
stop = threading.Event()
def sink(signals, checkpoints=None):
    for signal in signals:
        print(signal.message, signal.labels["log"], flush=True)
        stop.set()
settings = logs.Settings(files=[logs.LogFile(path="-", service="shop")])
logs.create(settings, {}, SystemClock()).watch(sink, {}, stop)
"""


def test_standard_input_is_a_log():
    done = run([sys.executable, "-c", STDIN], timeout_s=60, stdin=("fine\n" + PLAIN).encode())
    assert done.text().split() == ["'tea'", "stdin"], done.why()


FLOOD = """
import sys, time
for n in range(3000):
    sys.stdout.write({crash!r}.replace("n0", f"n{{n}}"))
sys.stdout.flush()
open({mark!r}, "w").close()
time.sleep(60)
"""


def test_a_program_that_floods_is_held_back_while_the_store_is_down(tmp_path):
    class Away(ListSink):
        down = True

        def __call__(self, signals, checkpoints=None):
            if signals and self.down:
                raise ConnectionError("the store is away")
            super().__call__(signals, checkpoints)

    sink, mark = Away(), tmp_path / "written"
    script = FLOOD.format(crash=numbered(0), mark=str(mark))
    with watch(sink, commands=[logs.Command(argv=[sys.executable, "-c", script], service="shop")]):
        child = spawn([sys.executable, "-c", "import time; time.sleep(2)"])
        child.wait()
        assert not mark.exists()
        sink.down = False
        sink.wait(lambda s: len(s.signals) == 3000)
        assert mark.exists()
