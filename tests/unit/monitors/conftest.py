"""What a log tells of a crash, for comparison with what others tell of it."""

import io

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.monitors.logs import read_signals


@pytest.fixture
def crash_in():
    """A function that gives the one crash in a log's text."""

    def read(text):
        signals = read_signals(io.BytesIO(text.encode()), service="shop", clock=ManualClock())
        [signal] = [signal for signal in signals if signal.kind == "crash"]
        return signal

    return read
