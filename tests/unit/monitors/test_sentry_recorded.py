"""What real SDKs sent (`recorded/sentry_*.envelope`; paths and host renamed, modules and machine left out), beside what
the same crash printed (`.txt`): an SDK's report and a log tell of the same incident."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nightshift.daemon import ports
from nightshift.daemon.intake.fingerprint import fingerprint, places
from nightshift.daemon.kit.clock import ManualClock
from nightshift.monitors import sentry
from nightshift.monitors.logs.traceback import parse
from nightshift.sandboxes.recorded import Call, call_of

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
    return endpoint.read(
        ports.Call(method="POST", path="/api/7/envelope/", headers={}, query={"sentry_key": KEY}, body=body)
    )


@pytest.mark.parametrize("name", CRASHES)
def test_a_report_and_a_log_of_one_crash_are_one_kind(name, crash_in):
    [signal], log = reported(name).signals, crash_in((RECORDED / f"sentry_{name}.txt").read_text(encoding="utf-8"))
    assert (signal.exception, signal.message) == (log.exception, log.message)
    assert places(signal.frames) == places(log.frames)
    assert fingerprint(signal) == fingerprint(log)


@pytest.mark.parametrize("name", CRASHES)
def test_the_sample_is_a_trace_that_reads_back(name, crash_in):
    [signal] = reported(name).signals
    again = crash_in(f"2026-11-21 03:40:00 ERROR failed\n{signal.sample}\n2026-11-21 03:40:01 INFO next\n")
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


def test_a_cut_argument_makes_no_test_and_is_named():
    [signal] = reported("python_price").signals
    source = "\n" * 11 + "def price(sku, amounts, many, nested, pair, note):\n    return PRICES[sku] * sum(amounts)\n"
    assert call_of(signal.frames[-1], ast.parse(source)) == "the recorded value of many is cut or masked"
    whole = source.replace("many, nested, pair, note", "nested")
    assert isinstance(call_of(signal.frames[-1], ast.parse(whole)), Call)


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
