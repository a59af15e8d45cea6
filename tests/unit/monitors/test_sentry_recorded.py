"""What real SDKs sent (`recorded/sentry_*.envelope`, paths and host renamed), beside what the same crash printed
(`.txt`): an SDK's report and a log tell of the same incident."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.daemon.intake.fingerprint import fingerprint, places
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.ports import Call
from nightshift.monitors import sentry
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.scan import Prefilter, Scanner
from nightshift.monitors.logs.traceback import parse

RECORDED = Path(__file__).parent / "recorded"
KEY = "0123456789abcdef0123456789abcdef"
NOW_MS = 1_795_250_000_000
CRASHES = ["python_price", "python_cart", "python_chain", "python_group", "node_cause"]


def reported(name):
    """The receipt of a recorded envelope."""
    endpoint = sentry.receiver(
        sentry.Settings(projects=[sentry.Project(id="7", service="shop", key=KEY)]), {}, ManualClock(now_ms=NOW_MS)
    )
    body = (RECORDED / f"sentry_{name}.envelope").read_bytes()
    return endpoint.read(Call(method="POST", path="/api/7/envelope/", headers={}, query={"sentry_key": KEY}, body=body))


def logged(name):
    """The one signal of a log."""
    text = (RECORDED / f"{name}.txt").read_text(encoding="utf-8")
    return read(text)


def read(text):
    grouper = Grouper(service="shop", source="x", identity="i", clock=ManualClock(), labels={}, errors=False)
    scanner = Scanner(grouper, Prefilter(errors=False), position=0, line_bytes=1 << 14)
    data = bytearray(text.encode())
    scanner.scan(data, len(data))
    scanner.finish_line()
    scanner.settle()
    [signal] = [signal for signal in grouper.out if signal.kind == "crash"]
    return signal


@pytest.mark.parametrize("name", CRASHES)
def test_a_report_and_a_log_of_one_crash_are_one_kind(name):
    [signal], log = reported(name).signals, logged(f"sentry_{name}")
    assert (signal.exception, signal.message) == (log.exception, log.message)
    assert places(signal.frames) == places(log.frames)
    assert fingerprint(signal) == fingerprint(log)


@pytest.mark.parametrize("name", CRASHES)
def test_the_sample_is_a_trace_that_reads_back(name):
    [signal] = reported(name).signals
    again = read(f"2026-11-21 03:40:00 ERROR failed\n{signal.sample}\n2026-11-21 03:40:01 INFO next\n")
    assert (again.exception, again.message) == (signal.exception, signal.message)
    assert [(f.path, f.line, f.function) for f in again.frames] == [(f.path, f.line, f.function) for f in signal.frames]


@pytest.mark.parametrize(
    "name", ["python_transaction", "python_sessions", "python_logs", "python_report", "node_session"]
)
def test_everything_else_sdks_send_is_taken_politely(name):
    receipt = reported(name)
    assert receipt.status == 200 and not receipt.signals


def test_arguments_are_there_unless_the_sdk_cut_them():
    [signal] = reported("python_price").signals
    values = dict(signal.frames[-1].locals)
    assert values["sku"] == "'coffee'" and values["amounts"] == "[1, 2]"
    assert values["many"] == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]", "forty numbers were given, the SDK sent ten"
    assert values["nested"] == "{'a': {'b': {'c': {'d': {'e': {'f': 1}}}}}}"
    assert len(values["note"]) == 2000 and values["note"].endswith("...")


def test_what_may_not_have_been_text_and_what_was_hidden_is_no_literal():
    [signal] = reported("python_cart").signals
    values = dict(signal.frames[-2].locals)
    assert values["shape"] == "{...: 'one', 'b': None}" and values["password"] == "..."
    assert signal.frames[-1].function == "<lambda>" and dict(signal.frames[-1].locals) == {"line": "['coffee', 2]"}


def test_causes_groups_and_deploys_are_told():
    [chain], [group] = reported("python_chain").signals, reported("python_group").signals
    assert chain.labels["cause"] == "KeyError: 'none'" and chain.labels["commit"] == chain.labels["release"]
    assert chain.sample.index("KeyError: 'none'") < chain.sample.index("ValueError: no such thing")
    assert group.exception == "KeyError" and group.labels["group"].startswith("ExceptionGroup: several")
    assert parse(group.sample.splitlines()).group.startswith("ExceptionGroup: several")


@pytest.mark.parametrize("name", CRASHES)
def test_what_a_request_carried_is_not_kept(name):
    text = str(reported(name).signals)
    assert (
        "a-secret-cookie" not in text
        and "abcdefgh12345678" not in text
        and "hunter2" not in text.replace('password="hunter2-secret"', "")
    )
