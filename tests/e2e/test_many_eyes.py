"""A night of many eyes: one fault, told by a log, an SDK, a probe, an alert and a sensor, is one incident that says why."""

import json
import socket
import subprocess
import sys
import time

import httpx
import pytest

from nightshift.daemon.kit.run import run, spawn

pytestmark = pytest.mark.slow
KEY = "feedfacefeedfacefeedfacefeedface"
CLI = [sys.executable, "-m", "nightshift.daemon.cli"]
APP = """
import sys, time, traceback
import sentry_sdk
sentry_sdk.init(sys.argv[1])

def price(sku):
    return {"tea": 3}[sku]

try:
    price("coffee")
except KeyError as error:
    sentry_sdk.capture_exception(error)
    with open(sys.argv[2], "a") as log:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        log.write(f"{now} ERROR shop: request failed\\n" + traceback.format_exc())
sentry_sdk.flush(10)
"""


def cli(*args):
    done = subprocess.run([*CLI, *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def door():
    """The shop's port, open until somebody closes it."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        yield listener


@pytest.fixture
def place(tmp_path, door):
    for name in ("app.log", "elsewhere.log"):
        (tmp_path / name).touch()
    check = {"name": "shop port", "kind": "tcp", "service": "shop", "host": "127.0.0.1", "port": door.getsockname()[1],
             "interval_s": 0.2, "failures": 2}  # fmt: skip
    (tmp_path / "n.yaml").write_text(json.dumps({
        "state_dir": "state", "http": {"port": 0},
        "monitors": {
            "logs": {"files": [{"path": str(tmp_path / "app.log"), "service": "shop"}]},
            "sentry": {"projects": [{"id": "1", "service": "shop", "key": "env:SENTRY_KEY"}]},
            "alertmanager": {"anonymous": True},
            "probes": {"checks": [check]},
            "sensors": {"known": [{"name": "edge", "token": "env:SENSOR_TOKEN"}]},
        },
    }))  # fmt: skip
    return tmp_path


def until(done, where, patience_s=60):
    end = time.monotonic() + patience_s
    while not (found := done()):
        assert time.monotonic() < end, (where / "log").read_text()[-4000:]
        time.sleep(0.1)
    return found


def started(place, name, config):
    with (place / "log").open("ab") as log:
        return spawn([*CLI, name, "-c", str(config)], stdout=log, env={"SENTRY_KEY": KEY, "SENSOR_TOKEN": "t-o-k-e-n"})


def test_one_fault_seen_by_five_is_one_incident(place, door):
    port_file = place / "state" / "http.port"
    daemon, sensor = started(place, "run", place / "n.yaml"), None
    try:
        port = until(lambda: port_file.exists() and port_file.read_text().strip(), place)
        (place / "s.yaml").write_text(json.dumps({
            "state_dir": "sensor",
            "monitors": {"logs": {"files": [{"path": str(place / "elsewhere.log"), "service": "shop"}]}},
            "sensor": {"name": "edge", "url": f"http://127.0.0.1:{port}", "token": "env:SENSOR_TOKEN"},
        }))  # fmt: skip
        sensor = started(place, "sensor", place / "s.yaml")
        until(lambda: (place / "log").read_text().count("forwards to"), place)
        time.sleep(1)
        (place / "app.py").write_text(APP)
        dsn = f"http://{KEY}@127.0.0.1:{port}/1"
        for log in ("app.log", "elsewhere.log"):
            assert run([sys.executable, str(place / "app.py"), dsn, str(place / log)], timeout_s=60).code == 0
        door.close()
        alert = {"status": "firing", "labels": {"alertname": "ShopErrors", "service": "shop", "severity": "critical"},
                 "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "fingerprint": "c0ffee"}  # fmt: skip
        httpx.post(f"http://127.0.0.1:{port}/webhooks/alertmanager", json={"version": "4", "alerts": [alert]},
                   trust_env=False).raise_for_status()  # fmt: skip

        def whole():
            incidents = json.loads(cli("incidents", "--json", "-c", str(place / "n.yaml")))
            return incidents if sum(incident["count"] for incident in incidents) >= 6 else None

        incidents = until(whole, place)
    finally:
        for process in (daemon, sensor):
            if process is not None:
                process.kill()
                process.wait()
    assert len(incidents) == 1, [incident["title"] for incident in incidents]
    shown = json.loads(cli("show", incidents[0]["id"], "--json", "-c", str(place / "n.yaml")))
    assert incidents[0]["title"].startswith("KeyError: 'coffee' in price")
    sources = {facet["source"].partition(":")[0] for facet in shown["facets"]}
    assert {"alertmanager", "probes"} <= sources and sources & {"logs", "sentry"}
    assert incidents[0]["count"] == 6, "two crashes told twice, one probe, one alert"
    assert any("service shop" in facet["why"] for facet in shown["facets"])
