"""A reader killed with -9 at any instant: every traceback is counted exactly once in a real store."""

import os
import random
import signal
import sys
import textwrap
import threading
import time

import pytest

from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.store.store import Store
from nightshift.monitors.logs.testing import numbered

READER = textwrap.dedent("""
    import sys, threading
    from nightshift.daemon.intake.intake import Intake
    from nightshift.daemon.intake.settings import Settings
    from nightshift.daemon.kit.clock import SystemClock
    from nightshift.daemon.store.store import Store
    from nightshift.monitors import logs

    store, clock = Store.open(sys.argv[1]), SystemClock()
    settings = Settings(max_new_incidents=100_000, max_missions=100_000)
    intake = Intake(store, clock, settings, lambda incident: print(incident.id, flush=True))
    file = logs.LogFile(path=sys.argv[2], service="shop")
    settings = logs.Settings(files=[file], from_start=True, read_bytes=4096, reconcile_s=0.2)
    logs.create(settings, {}, clock).watch(intake, store.offsets.all("logs:"), threading.Event())
""")


def crash(number):
    """Each with a function of its own, so that each is an incident with a count."""
    return numbered(number).replace("in price", f"in price_{number}")


class Reader:
    """The reader's process, started again after each kill."""

    def __init__(self, db, log):
        self._argv = [sys.executable, "-c", READER, str(db), str(log)]
        self._child = None

    def start(self):
        self._child = spawn(self._argv)

    def kill(self):
        os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()


def counts(store):
    return {i.signal.message: i.count for i in store.incidents.list(limit=10_000)}


def until(condition, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Writer:
    """Writes tracebacks in torn pieces until told to stop, also while the reader is dead; may rotate."""

    def __init__(self, log, rng, rotating):
        self._log, self._rng, self._rotating = log, rng, rotating
        self.written, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.is_set():
            text = crash(self.written)
            cut = self._rng.randrange(len(text))
            with open(self._log, "a") as file:
                for piece in (text[:cut], text[cut:]):
                    file.write(piece)
                    file.flush()
                    time.sleep(self._rng.random() / 30)
            if self._rotating and self.written % 15 == 14:
                os.rename(self._log, f"{self._log}.{self.written}")
            self.written += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("rotating", [False, True])
def test_killed_ten_times_every_traceback_is_counted_exactly_once(rotating, tmp_path):
    db, log, rng = tmp_path / "nightshift.db", tmp_path / "app.log", random.Random(7)
    store, reader = Store.open(db), Reader(db, log)
    log.touch()
    reader.start()
    try:
        until(lambda: len(store.offsets.all()) == 2)
        with Writer(log, rng, rotating) as writer:
            for _ in range(10):
                known = len(counts(store))
                until(lambda known=known: len(counts(store)) > known)
                time.sleep(rng.random() / 5)
                reader.kill()
                time.sleep(rng.random() / 5)
                reader.start()
        wanted = {f"'n{n}'": 1 for n in range(writer.written)}
        until(lambda: counts(store).keys() >= wanted.keys())
        assert counts(store) == wanted
    finally:
        reader.kill()
        store.close()


def test_a_50_mb_line_costs_no_memory_and_hides_nothing(tmp_path):
    log = tmp_path / "app.log"
    with open(log, "wb") as file:
        file.write(crash(1).encode())
        for _ in range(50):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + os.urandom(1 << 20) + b"\n" + crash(2).encode())
    code = READER.replace("threading.Event())", "stop)").replace(
        "store, clock =",
        "import resource\nstop = threading.Event()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nstore, clock =",
    )
    code = code.replace("lambda incident: print(incident.id, flush=True)", "note")
    code = code.replace("intake = Intake", "found = []\ndef note(incident):\n"
                        "    found.append(incident.signal.message)\n"
                        "    if len(found) == 2: stop.set()\nintake = Intake")  # fmt: skip
    code += "print(found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) < 20_000)\n"
    code = code.replace("logs.create(", "idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nlogs.create(")
    done = run([sys.executable, "-c", code, str(tmp_path / "n.db"), str(log)], timeout_s=60)
    assert done.text().strip() == "[\"'n1'\", \"'n2'\"] True", done.why()
