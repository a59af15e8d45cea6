"""Real programs dying into a watched file: what an interpreter prints line by line is one signal."""

import sys

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run, spawn
from nightshift.monitors import logs
from nightshift.monitors.testing import ListSink, watching

DIES = """
import logging, sys
def price(sku):
    return {}[sku]
def handle(sku):
    try:
        return price(sku)
    except KeyError as missing:
        raise LookupError(f"no {sku}") from missing
class Refused(Exception):
    pass
def main(sku):
    try:
        handle(sku)
    except LookupError:
        raise Refused(sku)
main(sys.argv[1])
"""


def test_chains_printed_by_dying_programs_are_one_signal_each(tmp_path):
    path, program, sink = tmp_path / "app.log", tmp_path / "dies.py", ListSink()
    path.touch()
    program.write_text(DIES)
    settings = logs.Settings(files=[logs.LogFile(path=str(path), service="shop")])
    with watching(logs.create(settings, {}, SystemClock()), sink):
        sink.wait(lambda s: f"logs:{path}" in s.checkpoints)
        for number in range(10):
            with open(path, "ab") as file:
                child = spawn([sys.executable, str(program), f"n{number}"], stdout=file)
                assert child.wait(60) == 1
        sink.wait(lambda s: len(s.received) >= 10)
    assert [(s.exception, s.message, s.frames[-1].function) for s in sink.received] == [
        ("Refused", f"n{number}", "main") for number in range(10)
    ]
    assert {s.labels["cause"] for s in sink.received} == {f"KeyError: 'n{n}'" for n in range(10)}


def test_a_syntax_error_at_start_up_is_a_crash(tmp_path):
    path, program, sink = tmp_path / "app.log", tmp_path / "broken.py", ListSink()
    path.touch()
    program.write_text("def f(:\n    pass\n")
    settings = logs.Settings(files=[logs.LogFile(path=str(path), service="shop")])
    with watching(logs.create(settings, {}, SystemClock()), sink):
        sink.wait(lambda s: f"logs:{path}" in s.checkpoints)
        with open(path, "ab") as file:
            assert spawn([sys.executable, str(program)], stdout=file).wait(60) == 1
        sink.wait(lambda s: s.received)
    assert (sink.received[0].exception, sink.received[0].frames[-1].path) == ("SyntaxError", str(program))


def test_importing_the_room_starts_nothing_and_loads_no_watcher():
    code = "import sys, nightshift.monitors.logs; print([m for m in ('watchdog', 'orjson') if m in sys.modules])"
    assert run([sys.executable, "-c", code], timeout_s=60).text().strip() == "[]"
