"""Every address that takes bodies, attacked: mutated calls of real sources, raw bytes, and what the API's own schema
suggests. Behind them stand the real receivers, intake and store; whatever comes, the answer is never a 5xx."""

import contextlib
import copy
import gzip
import hmac
import json
import warnings

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Frame, Signal, dump
from nightshift.daemon.store.store import Store
from nightshift.daemon.web.server import listening
from nightshift.daemon.web.testing import FakeApi
from nightshift.monitors import alertmanager, ci, sensors, sentry

SECRET = "a-secret-of-the-attacked"
BEARER = {"authorization": f"Bearer {SECRET}"}
EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

ALERT = {
    "version": "4", "groupKey": "{}:{alertname=\"High\"}", "truncatedAlerts": 0, "status": "firing", "alerts": [
        {"status": "firing", "labels": {"alertname": "High", "service": "shop", "severity": "critical"},
         "annotations": {"summary": "too many", "description": "12 per second"}, "fingerprint": "c0ffee",
         "startsAt": "2026-01-02T03:04:05.123456789Z", "endsAt": "0001-01-01T00:00:00Z"}],
}  # fmt: skip
WORKFLOW = {
    "action": "completed", "repository": {"full_name": "acme/shop", "html_url": "https://forge.example/acme/shop"},
    "workflow_run": {"id": 71, "name": "tests", "head_branch": "main", "head_sha": "4f2a91c0" * 5, "run_attempt": 1,
                     "conclusion": "failure", "updated_at": "2026-01-02T03:04:05Z", "display_title": "simpler",
                     "head_repository": {"full_name": "acme/shop"}},
}  # fmt: skip
PIPELINE = {
    "object_kind": "pipeline", "project": {"path_with_namespace": "acme/shop", "web_url": "https://gl.example/acme/shop"},
    "object_attributes": {"id": 5, "ref": "main", "sha": "4f2a91c0" * 5, "status": "failed"},
    "builds": [{"name": "unit", "status": "failed"}],
}  # fmt: skip
SIGNAL = dump(Signal(
    key="k", source="logs:x", service="shop", title="KeyError: 'x'", at_ms=1, exception="KeyError",
    frames=(Frame(path="shop/cart.py", line=7, function="total", locals=(("x", "'y'"),)),), labels={"commit": "4f2a"},
))  # fmt: skip
EVENT = {
    "event_id": "ab" * 16, "platform": "python", "level": "error", "release": "shop@1+4f2a91c", "timestamp": 1.5,
    "contexts": {"trace": {"trace_id": "ab" * 16}}, "tags": {"a": "b"}, "_meta": {}, "logentry": {"message": "%s"},
    "exception": {"values": [{"type": "KeyError", "value": "'x'", "mechanism": {"exception_id": 0}, "stacktrace": {
        "frames": [{"abs_path": "/srv/shop/cart.py", "filename": "shop/cart.py", "lineno": 7, "function": "total",
                    "in_app": True, "context_line": "return x", "vars": {"x": "'y'", "n": {"a": [1, "2"]}}}]}}]},
}  # fmt: skip


def as_alerts(body):
    return "/webhooks/alertmanager", BEARER, body


def as_workflow(body):
    shown = "sha256=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    return "/webhooks/ci", {"x-github-event": "workflow_run", "x-hub-signature-256": shown}, body


def as_pipeline(body):
    return "/webhooks/ci", {"x-gitlab-event": "Pipeline Hook", "x-gitlab-token": SECRET}, body


def as_signals(body):
    return "/api/signals", {**BEARER, "x-nightshift-sensor": "edge"}, b'{"version": 1}\n' + body


def as_envelope(body):
    head = b'{"event_id": "%s"}\n{"type": "event", "length": %d}\n' % (b"ab" * 16, len(body))
    shown = {"x-sentry-auth": f"Sentry sentry_key={SECRET}", "content-encoding": "gzip"}
    return "/api/1/envelope/", shown, gzip.compress(head + body + b"\n", 1)


def as_event(body):
    return f"/api/1/store/?sentry_key={SECRET}", {}, body


SOURCES = {
    "alertmanager": (ALERT, as_alerts), "github": (WORKFLOW, as_workflow), "gitlab": (PIPELINE, as_pipeline),
    "sensor": (SIGNAL, as_signals), "sentry": (EVENT, as_envelope), "sentry-store": (EVENT, as_event),
}  # fmt: skip


class Daemon(FakeApi):
    """The real intake takes what callers send."""

    def take(self, signals):
        self.intake(signals)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("attacked") / "nightshift.db")
    clock, key = ManualClock(), SecretStr(SECRET)
    made = Daemon(store=store, token=key, receivers={
        "alertmanager": alertmanager.receiver(alertmanager.Settings(token=key), {}, clock),
        "ci": ci.receiver(ci.Settings(secret=key, repositories={"acme/shop": "shop"}), {}, clock),
        "sensors": sensors.receiver(sensors.Settings(known=[{"name": "edge", "token": key}]), {}, clock),
        "sentry": sentry.receiver(sentry.Settings(projects=[{"id": "1", "service": "shop", "key": key}],
                                                  events_per_minute=1_000_000), {}, clock),
    })  # fmt: skip
    made.intake = Intake(store, clock, Settings(), lambda incident: None)
    yield made
    store.close()


@pytest.fixture(scope="module")
def url(daemon):
    with listening(daemon, host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def client(url):
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as made:
        yield made


ODD = st.sampled_from([
    None, True, False, 0, -1, 2**63, -(2**63) - 1, 10**400, 10**4000, 1e308, float("nan"), float("inf"), "", "\0",
    "\ud800", "\u202e", "x" * 70_000, "9" * 5000, [], {}, [[]], [None], {"": ""}, {"\ud800": "\ud800"}, [{}] * 300,
    "9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+14:00", "1e400", "../../etc/passwd", "%s%n{}",
])  # fmt: skip
THINGS = ODD | st.text(max_size=30) | st.integers() | st.floats() | st.lists(st.text(max_size=5), max_size=3)


def places(value, found=()):
    """Where something can be replaced."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in inside:
        yield (*found, name)
        yield from places(child, (*found, name))


@st.composite
def mutated(draw, seed):
    value = copy.deepcopy(seed)
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(list(places(value)) or [("x",)]))
        where = value
        for name in way:
            where = where[name]
        if draw(st.integers(0, 5)) == 0 and isinstance(where, dict):
            where.pop(last, None)
        else:
            where[last] = copy.deepcopy(draw(THINGS))
    return json.dumps(value).encode()


def answered(client, path, headers, body):
    answer = client.post(path, headers=headers, content=body)
    assert answer.status_code < 500, (answer.status_code, answer.text, body[:2000])
    assert SECRET not in answer.text and "codec can't" not in answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error", "fix"}
    return answer


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_source_really_sends_is_stored(client, daemon, name):
    seed, send = SOURCES[name]
    assert answered(client, *send(json.dumps(seed).encode())).status_code == 200
    assert daemon.store.incidents.list()


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
@EXAMPLES
@given(data=st.data())
def test_a_mutated_call_is_read_or_refused(client, name, data):
    seed, send = SOURCES[name]
    answered(client, *send(data.draw(mutated(seed))))


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
@EXAMPLES
@given(body=st.binary(max_size=300), encoding=st.sampled_from(["", "gzip", "deflate", "br", "zstd", "identity", "x"]))
def test_raw_bytes_are_read_or_refused(client, name, body, encoding):
    path, headers, content = SOURCES[name][1](body)
    answered(client, path, {**headers, "content-encoding": encoding} if encoding else headers, content)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b"\xff" * 1000, b""])
def test_bottomless_bodies_are_refused(client, name, body):
    assert answered(client, *SOURCES[name][1](body)).status_code in (200, 400)


@pytest.mark.parametrize("name", SOURCES)
def test_without_what_admits_nobody_is_heard(client, daemon, name):
    seed, send = SOURCES[name]
    path, headers, body = send(json.dumps(seed).encode())
    shown = {k: v for k, v in headers.items() if k in ("x-github-event", "x-gitlab-event", "content-encoding")}
    before = sum(incident.count for incident in daemon.store.incidents.list())
    assert answered(client, path.partition("?")[0], shown, body).status_code == 401
    assert sum(incident.count for incident in daemon.store.incidents.list()) == before


# ---------------------------------------------------------------- by schema

TEXT, ANY = {"type": "string"}, {"type": ["object", "array", "string", "number", "boolean", "null"]}
ALERTS = {"type": "object", "required": ["alerts"], "properties": {
    "version": {"enum": ["4", "3"]}, "groupKey": TEXT, "truncatedAlerts": ANY, "alerts": {"type": "array", "items": {
        "type": "object", "required": ["startsAt"], "properties": {
            "status": {"enum": ["firing", "resolved", "x"]}, "fingerprint": ANY, "labels": ANY, "annotations": ANY,
            "startsAt": {"type": "string", "format": "date-time"}, "endsAt": ANY}}}}}  # fmt: skip
RECEIVED = {
    "/webhooks/alertmanager": (ALERTS, BEARER),
    "/webhooks/ci": ({"type": "object", "properties": {"project": ANY, "object_attributes": ANY, "builds": ANY}},
                     {"x-gitlab-event": "Pipeline Hook", "x-gitlab-token": SECRET}),
    "/api/signals": (ANY, {**BEARER, "x-nightshift-sensor": "edge"}),
    "/api/1/store/": ({"type": "object", "properties": dict.fromkeys(EVENT, ANY)},
                      {"x-sentry-auth": f"Sentry sentry_key={SECRET}"}),
    "/api/1/envelope/": (ANY, {"x-sentry-auth": f"Sentry sentry_key={SECRET}"}),
}  # fmt: skip


def described():
    """The addresses of receivers, which the API's own schema leaves out, as a schema."""
    return {"openapi": "3.1.0", "info": {"title": "receivers", "version": "1"}, "paths": {
        path: {"post": {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
                        "responses": {"200": {"description": "stored"}}}} for path, (schema, _) in RECEIVED.items()}}  # fmt: skip


def attacked(url, schema, mode, headers_of=lambda path: {}):
    """Every operation of a schema under its own generator; the answers' statuses by operation."""
    import requests
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error

    session, seen = requests.Session(), {}
    session.trust_env = False

    def attack(operation):
        @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
        def one(case):
            answer = case.call(base_url=url, session=session, headers=headers_of(case.path), timeout=30)
            case.validate_response(answer, checks=[not_a_server_error])
            seen.setdefault(operation.label, set()).add(answer.status_code)

        with contextlib.suppress(Unsatisfiable):  # nothing about it can be wrong
            one()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for found in schema.get_all_operations():
            attack(found.ok())
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "least"), [("positive", 5), ("negative", 3)])
def test_receivers_stand_what_a_schema_suggests(url, mode, least):
    import schemathesis

    schema = schemathesis.openapi.from_dict(described())
    seen = attacked(url, schema, mode, lambda path: RECEIVED[path][1])
    assert len(seen) >= least
    assert all(statuses <= {200, 400} for statuses in seen.values()), seen


@pytest.mark.slow
def test_the_api_refuses_what_its_schema_forbids(url):
    import schemathesis

    schema = schemathesis.openapi.from_dict(httpx.get(f"{url}/api/openapi.json", trust_env=False).json())
    seen = attacked(url, schema, "negative", lambda path: BEARER)
    assert len(seen) >= 4 and all(max(statuses) < 500 for statuses in seen.values()), seen
