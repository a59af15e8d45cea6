"""A real sensor and a real daemon, either of them killed at any moment: every crash counts once."""

import json
import random
import sys
import time
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.store.store import Store
from nightshift.monitors.logs.testing import numbered

TOKEN = "a-sensor-token-of-the-tests"
CLI = [sys.executable, "-m", "nightshift.daemon.cli"]
HEAVY = ("pydantic", "sqlalchemy", "fastapi", "dbos", "yaml", "typer", "kubernetes", "docker", "httpx", "pandas")


class Place:
    """A daemon's folder, a sensor's folder, one log."""

    def __init__(self, folder, port=0, **sensor):
        self.folder, self.log = folder, folder / "app.log"
        self.log.touch()
        (folder / "daemon.yaml").write_text(json.dumps({
            "state_dir": "daemon", "http": {"port": port},
            "monitors": {"sensors": {"known": [{"name": "web-1", "token": "env:SENSOR_TOKEN"}]}},
        }))  # fmt: skip
        self.sensor_settings = sensor
        self.number = 0

    def spawn(self, name, config):
        with (self.folder / f"{name}.log").open("ab") as log:
            return spawn([*CLI, name, "-c", str(config)], stdout=log, env={"SENSOR_TOKEN": TOKEN})

    def start_daemon(self):
        port_file = self.folder / "daemon" / "http.port"
        port_file.unlink(missing_ok=True)
        self.daemon = self.spawn("run", self.folder / "daemon.yaml")
        self.until(lambda: port_file.exists() and port_file.read_text().strip(), 60)
        port = int(port_file.read_text())
        text = (self.folder / "daemon.yaml").read_text().replace('"port": 0', f'"port": {port}')
        (self.folder / "daemon.yaml").write_text(text)  # the same port in its next life
        return port

    def start_sensor(self, port):
        (self.folder / "sensor.yaml").write_text(json.dumps({
            "state_dir": "sensor",
            "monitors": {"logs": {"files": [{"path": str(self.log), "service": "shop"}], "from_start": True}},
            "sensor": {"name": "web-1", "url": f"http://127.0.0.1:{port}", "token": "env:SENSOR_TOKEN",
                       **self.sensor_settings},
        }))  # fmt: skip
        self.sensor = self.spawn("sensor", self.folder / "sensor.yaml")

    def write(self, count=1):
        with self.log.open("a") as file:
            for _ in range(count):
                file.write(numbered(self.number))
                self.number += 1

    def counted(self):
        store = Store.open(self.folder / "daemon" / "nightshift.db")
        try:
            return sum(incident.count for incident in store.incidents.list())
        finally:
            store.close()

    def until(self, done, patience_s=30):
        end = time.monotonic() + patience_s
        while not done():
            logs = "\n".join(f.read_text()[-3000:] for f in self.folder.glob("*.log") if f != self.log)
            assert time.monotonic() < end, logs
            time.sleep(0.05)

    def end(self):
        for process in (self.daemon, getattr(self, "sensor", None)):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.end()


def test_what_a_sensor_sees_becomes_the_daemons_incident(place):
    place.start_sensor(place.start_daemon())
    place.write(3)
    place.until(lambda: place.counted() == 3)
    store = Store.open(place.folder / "daemon" / "nightshift.db")
    [incident] = store.incidents.list()
    store.close()
    assert incident.title.startswith("KeyError") and incident.signal.labels["sensor"] == "web-1"
    maps = Path(f"/proc/{place.sensor.pid}/maps").read_text()
    assert not [name for name in HEAVY if f"/{name}" in maps]
    place.sensor.terminate()
    assert place.sensor.wait(20) == 0
    assert TOKEN not in (place.folder / "sensor.log").read_text()
    shown = run([*CLI, "sensor", "--status", "--json", "-c", str(place.folder / "sensor.yaml")], timeout_s=60,
                env={"SENSOR_TOKEN": TOKEN})  # fmt: skip
    assert json.loads(shown.stdout)["forwarded"] == 3


@pytest.mark.slow
def test_kills_of_either_side_lose_and_double_nothing(place):
    rng, port = random.Random(7), place.start_daemon()
    place.start_sensor(port)
    place.until(lambda: (place.folder / "sensor" / "spool.db").exists())
    for turn in range(8):
        end = time.monotonic() + rng.uniform(0.2, 1.5)
        while time.monotonic() < end:
            place.write()
            time.sleep(rng.uniform(0, 0.02))
        if turn % 2:
            place.daemon.kill()
            place.daemon.wait()
            place.write(5)
            place.start_daemon()
        else:
            place.sensor.kill()
            place.sensor.wait()
            place.write(5)
            place.start_sensor(port)
    place.until(lambda: place.counted() >= place.number, 60)
    time.sleep(0.5)
    assert place.counted() == place.number


def test_a_wrong_token_says_what_to_do_and_loses_nothing(place):
    port = place.start_daemon()
    place.start_sensor(port)
    place.sensor.kill()
    place.sensor.wait()
    good = (place.folder / "sensor.yaml").read_text()
    with (place.folder / "sensor.log").open("ab") as log:
        place.sensor = spawn([*CLI, "sensor", "-c", str(place.folder / "sensor.yaml")], stdout=log,
                             env={"SENSOR_TOKEN": "not-the-right-one"})  # fmt: skip
    place.write(2)
    place.until(lambda: "set sensor.token" in (place.folder / "sensor.log").read_text())
    place.sensor.kill()
    place.sensor.wait()
    assert good == (place.folder / "sensor.yaml").read_text()
    place.start_sensor(port)
    place.until(lambda: place.counted() == 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "section 'sensor'"),
        ("sensor: {name: a, url: 'ftp://x', token: 'env:T'}", "sensor.url"),
        ("sensor: {name: a b, url: 'http://x', token: 'env:T'}", "sensor.name"),
        ("sensor: {name: a, url: 'http://x', token: 'env:NOT_THERE'}", "NOT_THERE"),
    ],
)
def test_a_configuration_that_can_not_work_says_why(tmp_path, text, said):
    (tmp_path / "s.yaml").write_text(text)
    done = run([*CLI, "sensor", "-c", str(tmp_path / "s.yaml")], timeout_s=60, env={"T": "t"})
    assert done.code == 2 and said in done.stderr.decode()
