"""Whatever is sent to any endpoint: an answer in the house's shape, never a 5xx, and nothing stored that was refused."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.store.store import Store
from nightshift.daemon.web.application import create_app
from nightshift.daemon.web.testing import FakeApi
from nightshift.monitors import alertmanager, ci, sensors, sentry

KEY = "a-key-of-the-fuzz-tests"
KNOWN = {
    "alertmanager": (alertmanager, alertmanager.Settings(anonymous=True)),
    "ci": (ci, ci.Settings(secret=KEY, repositories={"a/b": "shop"})),
    "sensors": (sensors, sensors.Settings(known=[{"name": "web", "token": KEY}])),
    "sentry": (sentry, sentry.Settings(projects=[{"id": "1", "service": "shop", "key": KEY}])),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("fuzz") / "nightshift.db")
    clock = SystemClock()
    receivers = {name: module.receiver(given, {}, clock) for name, (module, given) in KNOWN.items()}
    yield FakeApi(store=store, token=SecretStr(KEY), receivers=receivers)
    store.close()


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
