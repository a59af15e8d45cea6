"""Whatever is sent to any endpoint: an answer in the house's shape, never a 5xx, and nothing stored that was refused."""

import json

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.store.store import Store
from nightshift.daemon.web.application import create_app
from nightshift.daemon.web.server import listening
from nightshift.daemon.web.testing import FakeApi
from nightshift.monitors import alertmanager, ci, sensors, sentry

KEY = "a-key-of-the-fuzz-tests"
KNOWN = {
    "alertmanager": (alertmanager, alertmanager.Settings(anonymous=True)),
    "ci": (ci, ci.Settings(secret=KEY, repositories={"a/b": "shop"})),
    "sensors": (sensors, sensors.Settings(known=[{"name": "web", "token": KEY}])),
    "sentry": (sentry, sentry.Settings(projects=[{"id": "1", "service": "shop", "key": KEY}])),
}
PATHS = ["/webhooks/alertmanager", "/webhooks/ci", "/api/signals", "/api/1/envelope/", "/api/1/store/", "/api/2/store"]
HEADERS = {
    "content-encoding": ["gzip", "br", "zstd", "deflate", "lzw", ""],
    "authorization": [f"Bearer {KEY}", "Bearer", "Basic eDp5", ""],
    "x-sentry-auth": [f"Sentry sentry_key={KEY}", "Sentry", ""],
    "x-nightshift-sensor": ["web", "other", ""],
    "x-github-event": ["workflow_run", "ping", ""],
    "x-gitlab-event": ["Pipeline Hook", ""],
    "x-gitlab-token": [KEY, ""],
    "content-type": ["application/json", "text/plain", ""],
}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("fuzz") / "nightshift.db")
    clock = SystemClock()
    receivers = {name: module.receiver(given, {}, clock) for name, (module, given) in KNOWN.items()}
    yield FakeApi(store=store, token=SecretStr(KEY), receivers=receivers)
    store.close()


@pytest.fixture(scope="module")
def url(api):
    with listening(api, host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def schema(api):
    return schemathesis.openapi.from_asgi("/api/openapi.json", create_app(api, hosts=["testserver"]))


@pytest.mark.slow
def test_what_the_schema_allows_never_breaks_the_server(schema):
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        _tried(operation)


def _tried(operation):
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def one(case):
        answer = case.call(headers={"authorization": f"Bearer {KEY}"})
        assert answer.status_code < 500, (operation.label, answer.text)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error", "fix"}

    one()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=8), c, max_size=4), max_leaves=8,
)  # fmt: skip
BODIES = st.binary(max_size=400) | JSON.map(lambda thing: json.dumps(thing).encode())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(PATHS),
    st.sampled_from(["POST", "POST", "POST", "OPTIONS", "GET", "PUT"]),
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in HEADERS.items()}),
    BODIES,
)
def test_whatever_a_source_sends_is_answered(url, api, path, method, headers, body):
    before = len(api.taken)
    given = {name: value for name, value in headers.items() if value}
    answer = httpx.request(method, url + path, headers=given, content=body, trust_env=False, timeout=30)
    assert answer.status_code < 500, (path, headers, body)
    if answer.status_code >= 400:
        assert len(api.taken) == before
        assert set(answer.json()) == {"error", "fix"}
