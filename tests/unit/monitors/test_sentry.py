"""Sentry's protocol: envelopes, keys, limits, and what of an event becomes a signal."""

import base64
import contextlib
import gzip
import json
import re
import zlib
from concurrent.futures import ThreadPoolExecutor

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nightshift.daemon.config import UNSET
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.ports import Call, Receipt, Refused
from nightshift.monitors import sentry
from nightshift.monitors.sentry import envelope
from nightshift.monitors.sentry.recorded import text
from nightshift.monitors.unpack import unpack

KEY = "k" * 32
ID = "0123456789abcdef0123456789abcdef"
FRAME = {"abs_path": "/srv/shop/cart.py", "lineno": 7, "function": "Cart.total", "context_line": "  return x[0]\n",
         "vars": {"x": ["1", "'a'"]}}  # fmt: skip
EVENT = {
    "event_id": ID, "timestamp": "2026-01-02T03:04:05.5Z", "platform": "python", "level": "error",
    "exception": {"values": [{"type": "IndexError", "value": "out of range", "stacktrace": {"frames": [FRAME]}}]},
}  # fmt: skip


@pytest.fixture
def clock():
    return ManualClock(now_ms=1_767_400_000_000)


@pytest.fixture
def endpoint(clock):
    return made(clock)


def made(clock, **more):
    project = sentry.Project(id="7", service="shop", key=KEY)
    return sentry.receiver(sentry.Settings(projects=[project], **more), {}, clock)


def packed(*items, **header):
    lines = [json.dumps(header).encode()]
    for kind, payload in items:
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        lines += [json.dumps({"type": kind, "length": len(payload)}).encode(), payload]
    return b"\n".join(lines)


def call(body, path="/api/7/envelope/", method="POST", query=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers.setdefault("x-sentry-auth", f"Sentry sentry_version=7, sentry_key={KEY}, sentry_client=x/1")
    return Call(method=method, path=path, headers=headers, query=query or {}, body=body)


def test_an_event_is_a_crash(endpoint):
    receipt = endpoint.read(call(packed(("event", EVENT), event_id=ID)))
    [signal] = receipt.signals
    assert receipt.status == 200 and receipt.body == {"id": ID}
    assert (signal.key, signal.service, signal.kind) == (f"sentry:7:{ID}", "shop", "crash")
    assert signal.at_ms == 1_767_323_045_500 and signal.title == "IndexError: out of range in total"
    assert signal.frames[0].function == "total" and signal.frames[0].locals == (("x", "[1, 'a']"),)
    assert signal.sample.splitlines() == [
        "Traceback (most recent call last):", '  File "/srv/shop/cart.py", line 7, in total', "    return x[0]",
        "IndexError: out of range",
    ]  # fmt: skip


def test_the_older_endpoint_takes_a_bare_event(endpoint):
    [signal] = endpoint.read(call(json.dumps(EVENT).encode(), path="/api/7/store/")).signals
    assert signal.key == f"sentry:7:{ID}"


def test_clients_older_than_the_sdks_send_base64(endpoint):
    packed_ = base64.b64encode(zlib.compress(json.dumps(EVENT).encode()))
    assert endpoint.read(call(packed_, path="/api/7/store/")).signals[0].key == f"sentry:7:{ID}"
    bomb = base64.b64encode(zlib.compress(b"\0" * (20 << 20)))
    for body in (bomb, base64.b64encode(b"no deflate"), b"AAAA", b"nothing of that kind"):
        with pytest.raises(ValueError, match=r"\w"):
            endpoint.read(call(body, path="/api/7/store/"))


def test_items_without_length_unknown_items_and_newlines_in_payloads(endpoint):
    body = b'{}\n{"type":"session"}\n{"sid":"x"}\n{"type":"replay_recording","length":7}\na\nb\n\nc\n\n'
    body += b'{"type":"event"}\n' + json.dumps(EVENT).encode()
    assert len(endpoint.read(call(body)).signals) == 1


@pytest.mark.parametrize("kind", ["transaction", "session", "sessions", "client_report", "profile", "check_in", "wow"])
def test_what_is_no_event_is_taken_politely(endpoint, kind):
    receipt = endpoint.read(call(packed((kind, {"a": 1}), event_id=ID)))
    assert receipt.status == 200 and not receipt.signals and receipt.body == {"id": ID}


@pytest.mark.parametrize("change", [{}, {"message": "fine", "level": "warning"}, {"message": "fine", "level": "info"}])
def test_what_is_no_failure_is_left(endpoint, change):
    assert endpoint.read(call(packed(("event", {**EVENT, "exception": None, **change})))).signals == []


@pytest.mark.parametrize(
    ("level", "severity"),
    [("fatal", "critical"), ("error", "error"), ("warning", "warning"), ("info", "info"), ("loud", "error"),
     (None, "error")],
)  # fmt: skip
def test_an_exception_is_a_crash_of_its_level(endpoint, level, severity):
    [signal] = endpoint.read(call(packed(("event", {**EVENT, "level": level})))).signals
    assert (signal.severity, signal.kind) == (severity, "crash")


@pytest.mark.parametrize(
    ("encoding", "squeeze"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("identity", bytes),
    ],
)
def test_every_compression(endpoint, encoding, squeeze):
    receipt = endpoint.read(call(squeeze(packed(("event", EVENT))), content_encoding=encoding))
    assert len(receipt.signals) == 1


@pytest.mark.parametrize(
    ("encoding", "squeeze"),
    [("gzip", gzip.compress), ("br", brotli.compress), ("zstd", zstandard.ZstdCompressor().compress)],
)
def test_a_bomb_is_refused_before_it_goes_off(encoding, squeeze):
    with pytest.raises(ValueError, match="more than 100000 bytes"):
        unpack(squeeze(b"\0" * 50_000_000), encoding, 100_000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "lzw"])
def test_bytes_that_are_not_what_they_say(encoding):
    with pytest.raises(ValueError, match=r"compressed|understood"):
        unpack(b"\x00\x01nonsense", encoding, 1000)


def test_the_key_may_come_in_a_header_the_query_or_the_dsn(endpoint):
    body = packed(("event", EVENT))
    assert endpoint.read(call(body, x_sentry_auth="", query={"sentry_key": KEY})).signals
    assert endpoint.read(call(packed(("event", EVENT), dsn=f"http://{KEY}@host/7"), x_sentry_auth="")).signals
    assert endpoint.read(call(body, x_sentry_auth="", authorization=f"Sentry sentry_key={KEY}")).signals


@pytest.mark.parametrize("shown", ["", "Sentry", f"Sentry sentry_key={KEY}x", "Sentry sentry_key=", "\xff"])
def test_any_other_key_is_refused(endpoint, shown):
    with pytest.raises(Refused, match="key"):
        endpoint.read(call(packed(("event", EVENT)), x_sentry_auth=shown))


@pytest.mark.parametrize("key", ["", "short", "with.a.dot.in.it", "k" * 201, "https://k@host/7"])
def test_a_key_no_sdk_could_show_is_refused_without_being_told(key):
    with pytest.raises(ValidationError, match="letters, digits, - or _") as refused:
        sentry.Project(id="7", service="shop", key=key)
    assert all(key not in error["msg"] for error in refused.value.errors() if key)


def test_commands_that_only_read_need_no_key():
    assert sentry.Project(id="7", service="shop", key=UNSET)


@pytest.mark.parametrize("path", ["/api/8/envelope/", "/api/7x/envelope/"])
def test_a_project_nobody_knows(endpoint, path):
    with pytest.raises(Refused, match="no such project"):
        endpoint.read(call(packed(("event", EVENT)), path=path))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{}\n{"type":"event","length":99}\n{}', b'{}\n{"type":"event","length":-1}\n{}', b"{}\nx\n{}",
     b'{}\n{"type":"event"}\n[1]', b'{}\n{"type":"event","length":true}\n{}', b"[" * 100_000],
)  # fmt: skip
def test_wrong_bodies_are_refused_with_a_reason(endpoint, body):
    with pytest.raises(ValueError, match=r"\w"):
        endpoint.read(call(body))


def test_too_many_events_are_told_to_wait_until_the_minute_is_over(clock):
    endpoint, body = made(clock, events_per_minute=2), packed(("event", EVENT))
    assert [endpoint.read(call(body)).status for _ in range(3)] == [200, 200, 429]
    told = endpoint.read(call(body))
    assert told.headers["retry-after"] and told.headers["x-sentry-rate-limits"].endswith(":error:key")
    assert not told.signals and endpoint.read(call(packed(("session", {})))).status == 200
    clock.advance(60)
    assert endpoint.read(call(body)).status == 200


def test_the_limit_holds_however_many_report_at_once(clock):
    endpoint, body = made(clock, events_per_minute=50), packed(("event", EVENT))
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: endpoint.read(call(body)).status, range(200)))
    assert statuses.count(200) == 50


def test_what_one_call_may_cost_is_bounded(endpoint):
    big = json.dumps({**EVENT, "extra": [[]] * 400_000}).encode()
    with pytest.raises(ValueError, match="event is larger"):
        endpoint.read(call(gzip.compress(packed(("event", big))), content_encoding="gzip"))
    with pytest.raises(ValueError, match="event is larger"):
        endpoint.read(call(big, path="/api/7/store/"))
    with pytest.raises(ValueError, match="header is larger"):
        endpoint.read(call(packed(("event", EVENT), trace="x" * 70_000)))
    with pytest.raises(ValueError, match="more than one event"):
        endpoint.read(call(packed(("event", EVENT), ("event", EVENT))))
    with pytest.raises(ValueError, match="more than 200 items"):
        endpoint.read(call(packed(*[("session", {})] * 201)))
    assert endpoint.read(call(packed(("attachment", b"a" * (8 << 20)), ("event", EVENT)))).signals


def test_a_wrong_key_is_seen_before_anything_is_unpacked(endpoint):
    for path in ("/api/7/envelope/", "/api/7/store/"):
        with pytest.raises(Refused):
            endpoint.read(call(b"no gzip at all", path=path, x_sentry_auth="sentry_key=no", content_encoding="gzip"))
    with pytest.raises(Refused):
        endpoint.read(call(b"no gzip at all", path="/api/7/store/", x_sentry_auth="", content_encoding="gzip"))


@pytest.mark.parametrize("id_", ["\ud800", "x" * 32, 7, None, {}, "A" * 31])
def test_an_id_that_is_none_is_not_repeated(endpoint, id_):
    assert endpoint.read(call(packed(("session", {}), event_id=id_))).body == {}
    receipt = endpoint.read(call(packed(("event", {**EVENT, "event_id": id_}), event_id=id_)))
    assert re.fullmatch("[0-9a-f]{32}", receipt.body["id"]) and receipt.signals[0].key.endswith(receipt.body["id"])


@pytest.mark.parametrize(
    ("release", "commit"),
    [("shop@1.2.3+4f2a91c", "4f2a91c"), ("4f2a91c0d7be6a2f5c3184e9b07d62a1f9c8e350",) * 2, ("1234567890" * 4,) * 2,
     ("shop@20260102", None), ("shop@1.2.3-20260102", None), ("shop@1.2.3", None)],
)  # fmt: skip
def test_a_commit_in_the_release_is_found_and_a_date_is_none(endpoint, release, commit):
    [signal] = endpoint.read(call(packed(("event", {**EVENT, "release": release})))).signals
    assert signal.labels.get("commit") == commit


@pytest.mark.parametrize("stamp", [0, "0", -5, "1970-01-01T00:00:00Z", 9e18, "9999-12-31T23:59:59Z", "soon", [], None,
                                   float("nan"), True])  # fmt: skip
def test_a_time_that_cannot_be_is_now(endpoint, clock, stamp):
    [signal] = endpoint.read(call(packed(("event", {**EVENT, "timestamp": stamp})))).signals
    assert signal.at_ms == clock.now_ms()


def test_browsers_of_named_origins_may_report(clock):
    asked = call(b"", method="OPTIONS", origin="https://shop.example")
    assert made(clock).read(asked).headers == {}
    headers = made(clock, browser_origins=["https://shop.example"]).read(asked).headers
    assert headers["access-control-allow-origin"] == "https://shop.example"
    assert made(clock, browser_origins=["https://other.example"]).read(asked).headers == {}


def test_what_users_sent_is_not_taken_over(endpoint):
    private = {"request": {"cookies": "c=hush", "data": "hush"}, "user": {"email": "hush"}, "extra": {"a": "hush"},
               "breadcrumbs": {"values": [{"message": "hush"}]}, "server_name": "hush"}  # fmt: skip
    assert "hush" not in str(endpoint.read(call(packed(("event", {**EVENT, **private})))).signals)


@pytest.mark.parametrize(
    ("value", "meta", "said"),
    [
        ("'tea'", None, "'tea'"),
        ("<Cart object at 0x1>", None, "<Cart object at 0x1>"),
        ([], None, "[]"),
        (["1", ["'a'"]], None, "[1, ['a']]"),
        ({"a": "1", "b-c": "None"}, None, "{'a': 1, 'b-c': None}"),
        ({"1": "'a'"}, None, "{...: 'a'}"),
        ({"None": "1", "(1, 2)": "2"}, None, "{...: 1, ...: 2}"),
        (["1", "2"], {"": {"len": 40}}, "..."),
        (["1"] * 10, None, f"[{'1, ' * 10}...]"),
        (["1"] * 9, None, f"[{', '.join('1' * 9)}]"),
        (dict.fromkeys("abcdefghij", "1"), None, "{" + "".join(f"'{name}': 1, " for name in "abcdefghij") + "...}"),
        ({"k" * 300: "1"}, None, "{...: 1}"),
        (["1", "2"], {"1": {"": {"rem": []}}}, "[1, ...]"),
        (None, None, "None"),
        (3.5, None, "3.5"),
    ],
)
def test_variables_as_python_text(value, meta, said):
    assert text(value, meta, python=True) == said


def test_variables_of_other_languages_are_json():
    assert text({"id": 7, "name": "tea", "open": True}, python=False) == "{'id': 7, 'name': 'tea', 'open': True}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda c: st.lists(c, max_size=4) | st.dictionaries(st.sampled_from(
        ["exception", "values", "stacktrace", "frames", "vars", "mechanism", "_meta", "", "type", "value", "lineno",
         "abs_path", "function", "exception_id", "parent_id", "is_exception_group", "tags", "contexts", "trace",
         "timestamp", "message", "logentry", "level", "platform", "release", "sdk", "name", "0"]), c, max_size=6),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_event_is_read_or_refused(thing):
    endpoint = made(ManualClock())
    with contextlib.suppress(ValueError):
        assert isinstance(endpoint.read(call(packed(("event", json.dumps(thing).encode())))), Receipt)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "br", "zstd", "deflate"]))
def test_any_bytes_are_read_or_refused(body, encoding):
    endpoint = made(ManualClock())
    for path in ("/api/7/envelope/", "/api/7/store/"):
        with contextlib.suppress(ValueError, Refused):
            assert isinstance(endpoint.read(call(body, path=path, content_encoding=encoding)), Receipt)


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_envelope_is_parsed_or_refused(body):
    with contextlib.suppress(ValueError):
        _, start = envelope.read_header(b"{}\n" + body)
        assert sum(len(payload) for _, payload in envelope.items(b"{}\n" + body, start)) <= len(body)
