"""However the bytes arrive, and however long a line is, the signals are the same."""

import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.scan import Prefilter, Scanner, carry_bytes
from nightshift.monitors.logs.testing import CHAINED, PLAIN, json_line, prefixed
from nightshift.monitors.logs.text import Text

LINE_BYTES = 4096
PARTS = [
    PLAIN, CHAINED, json_line(PLAIN), prefixed(PLAIN, "web | "), "INFO fine\n", "\n", "x" * 9000 + "\n",
    "2026-01-01T00:00:00Z ERROR boom\n" + PLAIN, "\0\xff\r\n", PLAIN.rstrip("\n"), '  File "a.py", line 1\n',
    json_line(PLAIN * 20), "y" * 5000 + " Traceback (most recent call last):\n", "SyntaxError: no\n",
]  # fmt: skip


def signals(data, cuts):
    """The scanner as the monitor drives it, the bytes cut at the given places."""
    grouper = Grouper(service="s", source="x", identity="i", clock=ManualClock(), labels={})
    scanner = Scanner(grouper, Prefilter(), position=0, line_bytes=LINE_BYTES)
    edges = [0, *sorted({c % (len(data) + 1) for c in cuts}), len(data)]
    for start, stop in pairwise(edges):
        assert scanner.read_at() == start
        buffer = bytearray(scanner.carry + data[start:stop] + b"rubbish from an earlier read\n")
        scanner.scan(buffer, len(scanner.carry) + stop - start)
        assert len(scanner.carry) <= carry_bytes(LINE_BYTES) and scanner.resume_at() <= stop
    scanner.finish_line()
    scanner.settle()
    return grouper.out


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=8), st.lists(st.integers(0, 60_000), max_size=30))
def test_any_split_gives_the_same_signals(parts, cuts):
    data = "".join(parts).encode("latin-1")
    assert signals(data, cuts) == signals(data, [])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, len(CHAINED)))
def test_reading_again_from_where_it_may_resume_finds_the_open_event_with_the_same_key(cut):
    data = ("INFO before\n2026-01-01T00:00:00Z ERROR boom\n" + CHAINED).encode()
    grouper = Grouper(service="s", source="x", identity="i", clock=ManualClock(), labels={})
    scanner = Scanner(grouper, Prefilter(), position=0, line_bytes=LINE_BYTES)
    scanner.scan(bytearray(data[:cut]), cut)
    resumed = Grouper(service="s", source="x", identity="i", clock=ManualClock(), labels={})
    again = Scanner(resumed, Prefilter(), position=scanner.resume_at(), line_bytes=LINE_BYTES)
    rest = bytearray(data[scanner.resume_at() :])
    again.scan(rest, len(rest))
    again.settle()
    assert [s.key for s in grouper.out + resumed.out] == [s.key for s in signals(data, [])]


def test_one_byte_at_a_time():
    data = (PLAIN + CHAINED + json_line(PLAIN)).encode()
    assert signals(data, range(len(data))) == signals(data, []) and len(signals(data, [])) == 3


def test_a_stream_is_read_in_pieces_too():
    from nightshift.monitors.logs.stream import read_signals

    data = ((PLAIN + "x" * 9000 + "\n") * 5).encode()
    whole = read_signals(io.BytesIO(data), service="s", clock=ManualClock())
    pieces = read_signals(io.BytesIO(data), service="s", clock=ManualClock(), read_bytes=7, line_bytes=LINE_BYTES)
    assert [s.key for s in whole] == [s.key for s in pieces] and len(whole) == 5


class Counting(Text):
    """Counts how often a line is looked at."""

    __slots__ = ()
    looks = 0

    def line(self, at):
        Counting.looks += 1
        return super().line(at)


class Watched(Scanner):
    __slots__ = ()

    def text(self, buffer, start, stop, *, final):
        return Counting(buffer, start, stop, final=final, errors=True, patience=self._patience)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("lines", [
    ["[pid 1] Traceback (most recent call last):"], [f"[pid {n}] Traceback (most recent call last):" for n in range(500)],
    ["2026-01-01 00:00:00 ERROR x failed", '2026-01-01 00:00:01   File "x", line 3'],
    *([["[a] ERROR x failed", "[a] x"] * 11 + ['[a]   File "x", line 3, in f']]),
])  # fmt: skip
def test_prefixes_that_lead_to_nothing_cost_a_bounded_number_of_looks_at_each_line(lines, compiled):
    data = bytearray("\n".join(lines * (8000 // len(lines))).encode() + b"\n")
    Counting.looks = 0
    grouper = Grouper(service="s", source="x", identity="i", clock=ManualClock(), labels={}, errors=True)
    scanner = Watched(grouper, Prefilter(errors=True, compiled=compiled), position=0, line_bytes=2048)
    scanner.scan(data, len(data))
    scanner.finish_line()
    assert Counting.looks < 8000 * 10
