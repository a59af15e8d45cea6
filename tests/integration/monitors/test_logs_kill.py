"""kill -9, at any moment, of a real process with the real monitor and the real store: every crash counts, once."""

import gzip
import os
import random
import shutil
import sys
import time

import pytest

from nightshift.daemon.kit.run import spawn
from nightshift.daemon.store.store import Store
from nightshift.monitors.logs.testing import numbered

LIVES = """
import sys, threading
from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.store.store import Store
from nightshift.monitors import logs
database, pattern = sys.argv[1:]
store, clock = Store.open(database), SystemClock()
intake = Intake(store, clock, Settings(), lambda incident: None)
settings = logs.Settings(files=[logs.LogFile(path=pattern, service="shop")], from_start=True, quiet_s=0.05, grace_s=0.3)
logs.create(settings, {}, clock).watch(intake, store.offsets.all("logs:"), threading.Event())
"""


class Rotator:
    """Writes crashes and rotates the log in turn by every method."""

    def __init__(self, path, rng):
        self.path, self.rng, self.number, self.rotations = path, rng, 0, 0

    def write(self):
        text = numbered(self.number, pad="x" * 200).replace("INFO", "ERROR")
        self.number += 1
        cut = self.rng.randrange(len(text)) if self.rng.random() < 0.3 else 0
        with open(self.path, "a") as file:
            file.write(text[:cut])
            file.flush()
            file.write(text[cut:])

    def rotate(self):
        self.rotations += 1
        name = f"{self.path}.{self.rotations:03d}"
        how = self.rng.randrange(3)
        if how == 0:
            time.sleep(0.01)
            shutil.copyfile(self.path, name)
            os.truncate(self.path, 0)
            return
        os.rename(self.path, name)
        if how == 1:
            status = os.stat(name)
            with open(name, "rb") as file, gzip.open(f"{name}.gz", "wb") as out:
                shutil.copyfileobj(file, out)
            os.utime(f"{name}.gz", ns=(status.st_atime_ns, status.st_mtime_ns))
            os.unlink(name)


def counted(database):
    store = Store.open(database)
    try:
        return sum(incident.count for incident in store.incidents.list())
    finally:
        store.close()


def known(database):
    store = Store.open(database)
    try:
        return any(key.endswith("/app.log") for key in store.offsets.all("logs:"))
    finally:
        store.close()


def lives(tmp_path, kills, pattern, seed):
    rng = random.Random(seed)
    path, database = tmp_path / "app.log", tmp_path / "nightshift.db"
    path.touch()
    Store.open(database).close()
    rotator = Rotator(path, rng)
    argv = [sys.executable, "-c", LIVES, str(database), str(tmp_path / pattern)]
    for life in range(kills):
        child = spawn(argv)
        while life == 0 and not known(database):  # what was rotated away before the first look is nobody's
            time.sleep(0.02)
        end = time.monotonic() + rng.uniform(0.3, 3.0)
        while time.monotonic() < end:
            rotator.write()
            if rng.random() < 0.1:
                rotator.rotate()
            time.sleep(rng.uniform(0.0, 0.03))
        child.kill()
        child.wait()
        rotator.write()
        if rng.random() < 0.5:
            rotator.rotate()
            rotator.write()
    child = spawn(argv)
    try:
        end = time.monotonic() + 25
        while counted(database) < rotator.number and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(1.0)
    finally:
        child.kill()
        child.wait()
    assert rotator.number <= counted(database) <= rotator.number + rotator.rotations


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_every_crash_counts_once_however_often_the_process_is_killed(pattern, tmp_path):
    lives(tmp_path, 4, pattern, seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_every_crash_counts_once_through_many_kills(pattern, seed, tmp_path):
    lives(tmp_path, 12, pattern, seed)
