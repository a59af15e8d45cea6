"""The compiled common cases say exactly what the Python rules say, and equal keys mean equal fingerprints."""

import json
import random
from itertools import chain, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nightshift.daemon.intake.fingerprint import fingerprint
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.tally import Tally
from nightshift.monitors.logs import framing
from nightshift.monitors.logs.compiled import kernel
from nightshift.monitors.logs.framing import Frames
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.scan import Prefilter, Scanner
from nightshift.monitors.logs.testing import CHAINED, HEADER, PLAIN, json_line, prefixed

pytestmark = pytest.mark.skipif(kernel() is None, reason="the kernel is not built")

STACK = (
    "java.lang.IllegalStateException: cart 17 failed\n\tat shop.Cart.price(Cart.java:12)\n\tat shop.Web.handle(Web.java:40)\n"
    "Caused by: java.lang.NullPointerException\n\tat shop.Prices.of(Prices.java:3)\n\t... 2 more\n"
)
NODE = "TypeError: Cannot read properties of undefined (reading 'n1')\n    at price (/srv/shop/cart.js:1:34)\n    at cart (/srv/shop/web.js:2:24)\n"
GO = "panic: runtime error: index out of range [5]\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/shop/main.go:5 +0x1d\nexit status 2\n"
GO_METHOD = (
    "panic: lost {0}\n\ngoroutine 7 [running]:\nmain.(*Cart).Price(0xc0000{0}, {0x1, 0x2})\n\t/srv/cart.go:{0} +0x1d\n"
    "created by main.main in goroutine 1\n\t/srv/main.go:3 +0x2\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/srv/main.go:9\n"
)
RUST = "thread 'main' panicked at src/main.rs:4:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`\n"
LINES = [
    "2026-01-01T00:00:00Z INFO fine {0}\n", "2026-01-01 00:00:0{0} ERROR payment {0} refused for 'bob'\n", "\n", "{{\n", "}}\n",
    "2026-01-01 00:00:00,123 [worker-{0}] CRITICAL c.x.Foo - lost {0}\n", 'level=error msg="no price" sku={0}\n', "INFO 0 ERROR\n",
    '{{"level":"error","msg":"no price for {0}","user":"u{0}"}}\n', '{{"level":"info","msg":"error {0}"}}\n', "Error: x{0}\n",
    '{{"level":50,"time":1,"msg":"boom {0}","err":{{"stack":"Error: x\\n    at f (/a.js:{0}:1)\\n    at g (/b.js:2:2)"}}}}\n',
    '{{"severity":"ERROR","stack_trace":"a.B: x{0}\\n\\tat a.C.d(C.java:{0})\\n"}}\n', "GET /error/{0} 200\n", "[error] {0}\n",
    "E0102 15:04:05.000000       1 file.go:{0}] lost\n", "<3>app: lost {0}\n", "<14>app: fine ERROR\n", "plain text {0}\n",
    "    at home\n", "\tat noon (x.js:1:{0})\n", "  at night\n", "Caused by: x\n", "\t... {0} more\n", HEADER + "\n", "ValueError: {0}\n",
    '  File "a.py", line {0}, in f\n', "    x = {0}\n", "SyntaxError: no\n", "During handling of the above exception, another exception occurred:\n",
    "The above exception was the direct cause of the following exception:\n", "10.0.0.{0} - - GET / error\n", "warn: disk\n", "error: {0}\r\n",
    "2026-01-01 00:00:00 ERROR java.io.IOException: reset {0}\n", "goroutine {0} [running]:\n", "PHP Fatal error:  Uncaught E: m in /a.php:{0}\n",
    "\tfrom a.rb:{0}:in `f'\n", "a.rb:{0}:in `g': no (KeyError)\n", "\0\xff\x85 error\n", "e\u0301rror ERROR \u0663\n", "Exception in thread \"m\" a.B: c\n",
    "y" * 3000 + "\n", "2026-01-01 ERROR " + "z{0} " * 90 + "\n", PLAIN, CHAINED, STACK, NODE, GO, GO_METHOD, RUST, json_line(PLAIN), prefixed(PLAIN, "web | "),
]  # fmt: skip

INNER = ["Traceback (most recent call last):\n", '  File "/srv/a.py", line {0}, in f\n', "    f({0})\n", "  x\n", "KeyError: {0}\n", "a.b.Lost\n",
         "note: {0}\n", "10.0.0.1 - - GET /{0}\n", "2026-01-01 00:00:00 INFO fine\n", "2026-01-01 00:00:00 ERROR lost {0}\n", "\n", "/srv/x.js:{0}\n",
         '{{"level":"error","msg":"m{0}"}}\n', '{{"level":"info","msg":"m"}}\n', "2026-01-01 00:00:00 ERROR request {0} failed\n", "panic: p\n"]  # fmt: skip
"""What stands in and around traces that are broken up, or behind a prefix."""
WRITERS = ["[pid {0}] ", "[pid 7] ", "[pid 12] ", "web-1 | ", "a ", "<t{0}> ", "12:00:0{0} x ", "a-b "]
MANY = [
    "".join(a + x + b + y for x, y in zip(PLAIN.splitlines(True), PLAIN.splitlines(True), strict=True))
    for a, b in (("[pid 7] ", "[pid 12] "), ("a ", "a-b "), ("x: ", "y "), ("[pid 7] ", "[pid 70] "))
]


def signals(data, cuts, *, compiled, errors=True, watch=None):
    grouper = Grouper(service="s", source="x", identity="i", clock=ManualClock(), labels={}, errors=errors)
    if watch is not None:
        read = Grouper.read

        class Watched(Grouper):
            def read(self, block, lines, at_ms=None, key=0):
                before = len(self.out)
                read(self, block, lines, at_ms, key)
                if key:
                    watch.append((key, self.out[before:]))

        grouper = Watched(service="s", source="x", identity="i", clock=ManualClock(), labels={}, errors=errors)
    scanner = Scanner(grouper, Prefilter(errors=errors, compiled=compiled), position=0, line_bytes=2048)
    edges = [0, *sorted(c % (len(data) + 1) for c in cuts), len(data)]
    for start, stop in pairwise(edges):
        buffer = bytearray(scanner.carry + data[start:stop])
        scanner.scan(buffer, len(buffer))
    scanner.finish_line()
    scanner.settle()
    return grouper.out


def fill(parts, seed):
    chance = random.Random(seed)
    return "".join(
        p.replace("{0}", str(chance.randrange(100))).replace("{{", "{").replace("}}", "}") for p in parts
    ).encode()


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(LINES), max_size=14), st.lists(st.integers(0, 9999), max_size=4), st.booleans())
@example([NODE, "\n", "error: {0}\r\n"], [], True)
def test_the_kernel_says_what_the_rules_say(parts, cuts, errors):
    data = fill(parts, 7)
    plain = signals(data, [], compiled=False, errors=errors)
    assert signals(data, cuts, compiled=True, errors=errors) == plain


def tally(data, cuts, *, compiled):
    """(fingerprint, count, offsets, last offset) of each kind of event."""
    counted = Tally(service="s", clock=ManualClock())
    counted.scan(Pieces(data, cuts), "x", Prefilter(errors=True, compiled=compiled))
    return sorted((g.fingerprint, g.count, g.offsets[0], g.last, g.signal.title) for g in counted.groups.values())


class Pieces:
    """A stream that is read in pieces."""

    def __init__(self, data, cuts):
        edges = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
        self.left = [data[a:b] for a, b in pairwise(edges)]

    def readinto(self, room):
        piece = self.left.pop(0) if self.left else b""
        room[: len(piece)] = piece
        return len(piece)


parts = st.one_of(
    st.lists(st.sampled_from(LINES), max_size=14),
    st.lists(st.one_of(st.sampled_from(INNER), st.sampled_from([PLAIN, *MANY])), max_size=24),
    st.lists(st.tuples(st.sampled_from(WRITERS), st.sampled_from(INNER[:9])).map("".join) | st.sampled_from([*LINES, *MANY]), max_size=30),
)  # fmt: skip


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(parts, max_size=3).map(lambda p: [*chain(*p)]), st.lists(st.integers(0, 9999), max_size=3))
def test_events_of_known_kinds_are_counted_as_they_are_read(parts, cuts):
    data = fill(parts * 3, 5)
    assert tally(data, cuts, compiled=True) == tally(data, [], compiled=False)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(LINES), min_size=2, max_size=12), st.integers(0, 99))
def test_equal_keys_mean_equal_fingerprints(parts, seed):
    watch = []
    signals(fill(parts * 2, seed), [], compiled=True, watch=watch)
    known = {}
    for key, found in watch:
        marks = [(fingerprint(s), s.severity) for s in found]
        assert known.setdefault(key, marks) == marks


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=4000), st.lists(st.integers(0, 4000), max_size=3))
def test_random_bytes_do_no_harm(data, cuts):
    assert signals(data, cuts, compiled=True) == signals(data, [], compiled=False)


def test_positions_outside_the_buffer_are_refused():
    for at, low, floor, stop in ((-1, 0, 0, 3), (0, 0, 4, 3), (0, 0, 0, 9), (5, 0, 0, 3), (0, -1, 0, 3), (0, 2, 1, 3)):
        with pytest.raises(ValueError, match="outside"):
            kernel().scan(b"abc", at, low, floor, stop, True, True, 100)


STAMP = "2026-01-01T00:00:00.{0}Z"
WRAPPED = {
    "cri": [STAMP + " stdout F {text}\n", STAMP + " stderr P {text}\n", STAMP + " stderr F {text}\r\n", "2026-01-01T00:00:00+01:00 stdout P:x {text}\n",
            STAMP + " stdlog F {text}\n", STAMP + " stdout F{text}\n", "2026/01/01 00:00:00 stdout F x\n", "{text}\n", STAMP + " stdout F \n"],
    "docker": ['{{"log":{json},"stream":"stdout","time":"t"}}\n', '{{"log":{json},"stream":"stderr","time":"t"}}\n', '{{"stream":"stdout","log":{json}}}\r\n',
               '{{"log": {json}, "stream": "stdout"}}\n', '{{"log":{json},"stream":"a\\u0062"}}\n', '{{"log":{json},"log":"x","stream":"b"}}\n', "{text}\n",
               '{{"log":"\\ud800","stream":"a"}}\n', '{{"log":"a\\/b\\ud83d\\ude00\\n","stream":"a"}}\n', '{{"log":{json},"attrs":{{}}}}\n', '{{"log":7}}\n'],
}  # fmt: skip
TEXTS = [
    "",
    "x",
    "ERROR lost {0}",
    'say "{0}"\n',
    "a\tb\\c\n",
    "caf\u00e9 \u4e2d\U0001f600\n",
    "\x01\x7f\n",
    "two\nlines\n",
    *PLAIN.splitlines(True),
]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(["cri", "docker"]), st.data(), st.integers(0, 300))
def test_wrapped_lines_are_unwrapped_alike(engine, draws, floor):
    frames = Frames(framing._cri if engine == "cri" else framing._docker)
    frames._floors = {"stdout": floor}
    lines = draws.draw(st.lists(st.tuples(st.sampled_from(WRAPPED[engine]), st.sampled_from(TEXTS)), max_size=12))
    data = b"".join(wrapped(line, text) for line, text in lines) + draws.draw(st.binary(max_size=30))
    told = [frames.streams(one, data, 0, len(data), 7) for one in (kernel(), None)]
    assert [{n: (s.text, s.places, s.offsets, s.open_at) for n, s in one.items()} for one in told[:1]] == [
        {n: (s.text, s.places, s.offsets, s.open_at) for n, s in one.items() if s.places} for one in told[1:]
    ]


def wrapped(line, text):
    text = text.replace("{0}", "7")
    plain = text.replace("\n", " ")
    line = line.replace("{{", "{").replace("}}", "}").replace("{0}", "5")
    return line.replace("{text}", plain).replace("{json}", json.dumps(text, ensure_ascii=len(text) % 2 == 0)).encode()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(parts, max_size=3).map(lambda p: [*chain(*p)]), st.booleans())
def test_wrapped_events_are_counted_as_they_are_read(parts, cri):
    lines = fill(parts * 2, 5).decode("utf-8", "replace").split("\n")
    line = WRAPPED["cri"][0] if cri else WRAPPED["docker"][0]
    data = b"".join(wrapped(line, text if cri else text + "\n") for text in lines)
    assert tally(data, [], compiled=True) == tally(data, [], compiled=False)


def test_more_streams_than_anybody_has_are_read_all_the_same():
    data = b"".join(b'{"log":"ERROR lost %d\\n","stream":"s%d"}\n' % (n, n) for n in range(20))
    frames = Frames(framing._docker)
    assert len(frames.streams(kernel(), bytearray(data), 0, len(data), 0)) == 20
