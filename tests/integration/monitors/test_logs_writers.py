"""Real Python writers on a busy machine: a logger's record counts at once, a chain of exceptions stays in one piece."""

import os
import sys
import time

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import spawn
from nightshift.monitors import logs
from nightshift.monitors.testing import ListSink, watching

DIES = """
import logging, sys
logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
class Refused(Exception):
    pass
def price(sku):
    return {}[sku]
def handle(sku):
    try:
        return price(sku)
    except KeyError as missing:
        raise LookupError(f"no {sku}") from missing
def main(sku):
    try:
        handle(sku)
    except LookupError:
        raise Refused(sku)
name, how = sys.argv[1:]
try:
    main(name)
except Refused:
    if how == "logs":
        logging.exception("cannot serve %s", name)
    else:
        logging.error("giving up on %s", name)
        raise
"""
BUSY = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end:\n    sum(range(1000))\n"


@pytest.fixture
def load():
    hogs = [spawn([sys.executable, "-c", BUSY]) for _ in range(2 * (os.cpu_count() or 1))]
    yield
    for hog in hogs:
        hog.kill()
        hog.wait()


@pytest.mark.parametrize("how", ["logs", "dies"])
def test_no_chain_is_cut_in_two_under_load(how, tmp_path, load):
    program, sink = tmp_path / "dies.py", ListSink()
    program.write_text(DIES)
    paths = [tmp_path / f"app{n}.log" for n in range(4)]
    for path in paths:
        path.touch()
    settings = logs.Settings(files=[logs.LogFile(path=f"{tmp_path}/*.log", service="shop")])
    names = [f"n{n}" for n in range(24)]
    with watching(logs.create(settings, {}, SystemClock()), sink):
        sink.wait(lambda s: any(str(paths[-1]) in key for key in s.checkpoints))
        running = []
        for number, name in enumerate(names):
            with open(paths[number % 4], "ab") as file:
                running.append(spawn([sys.executable, "-S", str(program), name, how], stdout=file))
            if len(running) == 4:
                for child in running:
                    child.wait(60)
                running = []
        sink.wait(lambda s: len({x.message for x in s.received if x.exception.endswith("Refused")}) == len(names))
        time.sleep(0.3)
    assert sorted(s.message for s in sink.received) == sorted(names)
    assert {s.exception.rpartition(".")[2] for s in sink.received} == {"Refused"}
    assert {s.labels["cause"] for s in sink.received} == {f"KeyError: '{name}'" for name in names}


def test_a_record_written_at_once_does_not_wait_for_silence(tmp_path):
    path, program, sink = tmp_path / "app.log", tmp_path / "dies.py", ListSink()
    path.touch()
    program.write_text(DIES)
    settings = logs.Settings(files=[logs.LogFile(path=str(path), service="shop")], quiet_s=3600, reconcile_s=3600)
    with watching(logs.create(settings, {}, SystemClock()), sink):
        sink.wait(lambda s: any(str(path) in key and "?" not in key for key in s.checkpoints))
        for number in range(5):
            with open(path, "ab") as file:
                spawn([sys.executable, "-S", str(program), f"n{number}", "logs"], stdout=file).wait(60)
            sink.wait(lambda s, wanted=number + 1: len(s.received) == wanted)
    assert [s.message for s in sink.received] == [f"n{n}" for n in range(5)]
