"""Tracebacks in every dress: chained, grouped, prefixed, interleaved, in JSON, in one line."""

import io
import json
import traceback

import pytest
import structlog

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Severity
from nightshift.monitors.logs import read_signals
from nightshift.monitors.logs.stream import read_signals as read_stream
from nightshift.monitors.logs.testing import CHAINED, HEADER, PLAIN, json_line, prefixed

NOW_MS = 1_790_000_000_000


def read(text, **options):
    data = text if isinstance(text, bytes) else text.encode()
    return read_stream(io.BytesIO(data), service="shop", clock=ManualClock(NOW_MS), **options)


def only(text, **options):
    signals = read(text, **options)
    assert len(signals) == 1, [s.title for s in signals]
    return signals[0]


def raised(code, tmp_path):
    """What a real interpreter prints when this code fails."""
    path = tmp_path / "crash.py"
    path.write_text(code)
    try:
        exec(compile(code, str(path), "exec"), {"__name__": "crash"})
    except BaseException:
        return traceback.format_exc()


def functions(signal):
    return [f.function for f in signal.frames]


def test_a_plain_traceback():
    signal = only(PLAIN)
    assert (signal.exception, signal.message, signal.service) == ("KeyError", "'tea'", "shop")
    assert [(f.path, f.line, f.function, f.code) for f in signal.frames] == [
        ("/srv/shop/web.py", 40, "handle", "return view(request)"),
        ("/srv/shop/cart.py", 12, "price", "return prices[sku]"),
    ]
    assert signal.title == "KeyError: 'tea' in price" and signal.kind == "crash" and signal.at_ms == NOW_MS
    assert signal.sample == PLAIN.rstrip("\n")


def test_the_public_function_names_its_source():
    signal = read_signals(io.BytesIO(PLAIN.encode()), service="s", clock=ManualClock(), name="x.log")[0]
    assert signal.labels["log"] == "x.log" and signal.key == "log-x.log:0"


def test_a_chain_is_one_signal_about_the_last_exception_and_names_the_cause():
    signal = only(CHAINED)
    assert (signal.exception, signal.message) == ("shop.errors.Refused", "no price for tea")
    assert functions(signal) == ["handle"] and signal.labels["cause"] == "KeyError: 'tea'"


@pytest.mark.parametrize(
    "marker",
    [
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    ],
)
def test_frames_of_the_cause_stand_in_when_the_last_exception_has_none_of_the_service(marker):
    text = f"""{PLAIN}
{marker}

{HEADER}
  File "/usr/lib/python3.11/asyncio/runners.py", line 190, in run
    return runner.run(main)
  File "/srv/.venv/lib/python3.11/site-packages/lib/core.py", line 5, in wrap
    raise Wrapped from error
lib.core.Wrapped: it went wrong
"""
    signal = only(text)
    assert signal.exception == "lib.core.Wrapped" and functions(signal) == ["handle", "price"]


REAL = {
    "cause": ("def f():\n try: {}['a']\n except KeyError as e: raise ValueError('bad') from e\nf()", "ValueError", "f"),
    "context": ("def f():\n try: {}['a']\n except KeyError: 1/0\nf()", "ZeroDivisionError", "f"),
    "recursion": ("def f(n): return f(n + 1)\nf(0)", "RecursionError", "f"),
    "syntax": ("def f():\n compile('x = (', 'bad.py', 'exec')\nf()", "SyntaxError", ""),
    "no message": ("def f():\n raise KeyError\nf()", "KeyError", "f"),
    "own type": ("class Boom(Exception): pass\ndef f():\n raise Boom('x: y')\nf()", "crash.Boom", "f"),
    "note": ("def f():\n e = ValueError('x')\n e.add_note('first\\nsecond')\n raise e\nf()", "ValueError", "f"),
    "lines": ("def f():\n raise ValueError('one\\ntwo\\n\\nthree')\nf()", "ValueError", "f"),
    "interrupt": ("def f():\n raise KeyboardInterrupt\nf()", "KeyboardInterrupt", "f"),
    "deep chain": ("def f(n):\n try: n and f(n - 1); 1/0\n except Exception: raise ValueError(n)\nf(5)",
                   "ValueError", "f"),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_what_a_real_interpreter_prints(name, tmp_path):
    code, exception, function = REAL[name]
    signal = only(raised(code, tmp_path) + "2026-01-01 00:00:00 INFO next\n")
    assert signal.exception == exception and functions(signal)[-1] == function


@pytest.mark.parametrize("leaf", ["def g():\n {}['leaf']", "def g():\n try: {}['a']\n except KeyError: {}['leaf']"])
def test_a_group_is_about_its_first_member(leaf, tmp_path):
    code = (
        f"{leaf}\ndef f():\n es = []\n for h in (g, lambda: 1/0):\n  try: h()\n  except Exception as e: es.append(e)\n"
    )
    text = raised(code + " raise ExceptionGroup('two', es)\nf()", tmp_path)
    signal = only(text + PLAIN.replace("tea", "next")[:0])
    assert (signal.exception, signal.message) == ("KeyError", "'leaf'") and functions(signal)[-1] == "g"
    assert signal.labels["group"] == "ExceptionGroup: two (2 sub-exceptions)"


def test_a_group_inside_a_chain_and_what_follows_it(tmp_path):
    code = "def f():\n try: 1/0\n except Exception as e: raise ExceptionGroup('g', [e]) from e\nf()"
    signals = read(raised(code, tmp_path) + PLAIN)
    assert [s.exception for s in signals] == ["ZeroDivisionError", "KeyError"]


def test_a_syntax_error_without_a_header_is_a_crash_and_a_lone_place_is_not():
    assert only('  File "bad.py", line 3\n    x = (\n        ^\nSyntaxError: never closed\n').exception == "SyntaxError"
    assert read('  File "bad.py", line 3\n    x = (\n        ^\nfine\n') == []
    assert read('  File "bad.py", line 3\n    x\nKeyError: 1\n') == []


def test_locals_that_python_prints_are_kept():
    text = PLAIN.replace("           ~~~~~~^^^^^\n", "           ~~~~~~^^^^^\n    prices = {'x': 1}\n    sku = 'tea'\n")
    assert dict(only(text).frames[-1].locals) == {"prices": "{'x': 1}", "sku": "'tea'"}


PREFIXES = ["    ", "web_1  | ", "2026-01-02 03:04:{0:02d},000 ERROR app: ", "Nov 20 10:00:{0:02d} host app[123]: ",
            "[worker-{0}] ", "2026-01-02T03:04:05.{0:06d}Z stderr F "]  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("sample", [PLAIN, CHAINED])
def test_prefixes_are_peeled_off(prefix, sample):
    signal, bare = only(prefixed(sample, prefix)), only(sample)
    assert (signal.exception, signal.message, signal.frames) == (bare.exception, bare.message, bare.frames)


def test_a_record_that_starts_with_the_header_on_its_own_line():
    assert only(f"2026-01-02T03:04:05Z ERROR app: {PLAIN}").message == "'tea'"


def test_time_level_and_request_come_from_the_record_before():
    signal = only("2026-01-02T03:04:05.678+01:00 CRITICAL shop Exception on /cart/7 [POST]\n" + PLAIN)
    assert signal.at_ms == 1767319445678 and signal.severity is Severity.CRITICAL
    assert signal.labels == {"level": "critical", "request_path": "/cart/7", "request_method": "POST", "log": "stream"}


def test_an_access_line_before_is_somebody_elses():
    signal = only('10.0.0.1 - - [20/Nov/2026:23:01:02 +0000] "GET /x HTTP/1.1" 200 -\n' + PLAIN)
    assert signal.labels == {"log": "stream"}


ACCESS = '10.0.0.1 - - [20/Nov/2026:23:01:02 +0000] "GET / HTTP/1.1" 200 -\n'


@pytest.mark.parametrize(
    "foreign", [ACCESS, "INFO:     started\n", "2026-01-01 00:00:00 DEBUG x\n", '{"event": "x"}\n']
)
@pytest.mark.parametrize("sample", [PLAIN, CHAINED])
def test_up_to_two_foreign_lines_may_lie_between_any_two(foreign, sample):
    lines, bare = sample.splitlines(keepends=True), only(sample)
    for at in range(1, len(lines)):
        signal = only("".join([*lines[:at], foreign * 2, *lines[at:]]))
        assert (signal.exception, signal.frames) == (bare.exception, bare.frames), at


def test_two_tracebacks_are_two_signals_even_with_nothing_between():
    assert [s.message for s in read(PLAIN + PLAIN.replace("tea", "rum"))] == ["'tea'", "'rum'"]
    assert len({s.key for s in read(PLAIN * 50)}) == 50


def test_a_traceback_cut_off_by_another_is_told_too():
    cut = "".join(PLAIN.splitlines(keepends=True)[:4])
    signals = read(cut + PLAIN)
    assert [s.exception for s in signals] == ["", "KeyError"] and signals[0].title.startswith("traceback without")


def test_a_last_line_without_newline_counts():
    assert only(PLAIN.rstrip("\n")).message == "'tea'"


def test_prose_that_mentions_a_traceback_is_none():
    assert read(f"INFO see '{HEADER}' in the manual\n" + "INFO fine\n" * 5) == []
    assert read(f"{HEADER}\n" + "INFO fine\n" * 5) == []


@pytest.mark.parametrize("field", ["exception", "exc_info", "stack", "stack_trace", "traceback", "whatever"])
def test_a_traceback_in_any_string_of_a_json_record(field):
    line = {"level": "warning", "ts": 1767319445.678, "request_id": "r-1", "method": "GET", "path": "/cart", "n": 3}
    signal = only(json.dumps({**line, field: PLAIN}) + "\n")
    assert (signal.exception, signal.message, functions(signal)) == ("KeyError", "'tea'", ["handle", "price"])
    assert signal.at_ms == 1767319445678 and signal.severity is Severity.WARNING
    wanted = {"request_id": "r-1", "request_method": "GET", "request_path": "/cart", "n": "3", "level": "warning"}
    assert wanted.items() <= signal.labels.items()


def test_nested_json_and_docker_json_files():
    assert only(json.dumps({"error": {"stack_trace": CHAINED}}) + "\n").exception == "shop.errors.Refused"
    wrapped = [json.dumps({"log": line, "stream": "stderr", "time": "2026-01-02T03:04:05.000000001Z"}) + "\n"
               for line in CHAINED.splitlines(keepends=True)]  # fmt: skip
    signal = only("".join(wrapped))
    assert signal.exception == "shop.errors.Refused" and signal.at_ms == 1767323045000
    inner = json.dumps({"log": json_line(PLAIN), "stream": "stderr"}) + "\n"
    assert only(inner).message == "'tea'"


def test_formats_can_be_fixed():
    from nightshift.monitors.logs.group import Grouper
    from nightshift.monitors.logs.scan import Prefilter, Scanner

    for form, expected in (("json", ["'json'"]), ("plain", ["'plain'"]), ("auto", ["'json'", "'plain'"])):
        grouper = Grouper(service="s", source="x", identity="i", clock=ManualClock(), labels={}, form=form)
        scanner = Scanner(grouper, Prefilter(), position=0, line_bytes=1 << 20)
        stack = [{"exc_type": "KeyError", "exc_value": "'json'", "frames": []}]
        data = bytearray((json.dumps({"exception": stack}) + "\n" + PLAIN.replace("tea", "plain")).encode())
        scanner.scan(data, len(data))
        scanner.settle()
        assert [s.message for s in grouper.out] == expected


def structlogged(code, tmp_path):
    out = io.StringIO()
    processors = [structlog.processors.add_log_level, structlog.processors.dict_tracebacks,
                  structlog.processors.JSONRenderer()]  # fmt: skip
    log = structlog.wrap_logger(structlog.PrintLogger(out), processors=processors)
    path = tmp_path / "crash.py"
    path.write_text(code)
    scope = {"__name__": "crash"}
    exec(compile(code, str(path), "exec"), scope)
    try:
        scope["f"](7)
    except Exception:
        log.exception("boom", request_id="r-2")
    return out.getvalue()


def test_structlogs_structure_brings_the_locals(tmp_path):
    code = "def f(n):\n    prices = {'tea': n}\n    try:\n        prices['rum']\n    except KeyError as e:\n"
    signal = only(structlogged(code + "        raise ValueError('bad') from e\n", tmp_path))
    assert (signal.exception, signal.message) == ("ValueError", "bad") and signal.labels["cause"] == "KeyError: 'rum'"
    assert functions(signal)[-1] == "f" and dict(signal.frames[-1].locals)["n"] == "7"
    assert dict(signal.frames[-1].locals)["prices"] == "{'tea': 7}"
    assert HEADER in signal.sample


def test_structlogs_groups(tmp_path):
    code = "def g():\n    x = 5\n    {}['leaf']\ndef f(n):\n    es = []\n    for h in (g, lambda: 1/0):\n"
    code += "        try: h()\n        except Exception as e: es.append(e)\n    raise ExceptionGroup('m', es)\n"
    signal = only(structlogged(code, tmp_path))
    assert (signal.exception, functions(signal)[-1]) == ("KeyError", "g")
    assert dict(signal.frames[-1].locals)["x"] == "5"


def test_events_of_sentry_sdks():
    frame = {"abs_path": "/srv/shop/cart.py", "lineno": 12, "function": "price", "vars": {"sku": "'tea'"},
             "context_line": "    return prices[sku]"}  # fmt: skip
    value = {"type": "Refused", "module": "shop.errors", "value": "no", "stacktrace": {"frames": [frame]}}
    signal = only(json.dumps({"exception": {"values": [value]}, "level": "error"}) + "\n")
    assert signal.exception == "shop.errors.Refused" and signal.frames[0].locals == (("sku", "'tea'"),)


def test_a_traceback_escaped_into_one_line():
    escaped = PLAIN.replace('"', '\\"').replace("\n", "\\n")
    assert only(f'level=error msg=boom exc_info="{escaped}"\n').message == "'tea'"


def test_error_lines_are_signals_only_when_asked_for_and_not_beside_their_traceback():
    text = "2026-01-01T00:00:00Z ERROR payment refused\nINFO 0 ERROR\n" + "ERROR failed:\n" + PLAIN
    assert [s.kind for s in read(text)] == ["crash"]
    assert [(s.kind, s.message) for s in read(text, errors=True)] == [
        ("error", "2026-01-01T00:00:00Z ERROR payment refused"), ("crash", "'tea'"),
    ]  # fmt: skip
    asked = read('{"level": "critical", "event": "down"}\n{"level": "info", "event": "no error"}\n', errors=True)
    assert [(s.message, s.severity) for s in asked] == [("down", Severity.CRITICAL)]


HOSTILE = [
    b"\0" * 5000, bytes(range(256)) * 40, HEADER.encode() + b"\n" + b"\xff\xfe\n" * 500,
    b'{"exc_type": ' * 5000 + b"\n",
    b'{"exception": [{"exc_type": null, "frames": [1, null, {"lineno": "x", "locals": 3}], "exceptions": [3]}]}\n',
    b'{"exception": {"values": [1, null, {"stacktrace": {"frames": [[], {"lineno": 1e99}]}}]}}\n',
    b'{"stacktrace": 1, "ts": 1e308, "time": true, "timestamp": "9999-99-99T99:99:99Z"}\n',
    b'{"log": 3, "exc_type": 1}\n', b"Traceback (most recent call last)\n" * 1000,
    ('  File "' + "x" * 5000 + '", line 1\n').encode(), b'  File "a", line 99999999999999999999, in x\nSyntaxError\n',
    b'{"exception": "Traceback (most recent call last):\\n  File \\"a\\", line 1, in b\\n\\u0000\\ud800"}\n',
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_garbage_is_harmless_and_what_follows_is_read(number, caplog):
    signals = read(HOSTILE[number] + b"\n" + PLAIN.encode())
    assert signals[-1].message == "'tea'"
    assert not caplog.records


def test_endless_tracebacks_keep_both_ends():
    frame = '  File "/srv/a.py", line {0}, in f{0}\n    call()\n'
    text = f"{HEADER}\n" + "".join(frame.format(n) for n in range(5000)) + "ValueError: deep\n"
    signal = only(text)
    assert functions(signal)[0] == "f0" and functions(signal)[-1] == "f4999" and len(signal.frames) <= 64
    assert signal.exception == "ValueError"
