"""What programs in eight languages print when they crash, as recorded from the real runtimes (`recorded/`).

`documented_*` come from the vendors' documentation, as those runtimes were not at hand.
"""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.kit.frames import in_app
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.scan import Prefilter, Scanner, carry_bytes

RECORDED = Path(__file__).parent / "recorded"
LINE_BYTES = 1 << 14

TRACES = json.loads((RECORDED / "expected.json").read_text(encoding="utf-8"))
"""Name, exception, beginning of the message, [path, line, function] of the crash site, frames, the outer exception."""
PYTHON = (
    'Traceback (most recent call last):\n  File "/srv/shop/web.py", line 40, in handle\n    price(cart)\n'
    "  File \"/srv/shop/cart.py\", line 12, in price\n    return prices[sku]\nKeyError: 'tea'\n"
)
NAMES = [trace[0] for trace in TRACES]
INFO = "2026-11-21 03:40:00 INFO fine {0}\n"


def text_of(name):
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8").strip("\n") + "\n"


def read(data, *, errors=False, cuts=(), compiled=True, form="auto"):
    """The signals of a log, its bytes cut at the given places."""
    data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    grouper = Grouper(service="s", source="x", identity="i", clock=ManualClock(), labels={}, errors=errors, form=form)
    scanner = Scanner(grouper, Prefilter(errors=errors, compiled=compiled), position=0, line_bytes=LINE_BYTES)
    for start, stop in pairwise([0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]):
        buffer = bytearray(scanner.carry + data[start:stop])
        scanner.scan(buffer, len(buffer))
        assert len(scanner.carry) <= carry_bytes(LINE_BYTES)
    scanner.finish_line()
    scanner.settle()
    return grouper.out


def crashes(signals):
    return sorted(((s.exception, s.message, s.frames) for s in signals if s.kind == "crash"), key=repr)


@pytest.mark.parametrize(("name", "exception", "message", "place", "frames", "outer"), TRACES, ids=NAMES)
def test_one_crash_with_the_frames_outermost_first(name, exception, message, place, frames, outer):
    (signal,) = read(text_of(name))
    assert (signal.kind, signal.exception, len(signal.frames)) == ("crash", exception, frames)
    assert signal.message.startswith(message) and signal.labels.get("group", "").startswith(outer)
    last = signal.frames[-1]
    assert [last.path, last.line, last.function] == place


@pytest.mark.parametrize("name", NAMES)
def test_lines_around_it_change_nothing(name):
    text = INFO + text_of(name) + INFO * 3
    (around,) = read(text)
    assert crashes([around]) == crashes(read(text_of(name))) and "INFO" not in around.sample
    assert crashes(read(text, compiled=False)) == crashes([around])


@pytest.mark.parametrize(
    "prefix", ["web-1  | ", "[req-7f3a] ", "1234: ", "2026-11-21 03:40:00,123 [worker-3] ", "app[77]: "]
)
@pytest.mark.parametrize("name", NAMES)
def test_a_prefix_before_every_line_is_peeled_off(name, prefix):
    text = "".join(prefix + line + "\n" for line in text_of(name).splitlines())
    assert crashes(read(text)) == crashes(read(text_of(name)))


def test_what_is_no_crash():
    assert read(text_of("php_warning"), errors=True) == []
    prose = (
        "lunch at noon:\n  at home (or not)\nwe panicked at the sight\nread the Stack trace: it says\nfrom a.rb:1 on\n"
    )
    assert read(prose) == []
    assert read("Note: see\n    at the end (page 3)\nWARNING:\n\tat 10:00 we stop\nhome:\n    at noon\n") == []


STACKS = ["java_plain", "java_lambda", "node_logged", "node_cause", "documented_java_log4j", "documented_scala"]


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("foreign", [1, 2])
def test_up_to_two_harmless_lines_of_others_may_lie_in_a_stack(name, foreign):
    lines = text_of(name).splitlines(keepends=True)
    frames = [n for n, line in enumerate(lines) if line.lstrip().startswith("at ")]
    for at in frames[1:]:
        if not lines[at - 1].lstrip().startswith("at "):
            continue
        text = "".join(lines[:at]) + INFO * foreign + "".join(lines[at:]) + INFO * 4
        (signal,) = read(text)
        assert crashes([signal]) == crashes(read(text_of(name))) and "INFO" not in signal.sample
        assert (
            crashes(read(text, compiled=False))
            == crashes(read(text, cuts=range(0, len(text), 37)))
            == crashes([signal])
        )


def test_the_stack_of_another_trace_is_not_taken_for_the_rest_of_one():
    text = (
        text_of("java_plain") + "2026-11-21 03:40:00 INFO x\n2026-11-21 03:40:00 ERROR failed java.io.IOException: y\n"
    )
    text += "\tat a.B.c(B.java:1)\n"
    first, second = read(text)
    assert (len(first.frames), second.exception) == (2, "java.io.IOException")


def test_a_thread_that_reports_and_dies_is_told_twice_with_the_same_frames():
    first, second = read(text_of("ruby_thread"))
    assert first.frames == second.frames and first.exception == "KeyError"


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("node_rejectedvalue",)])
def test_somewhere_is_the_services_own_code(name):
    (signal,) = read(text_of(name))
    assert any(in_app(frame.path) for frame in signal.frames)


def test_installed_code_is_not():
    (signal,) = read(text_of("documented_php_laravel"))
    assert [in_app(f.path) for f in signal.frames] == [False, True, True]
    (signal,) = read(text_of("documented_java_log4j"))
    assert [in_app(f.path) for f in signal.frames] == [False, True, True]
    (signal,) = read(text_of("node_uncaught"))
    assert [f.function for f in signal.frames if in_app(f.path)] == ["Object.<anonymous>", "price"]


STYLES = [
    lambda n, r: f"[req-{n}] ", lambda n, r: f"web-{n}  | ", lambda n, r: f"{1000 + n}: ",
    lambda n, r: f"2026-11-21 03:40:0{r.randint(0, 9)},{r.randint(100, 999)} [worker-{n}] ",
    lambda n, r: f"2026-11-21T03:40:0{r.randint(0, 9)}Z ERROR pid={n} ",
    lambda n, r: f"Nov 21 03:40:0{r.randint(0, 9)} host app[{4000 + n}]: ",
]  # fmt: skip
WRITERS = [
    n for n in NAMES if n not in ("go_overflow", "documented_net_async", "documented_ruby_rails", "rust_full_unwrap")
]


def interleaved(texts, style, rnd):
    """Line by line, whoever's turn it is; nobody who has begun is silent for longer than ten lines."""
    queues = [[style(n, rnd) + line for line in text.splitlines()] for n, text in enumerate(texts)]
    lines, spoke = [], {}
    while waiting := [n for n, q in enumerate(queues) if q]:
        late = [n for n in waiting if len(lines) - spoke.get(n, len(lines)) >= 10 - len(waiting)]
        chosen = late[0] if late else rnd.choice(waiting)
        spoke[chosen] = len(lines)
        lines.append(queues[chosen].pop(0))
    return "\n".join(lines) + "\n"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*WRITERS, ""]), min_size=2, max_size=5), st.sampled_from(STYLES),
       st.randoms(use_true_random=False), st.lists(st.integers(0, 60_000), max_size=5))  # fmt: skip
def test_writers_that_interleave_line_by_line_are_told_apart(names, style, rnd, cuts):
    texts = [text_of(name) if name else PYTHON for name in names]
    text = INFO * 2 + interleaved(texts, style, rnd) + INFO * 20
    found = read(text)
    assert crashes(found) == sorted((c for t in texts for c in crashes(read(t))), key=repr)
    assert [(s.key, s.frames) for s in read(text, cuts=cuts)] == [(s.key, s.frames) for s in found]
    assert crashes(read(text, compiled=False)) == crashes(found)


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_cut_short_is_told_or_not_and_does_no_harm_to_the_next(name):
    lines = text_of(name).splitlines(keepends=True)
    for count in range(1, min(len(lines), 12)):
        found = read("".join(lines[:count]) + INFO + PYTHON)
        assert len(found) <= 2 and found[-1].exception == "KeyError"


@pytest.mark.parametrize("name", [n for n in NAMES if text_of(n).count("\n") > 3])
@pytest.mark.parametrize("key", ["stack", "stack_trace", "stacktrace", "exception", "errorVerbose"])
def test_the_same_trace_in_a_json_record(name, key):
    text = text_of(name)
    record = json.dumps({"level": "error", "msg": "failed", key: text}) + "\n"
    (signal,) = read(record, errors=True)
    bare = read(text)[0]
    assert (signal.kind, signal.exception, signal.frames) == ("crash", bare.exception, bare.frames)


MUTATIONS = st.sampled_from(["drop", "double", "swap", "cut", "byte", "foreign"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*NAMES, "ruby_thread"]), min_size=1, max_size=3), st.lists(MUTATIONS, max_size=6),
       st.randoms(use_true_random=False), st.lists(st.integers(0, 60_000), max_size=4), st.booleans())  # fmt: skip
def test_mutated_traces_do_no_harm(names, mutations, rnd, cuts, errors):
    lines = [line.encode() for name in names for line in text_of(name).splitlines()]
    for mutation in mutations:
        at = rnd.randrange(len(lines))
        other = rnd.randrange(len(lines))
        if mutation == "drop" and len(lines) > 1:
            del lines[at]
        elif mutation == "double":
            lines.insert(at, lines[other])
        elif mutation == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        elif mutation == "cut":
            lines[at] = lines[at][: rnd.randrange(len(lines[at]) + 1)]
        elif mutation == "byte":
            lines[at] = lines[at] + bytes([rnd.randrange(256)]) * rnd.randrange(1, 50)
        else:
            lines.insert(at, INFO.encode().strip())
    data = b"\n".join(lines) + b"\n" + INFO.encode() * 20 + PYTHON.encode()
    found = read(data, errors=errors, cuts=cuts)
    assert found[-1].exception == "KeyError"
    assert len({s.key for s in found}) == len(found) <= len(lines) + 1
    assert all(len(s.sample) <= 65536 and len(s.frames) <= 64 for s in found)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([
    b"\tat ", b"    at f (", b"panic: ", b"\ngoroutine 1 [running]:\n", b"thread 'x' panicked at ", b":in `f': x (E)\n",
    b"\n#0 ", b"Stack trace:\n", b"[stacktrace]\n", b"PHP Fatal error:  Uncaught ", b"\tfrom a:1\n",
    b"Traceback (most recent call last):\n",
    b"\n", b"[x] ", b"ERROR ", b"Caused by: ", b" ---> ", b"Error: x\n", b"\t6: from a:1:in `b'\n",
])), max_size=60), st.booleans())  # fmt: skip
def test_fragments_of_traces_do_no_harm(parts, errors):
    data = b"".join(parts)
    found = read(data, errors=errors)
    assert crashes(read(data, errors=errors, compiled=False)) == crashes(found)
    assert len(found) <= data.count(b"\n") + 1


def test_hostile_lines_take_no_time_that_grows_with_their_square():
    rnd = random.Random(1)
    for piece in (":1:in `", "a.B ", "x: ", "[a] ", "(((", "at (", "' ", "#0 a(1): ", "\\", "1 "):
        line = "".join(rnd.choice([piece, piece, " "]) for _ in range(4000))
        for opener in ("PHP Fatal error:  Uncaught ", "panic: ", "thread 'a' panicked at '", "E: ", "a.rb:1:in `b': "):
            assert len(read(f"{opener}{line}\n\tat {line}\n    at {line}\n" + PYTHON, errors=True)) <= 6
