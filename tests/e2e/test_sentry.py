"""From an SDK's report alone: a real application, a real daemon; the recorded arguments make the crash red."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.model import ENDS, Stage
from nightshift.daemon.store.store import Store

pytestmark = [pytest.mark.engine, pytest.mark.slow]
KEY = "feedfacefeedfacefeedfacefeedface"
CART = "def average(lines):\n    return sum(lines) / len(lines){}\n"
APP = """
import sys
import flask, sentry_sdk
from shop.cart import average
sentry_sdk.init(sys.argv[1])
app = flask.Flask("shop")

@app.route("/average")
def page():
    return str(average([]))

app.test_client().get("/average")
sentry_sdk.flush(10)
"""


@pytest.fixture
def place(tmp_path, repository):
    repository.commit({"shop/__init__.py": "", "shop/cart.py": CART.format(" if lines else 0"), "web.py": APP})
    repository.commit({"shop/cart.py": CART.format("")}, "simpler")
    config = {
        "state_dir": "state", "http": {"port": 0},
        "monitors": {"sentry": {"projects": [{"id": "1", "service": "shop", "key": "env:SHOP_SENTRY_KEY"}]}},
        "services": [{"name": "shop", "repo": str(repository.path), "autonomy": "propose"}],
    }  # fmt: skip
    path = tmp_path / "nightshift.yaml"
    path.write_text(json.dumps(config))
    return path


def started(config: Path) -> tuple[subprocess.Popen, int]:
    port_file = config.parent / "state" / "http.port"
    with (config.parent / "log").open("ab") as log:
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", str(config)]
        daemon = spawn(argv, stdout=log, env={"SHOP_SENTRY_KEY": KEY})
    deadline = time.monotonic() + 60
    while not (port_file.exists() and port_file.read_text().strip()):
        assert time.monotonic() < deadline, (config.parent / "log").read_text()
        time.sleep(0.05)
    return daemon, int(port_file.read_text())


def test_a_report_becomes_a_proven_change(place, repository):
    daemon, port = started(place)
    try:
        app = [sys.executable, str(repository.path / "web.py"), f"http://{KEY}@127.0.0.1:{port}/1"]
        assert run(app, timeout_s=60).code == 0
        store, deadline = Store.open(place.parent / "state" / "nightshift.db"), time.monotonic() + 150
        while not (found := store.missions.list()) or found[0].stage not in {*ENDS, Stage.AWAITING_APPROVAL}:
            assert time.monotonic() < deadline, (place.parent / "log").read_text()
            time.sleep(0.2)
        events = store.journal.of(found[0].id)
        store.close()
    finally:
        daemon.kill()
        daemon.wait()
    assert found[0].stage == Stage.AWAITING_APPROVAL, found[0].reason
    assert "synthesised" in json.dumps([dict(event.data) for event in events])
    assert KEY not in (place.parent / "log").read_text()
    assert KEY.encode() not in (place.parent / "state" / "nightshift.db").read_bytes()
