"""Alertmanager's webhook: what is read, what is tolerated, what is refused."""

import contextlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.ports import Call, Refused
from nightshift.monitors import alertmanager
from nightshift.monitors.alertmanager import Settings, parse_webhook
from nightshift.monitors.alertmanager.polling import Poller
from nightshift.monitors.testing import ListSink, watching

ALERT = {
    "status": "firing",
    "labels": {"alertname": "HighErrors", "service": "shop", "severity": "critical"},
    "annotations": {"summary": "too many errors", "description": "12 per second", "runbook_url": "https://x/runbook"},
    "startsAt": "2026-01-02T03:04:05.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "c0ffee",
}


def body(*alerts, **more):
    return json.dumps({"version": "4", "groupKey": "{}", "status": "firing", "alerts": alerts, **more}).encode()


def test_a_firing_alert():
    [signal] = parse_webhook(body(ALERT))
    assert (signal.title, signal.service, signal.severity, signal.kind) == ("HighErrors", "shop", "critical", "alert")
    assert signal.message == "too many errors" and signal.sample == "12 per second"
    assert signal.at_ms == 1_767_323_045_123 and not signal.resolved
    assert signal.labels["runbook_url"] == "https://x/runbook" and signal.labels["fingerprint"] == "c0ffee"
    assert signal.key == "alertmanager:c0ffee:1767323045123:firing"


def test_a_resolved_alert_has_its_own_key_and_time():
    [signal] = parse_webhook(body({**ALERT, "status": "resolved", "endsAt": "2026-01-02T03:05:05+00:00"}))
    assert signal.resolved and signal.at_ms == 1_767_323_105_000 and signal.key.endswith(":resolved")


def test_the_second_of_an_ha_pair_changes_nothing():
    sink = ListSink()
    for sender in ("http://am-0", "http://am-1"):
        sink(parse_webhook(body(ALERT, externalURL=sender)))
    assert len(sink.received) == 2 and len(sink.signals) == 1


def test_one_signal_per_fingerprint():
    other = {**ALERT, "fingerprint": "beef", "labels": {"alertname": "Slow", "job": "api"}}
    signals = parse_webhook(body(ALERT, ALERT, other))
    assert [(s.title, s.service, s.severity) for s in signals] == [
        ("HighErrors", "shop", "critical"),
        ("Slow", "api", "warning"),
    ]


def test_unknown_fields_are_ignored_and_truncation_is_said():
    [signal] = parse_webhook(body({**ALERT, "new": {"x": 1}}, truncatedAlerts=7, brandNew=[1, 2]))
    assert "7 more alerts of this group were truncated" in signal.message


def test_without_a_fingerprint_the_labels_identify():
    bare = {k: v for k, v in ALERT.items() if k != "fingerprint"}
    one, other = (parse_webhook(body({**bare, "labels": {"a": x}}))[0].key for x in "12")
    assert one != other and one == parse_webhook(body({**bare, "labels": {"a": "1"}}))[0].key


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "no list 'alerts'"),
        (b"{}", "no list 'alerts'"),
        (body(version="3"), "version '3'"),
        (body("alert"), "no object"),
        (body({**ALERT, "labels": [1]}), "labels are no object"),
        (body({**ALERT, "status": "maybe"}), "status 'maybe'"),
        (body({**ALERT, "startsAt": "yesterday"}), "startsAt is no RFC 3339 time"),
        (body({**ALERT, "startsAt": "2026-01-02T03:04:05"}), "startsAt is no RFC 3339 time"),
        (b" " * (alertmanager.BODY_LIMIT + 1), "at most"),
        (body(*[{}] * (alertmanager.ALERT_LIMIT + 1)), "at most 10000"),
    ],
)
def test_wrong_bodies_are_refused_with_a_reason(wrong, said):
    with pytest.raises(ValueError, match=said):
        parse_webhook(wrong)


FIELDS = st.sampled_from(["alerts", "version", "status", "labels", "annotations", "startsAt", "endsAt", "fingerprint"])
LEAVES = st.none() | st.booleans() | st.floats() | st.text()


@settings(max_examples=50)
@given(st.recursive(LEAVES, lambda c: st.lists(c) | st.dictionaries(FIELDS, c), max_leaves=10))
def test_any_json_is_read_or_refused(thing):
    for text in (json.dumps(thing), json.dumps({"alerts": [thing]})):
        with contextlib.suppress(ValueError):
            assert isinstance(parse_webhook(text.encode()), list)


def call(content=None, **headers):
    content = body(ALERT) if content is None else content
    return Call(method="POST", path="/webhooks/alertmanager", headers=headers, query={}, body=content)


def read(settings, **headers):
    return alertmanager.receiver(settings, {}, ManualClock()).read(call(**headers))


@pytest.mark.parametrize("header", ["Bearer s3cret-token", "bearer s3cret-token"])
def test_the_right_token_opens(header):
    receipt = read(Settings(token="s3cret-token"), authorization=header)
    assert len(receipt.signals) == 1 and receipt.body == {"signals": 1}


@pytest.mark.parametrize(
    "headers",
    [{}] + [{"authorization": h} for h in ("", "Bearer", "Bearer ", "Bearer wrong", "Basic s3cret-token", "\xff")],
)
def test_any_other_token_is_refused(headers):
    with pytest.raises(Refused, match="bearer token"):
        read(Settings(token="s3cret-token"), **headers)


def test_a_signed_call_opens_and_any_other_body_does_not():
    settings = Settings(hmac_secret="s3cret-key")
    right = hmac.new(b"s3cret-key", body(ALERT), "sha256").hexdigest()
    for shown in (right, f"sha256={right}", right.upper()):
        assert read(settings, **{"x-signature-256": shown}).signals
    with pytest.raises(Refused, match="signature"):
        alertmanager.receiver(settings, {}, ManualClock()).read(call(body(), **{"x-signature-256": right}))
    with pytest.raises(Refused, match="bearer"):
        read(Settings(hmac_secret="s3cret-key", token="t"), **{"x-signature-256": right})


def test_without_a_token_it_fails_closed():
    with pytest.raises(Refused, match="anonymous"):
        read(Settings(), authorization="Bearer x")
    assert read(Settings(anonymous=True)).signals


def test_the_group_is_a_label():
    [signal] = parse_webhook(body(ALERT, groupKey='{}:{alertname="HighErrors"}'))
    assert signal.labels["alert_group"] == '{}:{alertname="HighErrors"}'


# ---------------------------------------------------------------- asked instead of called


def asked(*states):
    """What the API answers: one alert for each (fingerprint, state)."""
    return [{**ALERT, "fingerprint": name, "status": {"state": state}} for name, state in states]


@pytest.fixture
def poller():
    return Poller(Settings(poll_url="http://127.0.0.1:9"), ManualClock())


def told(sink):
    return [(s.labels["fingerprint"], s.resolved) for s in sink.received]


def test_what_is_missing_twice_is_resolved_under_the_webhooks_keys(poller):
    sink = ListSink()
    poller.compare(asked(("a", "active"), ("b", "active")), sink)
    poller.compare(asked(("b", "active")), sink)
    assert told(sink) == [("a", False), ("b", False)]
    poller.compare(asked(("b", "active")), sink)
    assert told(sink)[2:] == [("a", True)]
    [fired] = parse_webhook(body({**ALERT, "fingerprint": "a"}))
    assert [s.key for s in sink.received if s.labels["fingerprint"] == "a"] == [
        fired.key, fired.key.replace(":firing", ":resolved")
    ]  # fmt: skip


def test_what_is_silenced_is_neither_raised_nor_resolved(poller):
    sink = ListSink()
    poller.compare(asked(("a", "active"), ("b", "suppressed")), sink)
    for _ in range(3):
        poller.compare(asked(("a", "suppressed"), ("b", "suppressed")), sink)
    assert told(sink) == [("a", False)]


def test_what_is_cut_off_is_not_resolved(poller, caplog):
    sink = ListSink()
    poller.compare(asked(("a", "active")), sink)
    many = [{"labels": 1}] * alertmanager.ALERT_LIMIT
    with caplog.at_level("CRITICAL"):
        for _ in range(3):
            poller.compare([*many, *asked(("a", "active"))], sink)
    assert told(sink) == [("a", False)]


def test_an_alert_that_can_not_be_read_does_not_hide_the_others(poller):
    sink = ListSink()
    poller.compare([{"labels": 1}, *asked(("a", "active"))], sink)
    assert told(sink) == [("a", False)]


def test_the_state_survives_a_restart(poller):
    sink = ListSink()
    poller.compare(asked(("a", "active")), sink)
    again = Poller(Settings(poll_url="http://127.0.0.1:9", poll_interval_s=0.01), ManualClock())
    again.ask = list
    with watching(again, sink):
        sink.wait(lambda s: len(s.received) == 2)
    assert told(sink) == [("a", False), ("a", True)]


def test_nobody_is_asked_without_an_address():
    assert alertmanager.create(Settings(), {}, ManualClock()) is None
    with pytest.raises(ValueError, match="poll_url"):
        Settings(poll_url="alertmanager:9093")
