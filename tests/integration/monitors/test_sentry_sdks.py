"""Real SDKs in real applications report to a real server: what arrives is what a log would have told."""

import io
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from nightshift.daemon.intake.fingerprint import fingerprint
from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings as IntakeSettings
from nightshift.daemon.kit.clock import ManualClock, SystemClock
from nightshift.daemon.kit.run import run
from nightshift.daemon.store.store import Store
from nightshift.daemon.web.server import listening
from nightshift.daemon.web.testing import FakeApi
from nightshift.monitors import logs, sentry
from nightshift.monitors.logs.traceback import parse

KEY = "0123456789abcdef0123456789abcdef"

APP = """
import sys, traceback
import flask, sentry_sdk

sentry_sdk.init(sys.argv[1], release="shop@1.2.3+4f2a91c", environment="night", traces_sample_rate=1.0,
                {options})
app = flask.Flask("shop")
PRICES = {{"tea": 3}}


def price(sku, amounts, extras):
    return PRICES[sku] * sum(amounts)


@app.route("/buy/<sku>")
def buy(sku):
    return str(price(sku, [1, 2], {{"gift": True, "note": None}}))


@app.route("/bulk")
def bulk():
    return str(price("none", list(range(40)), {{}}))


@app.route("/chain")
def chain():
    try:
        price("none", [], {{}})
    except KeyError as error:
        raise ValueError("no such thing") from error


@app.route("/group")
def group():
    raise ExceptionGroup("several", [KeyError("a"), ValueError("b")])


client = app.test_client()
for path in sys.argv[2:]:
    if path == "log":
        sentry_sdk.capture_message("the ledger is out of step", level="error")
        sentry_sdk.capture_message("nothing to see", level="info")
    else:
        client.get(path, headers={{"Cookie": "session=a-secret-cookie"}})
    sentry_sdk.flush(10)
try:
    price("coffee", [1, 2], {{}})
except KeyError:
    traceback.print_exc()
"""

NODE = """
const Sentry = require("@sentry/node");
Sentry.init({dsn: process.argv[2], release: "web@7", tracesSampleRate: 1.0, autoSessionTracking: true});
function total(cart) { return cart.items.length; }
function checkout(order) { return total(order.cart); }
try { checkout({id: 7}); } catch (error) { Sentry.captureException(error); }
Sentry.flush(10000).then(() => process.exit(0));
"""


@pytest.fixture
def limits():
    """Settings besides the projects."""
    return {}


@pytest.fixture
def api(tmp_path, limits):
    project = sentry.Project(id="7", service="shop", key=KEY)
    endpoint = sentry.receiver(
        sentry.Settings(projects=[project], **limits),
        {},
        ManualClock(now_ms=(SystemClock().now_ms() // 60_000 + 1) * 60_000),
    )
    store = Store.open(tmp_path / "nightshift.db")
    yield FakeApi(store=store, receivers={"sentry": endpoint})
    store.close()


@pytest.fixture
def dsn(api):
    with listening(api, host="127.0.0.1", port=0) as port:
        yield f"http://{KEY}@127.0.0.1:{port}/7"


def report(tmp_path, dsn, *paths, options=""):
    script = tmp_path / "shop.py"
    script.write_text(APP.format(options=options))
    done = run([sys.executable, str(script), dsn, *paths], timeout_s=60)
    assert done.code == 0, done.stderr.decode()
    return done.stderr.decode()


def test_a_flask_application_reports_its_crash_with_the_arguments(tmp_path, dsn, api):
    report(tmp_path, dsn, "/buy/coffee")
    [signal] = api.taken
    assert (signal.service, signal.exception, signal.message) == ("shop", "KeyError", "'coffee'")
    assert signal.title == "KeyError: 'coffee' in price" and signal.kind == "crash"
    last = signal.frames[-1]
    assert (last.function, last.code) == ("price", "return PRICES[sku] * sum(amounts)")
    assert dict(last.locals) == {"sku": "'coffee'", "amounts": "[1, 2]", "extras": "{}"} | {
        "extras": "{'gift': True, 'note': None}"
    }
    assert signal.labels["commit"] == "4f2a91c" and signal.labels["environment"] == "night"
    assert signal.labels["trace_id"] and signal.labels["sdk"].startswith("sentry.python")
    assert "a-secret-cookie" not in str(signal)


def test_the_same_crash_in_a_log_is_the_same_kind(tmp_path, dsn, api):
    """Seen from the page or from the script's end: what differs is the way there."""
    text = report(tmp_path, dsn, "/buy/coffee")
    [signal], logged = api.taken, parse(text.splitlines())
    assert (logged.exception, logged.message) == (signal.exception, signal.message)
    assert [(f.path, f.line, f.function, f.code) for f in logged.frames[-1:]] == [
        (f.path, f.line, f.function, f.code) for f in signal.frames[-1:]
    ]
    again = parse(signal.sample.splitlines())
    assert [(f.path, f.line, f.function) for f in again.frames] == [(f.path, f.line, f.function) for f in signal.frames]


def test_what_a_log_and_an_sdk_tell_of_one_request_is_one_incident(tmp_path, dsn, api):
    """Flask logs the exception it answers with; the SDK reports it."""
    printed = report(tmp_path, dsn, "/buy/coffee").split("Traceback", 2)
    log = io.BytesIO(f"{printed[0]}Traceback{printed[1]}".encode())
    heard = logs.read_signals(log, service="shop", clock=SystemClock())
    intake = Intake(api.store, SystemClock(), IntakeSettings(), lambda incident: None)
    for signals in (heard, api.taken):
        intake(signals)
    [incident] = api.store.incidents.list()
    assert incident.count == 2 and incident.title == "KeyError: 'coffee' in price"
    intake(api.taken)
    assert [incident.count for incident in api.store.incidents.list()] == [2], "an event id counts once"


def test_what_the_sdk_cuts_silently_is_no_argument(tmp_path, dsn, api):
    report(tmp_path, dsn, "/bulk")
    values = dict(api.taken[0].frames[-1].locals)
    assert values["amounts"] == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]" and values["sku"] == "'none'"


def test_causes_and_groups(tmp_path, dsn, api):
    report(tmp_path, dsn, "/chain", "/group")
    chained, grouped = api.taken
    assert chained.exception == "ValueError" and chained.labels["cause"] == "KeyError: 'none'"
    assert grouped.exception == "KeyError" and grouped.labels["group"].startswith("ExceptionGroup: several")


def test_messages_count_from_error_on_and_everything_else_is_taken_politely(tmp_path, dsn, api):
    report(tmp_path, dsn, "log", "/buy/tea")
    assert [(s.title, s.kind) for s in api.taken] == [("the ledger is out of step", "error")]


@pytest.mark.parametrize("level", ["br", "gzip"])
def test_every_compression_the_sdk_has(tmp_path, dsn, api, level):
    report(tmp_path, dsn, "/buy/coffee", options=f"_experiments={{'transport_compression_algo': '{level}'}}")
    assert len(api.taken) == 1


def test_reported_twice_is_one_observation(tmp_path, dsn, api):
    report(tmp_path, dsn, "/buy/coffee")
    report(tmp_path, dsn, "/buy/coffee")
    one, other = api.taken
    assert one.key != other.key and fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize("limits", [{"events_per_minute": 1}])
def test_an_sdk_that_is_told_to_wait_waits(tmp_path, dsn, api):
    report(tmp_path, dsn, "/buy/coffee", "/buy/milk", "/buy/salt", "/buy/flour")
    assert [signal.message for signal in api.taken] == ["'coffee'"]
    refused = api.registry.get_sample_value("nightshift_calls_total", {"receiver": "sentry", "status": "429"})
    assert refused == 1, "the SDK drops what comes after the first refusal"


@pytest.mark.parametrize("limits", [{"browser_origins": ["https://shop.example"]}])
def test_a_browser_may_ask_before_it_reports(dsn):
    url = dsn.replace(f"{KEY}@", "").removesuffix("/7") + f"/api/7/envelope/?sentry_key={KEY}&sentry_version=7"
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    with httpx.Client(trust_env=False) as client:
        allowed = client.options(url, headers=asked)
        assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == asked["origin"]
        sent = client.post(url, headers=asked, content=b'{}\n{"type":"session"}\n{}')
        assert sent.status_code == 200 and sent.headers["access-control-allow-origin"] == asked["origin"]
        assert "access-control-allow-origin" not in client.options(url, headers={"origin": "https://x.example"}).headers


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """A folder with @sentry/node, installed once."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    cache = Path.home() / ".cache" / "nightshift-tests" / "sentry-node"
    if not (cache / "node_modules" / "@sentry" / "node").exists():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "package.json").write_text('{"private": true}')
        done = run([npm, "install", "--no-audit", "--no-fund", "@sentry/node@8"], cwd=str(cache), timeout_s=300)
        if done.code:
            pytest.skip(f"npm could not install @sentry/node: {done.stderr.decode()[-300:]}")
    return cache


@pytest.mark.slow
def test_a_node_application(node, dsn, api):
    script = node / "shop.js"
    script.write_text(NODE)
    done = run(["node", str(script), dsn], cwd=str(node), timeout_s=60)
    assert done.code == 0, done.stderr.decode()
    [signal] = api.taken
    assert signal.exception == "TypeError" and "reading 'items'" in signal.message
    assert [frame.function for frame in signal.frames[-3:]] == ["Object.<anonymous>", "checkout", "total"]
    assert signal.frames[-1].path == str(script) and signal.labels["platform"] == "node"
    assert signal.frames[-1].code == "function total(cart) { return cart.items.length; }"
    assert "at total (" in signal.sample
