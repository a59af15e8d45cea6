"""Records of common loggers: which are errors, which carry a trace, and what the first level token means."""

import json
from pathlib import Path

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Severity
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.scan import Prefilter, Scanner

RECORDED = Path(__file__).parent / "recorded"
JAVA = (RECORDED / "java_chained.txt").read_text(encoding="utf-8")
NODE = (RECORDED / "node_logged.txt").read_text(encoding="utf-8")
NET = (RECORDED / "documented_net_plain.txt").read_text(encoding="utf-8")
PYTHON = 'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in f\n    g()\nValueError: no price\n'
ZAP = (
    "main.handler\n\t/srv/shop/main.go:12\nmain.main\n\t/srv/shop/main.go:5\n"
    "runtime.main\n\t/usr/local/go/src/runtime/proc.go:250"
)


def read(line, *, errors=True, compiled=True):
    text = line if isinstance(line, str) else json.dumps(line)
    grouper = Grouper(service="s", source="x", identity="i", clock=ManualClock(), labels={}, errors=errors)
    scanner = Scanner(grouper, Prefilter(errors=errors, compiled=compiled), position=0, line_bytes=1 << 20)
    data = bytearray(text.encode() + b"\n")
    scanner.scan(data, len(data))
    scanner.finish_line()
    scanner.settle()
    return grouper.out


def logfmt(text):
    return text.strip().replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


NULL = "java.lang.NullPointerException"
WITH_TRACE = {
    "structlog": ({"event": "failed", "level": "error", "exception": PYTHON}, "ValueError", "f"),
    "stdlib": ({"levelname": "ERROR", "message": "failed", "exc_info": PYTHON}, "ValueError", "f"),
    "pino": ({"level": 50, "time": 1, "err": {"type": "TypeError", "message": "x", "stack": NODE}},
             "TypeError", "price"),
    "bunyan": ({"name": "s", "level": 50, "v": 0, "err": {"name": "TypeError", "stack": NODE}}, "TypeError", "price"),
    "zap": ({"level": "error", "ts": 1.5, "error": "reset", "stacktrace": ZAP}, "error", "main.handler"),
    "zap, pkg/errors": ({"level": "error", "msg": "failed", "errorVerbose": "reset\n" + ZAP}, "error", "main.handler"),
    "logback": ({"level": "ERROR", "logger_name": "a.B", "stack_trace": JAVA}, NULL, "Shop.price"),
    "ECS": ({"log.level": "ERROR", "error.stack_trace": JAVA}, NULL, "Shop.price"),
    "ECS nested": ({"log": {"level": "error"}, "error": {"stack_trace": JAVA}}, NULL, "Shop.price"),
    "Google": ({"severity": "ERROR", "message": NODE}, "TypeError", "price"),
    "Serilog": ({"@l": "Error", "@x": NET}, "System.NullReferenceException", "Cart.Price"),
}  # fmt: skip


@pytest.mark.parametrize("name", WITH_TRACE)
@pytest.mark.parametrize("errors", [False, True])
def test_json_records_with_a_trace(name, errors):
    record, exception, function = WITH_TRACE[name]
    (signal,) = read(record, errors=errors)
    assert (signal.kind, signal.exception, signal.frames[-1].function) == ("crash", exception, function)
    wrapped = {"log": json.dumps(record) + "\n", "stream": "stderr", "time": "2026-01-01T00:00:00Z"}
    for line in (wrapped, "2026-01-01T00:00:00.1Z stderr F " + json.dumps(record)):
        (same,) = read(line, errors=errors)
        assert (same.exception, same.frames) == (signal.exception, signal.frames)


@pytest.mark.parametrize(
    ("stack", "exception", "function"),
    [(JAVA, NULL, "Shop.price"), (NODE, "TypeError", "price"), (ZAP, "error", "main.handler"),
     (PYTHON, "ValueError", "f")],
)  # fmt: skip
def test_logfmt_with_a_trace(stack, exception, function):
    (signal,) = read(f'time=2026-01-01T00:00:00Z level=error msg="no price" request_id=r7 stack="{logfmt(stack)}"')
    assert (signal.kind, signal.exception, signal.frames[-1].function) == ("crash", exception, function)
    if exception != "ValueError":
        assert signal.labels["request_id"] == "r7"


ERRORS = {
    'level=error msg="no \\"price\\"" err=reset': (Severity.ERROR, 'no "price"'),
    "E0102 15:04:05.000000       1 file.go:12] lost": (Severity.ERROR, ""),
    "F0102 15:04:05.000000       1 file.go:12] lost": (Severity.ERROR, ""),
    "<11>Nov 21 03:40:00 host app[1]: no price": (Severity.ERROR, ""),
    '{"level":60,"time":1,"msg":"dying"}': (Severity.CRITICAL, "dying"),
    '{"level":"fatal","msg":"dying"}': (Severity.CRITICAL, "dying"),
    "2026-01-01 00:00:00 CRITICAL db - lost": (Severity.CRITICAL, ""),
    "2026/01/01 00:00:00 [error] 12#12: *1 connect() failed": (Severity.ERROR, ""),
    "2026-01-01T00:00:00.1Z 0 [ERROR] [MY-010119] Aborting": (Severity.ERROR, ""),
    "2026-01-01 00:00:00.123 UTC [77] FATAL:  password failed": (Severity.CRITICAL, ""),
    "[2026-01-01T00:00:00Z ERROR shop::cart] no": (Severity.ERROR, ""),
}


@pytest.mark.parametrize("line", ERRORS)
def test_error_records_are_signals_when_asked_for(line):
    (signal,) = read(line)
    severity, message = ERRORS[line]
    assert (signal.kind, signal.severity) == ("error", severity) and message in signal.message
    assert read(line, errors=False) == []
    assert [s.message for s in read(line, compiled=False)] == [signal.message]


@pytest.mark.parametrize(
    "line",
    ["2026-01-01 00:00:00 INFO 0 ERROR",
     "I0102 15:04:05.000000       1 file.go:12] error", "<14>app: ERROR-free",
     "GET /error 200",
     '{"level":"info","msg":"error ERROR"}', '{"level":30,"msg":"error"}', "level=info msg=error",
     "level=warn err=error"],
)  # fmt: skip
def test_the_first_level_decides(line):
    assert read(line) == [] == read(line, compiled=False)
