"""What a log tells of a crash, for comparison with what others tell of it."""

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.scan import Prefilter, Scanner


@pytest.fixture
def crash_in():
    """A function that gives the one crash in a log's text."""

    def read(text):
        grouper = Grouper(service="shop", source="x", identity="i", clock=ManualClock(), labels={}, errors=False)
        scanner = Scanner(grouper, Prefilter(errors=False), position=0, line_bytes=1 << 14)
        data = bytearray(text.encode())
        scanner.scan(data, len(data))
        scanner.finish_line()
        scanner.settle()
        [signal] = [signal for signal in grouper.out if signal.kind == "crash"]
        return signal

    return read
