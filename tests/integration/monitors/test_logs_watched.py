"""The same verbs from the kernel's inotify and from watchdog, which serves where there is none."""

import os
import select
import sys
import time

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.monitors import logs
from nightshift.monitors.logs import inotify
from nightshift.monitors.logs.inotify import CREATE, DELETE, FOLDER, MODIFY, MOVED_FROM, MOVED_TO, Inotify
from nightshift.monitors.logs.monitor import LogMonitor
from nightshift.monitors.logs.testing import numbered
from nightshift.monitors.logs.watched import Watchdog, native
from nightshift.monitors.testing import ListSink, watching

KERNELS = [Inotify, Watchdog]


@pytest.fixture(params=KERNELS)
def kernel(request):
    made = request.param()
    yield made
    made.close()


def heard(kernel, wanted, patience_s=5):
    """Masks by name, until all that is wanted was heard."""
    found, end = {}, time.monotonic() + patience_s
    while time.monotonic() < end:
        select.select([kernel.fd], [], [], 0.1)
        for _, mask, name in kernel.read():
            found[name] = found.get(name, 0) | mask
        if all(found.get(name, 0) & mask == mask for name, mask in wanted.items()):
            return found
    raise AssertionError(f"{found} of {wanted}")


def test_what_happens_in_a_folder_is_told(kernel, tmp_path):
    number = kernel.add(str(tmp_path), FOLDER)
    assert kernel.add(str(tmp_path), FOLDER) == number
    (tmp_path / "a.log").write_text("x")
    heard(kernel, {"a.log": CREATE | MODIFY})
    os.rename(tmp_path / "a.log", tmp_path / "a.log.1")
    heard(kernel, {"a.log": MOVED_FROM, "a.log.1": MOVED_TO})
    (tmp_path / "a.log.1").unlink()
    heard(kernel, {"a.log.1": DELETE})
    kernel.remove(number)
    kernel.remove(number)


def test_a_folder_that_is_not_there(kernel, tmp_path):
    with pytest.raises(OSError, match="none"):
        kernel.add(str(tmp_path / "none"), FOLDER)


def test_watchdog_counts_no_writes(tmp_path):
    kernel = Watchdog()
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="Not a directory"):
        kernel.add(str(tmp_path / "a"), inotify.MODIFY)
    kernel.close()


def test_linux_has_its_own():
    made = native()
    made.close()
    assert isinstance(made, Inotify if sys.platform == "linux" else Watchdog)


def test_crashes_are_seen_and_rotation_is_followed_through_watchdog(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    path.touch()
    settings = logs.Settings(files=[logs.LogFile(path=f"{tmp_path}/*.log", service="shop")], reconcile_s=60)
    with watching(LogMonitor(settings, SystemClock(), Watchdog), sink):
        sink.wait(lambda s: s.checkpoints)
        for number in range(6):
            with path.open("a") as file:
                file.write(numbered(number))
            sink.wait(lambda s, n=number: len(s.signals) == n + 1, timeout_s=10)
            if number % 2:
                os.rename(path, f"{path}.{number}")
    assert [s.message for s in sink.signals] == [f"'n{number}'" for number in range(6)]
