"""kill -9 of a real daemon amid calls: what was acknowledged is stored, what is sent again counts once."""

import json
import random
import sys
import threading
import time

import httpx
import pytest

from nightshift.daemon.kit.run import spawn
from nightshift.daemon.store.store import Store

CONFIG = "state_dir: state\nhttp: {port: 0}\nmonitors: {alertmanager: {anonymous: true}}\n"


class Daemon:
    def __init__(self, folder):
        self.folder, self.port_file = folder, folder / "state" / "http.port"
        (folder / "nightshift.yaml").write_text(CONFIG)

    def start(self):
        self.port_file.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", "nightshift.yaml"]
        with (self.folder / "log").open("ab") as log:
            self.process = spawn(argv, cwd=str(self.folder), stdout=log)
        deadline = time.monotonic() + 60
        while not (self.port_file.exists() and self.port_file.read_text().strip()):
            assert time.monotonic() < deadline and self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{int(self.port_file.read_text())}/webhooks/alertmanager"

    def kill(self):
        self.process.kill()
        self.process.wait()


def call(number):
    alert = {"status": "firing", "labels": {"alertname": "High", "service": "shop", "instance": f"i{number}"},
             "startsAt": "2026-01-02T03:04:05Z", "fingerprint": f"{number:x}"}  # fmt: skip
    return json.dumps({"version": "4", "alerts": [alert]}).encode()


class Caller(threading.Thread):
    """As Alertmanager does: sends again what was not acknowledged, whoever answers."""

    def __init__(self, daemon, numbers):
        super().__init__(daemon=True)
        self.daemon_, self.left, self.acknowledged = daemon, list(numbers), 0

    def run(self):
        with httpx.Client(trust_env=False, timeout=10) as client:
            while self.left:
                try:
                    answer = client.post(self.daemon_.url, content=call(self.left[0]))
                except httpx.HTTPError:
                    time.sleep(0.01)
                    continue
                if answer.status_code == 200:
                    self.left.pop(0)
                    self.acknowledged += 1


@pytest.mark.slow
def test_acknowledged_is_stored_and_sent_again_counts_once(tmp_path):
    daemon, rng = Daemon(tmp_path), random.Random(3)
    daemon.start()
    callers = [Caller(daemon, range(start * 400, start * 400 + 400)) for start in range(8)]
    for caller in callers:
        caller.start()
    for _ in range(4):
        time.sleep(rng.uniform(0.05, 0.5))
        daemon.kill()
        acknowledged = sum(caller.acknowledged for caller in callers)
        store = Store.open(tmp_path / "state" / "nightshift.db")
        stored = sum(incident.count for incident in store.incidents.list())
        store.close()
        assert acknowledged <= stored <= acknowledged + len(callers)
        daemon.start()
    for caller in callers:
        caller.join(60)
    daemon.kill()
    store = Store.open(tmp_path / "state" / "nightshift.db")
    assert sum(incident.count for incident in store.incidents.list()) == 8 * 400
    store.close()
