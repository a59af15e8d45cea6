"""A real sensor and a real daemon, either of them killed at any moment: every crash counts once."""

import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.model import Signal
from nightshift.daemon.sensor.spool import Spool
from nightshift.daemon.store.store import Store
from nightshift.monitors.logs.testing import numbered

TOKEN = "a-sensor-token-of-the-tests"
CLI = [sys.executable, "-m", "nightshift.daemon.cli"]
HEAVY = (
    "pydantic",
    "sqlalchemy",
    "fastapi",
    "dbos",
    "yaml",
    "typer",
    "kubernetes",
    "docker",
    "httpx",
    "pandas",
    "libcrypto",
)


class Place:
    """A daemon's folder, a sensor's folder, one log."""

    def __init__(self, folder, port=0, silent_s=180, **sensor):
        self.folder, self.log = folder, folder / "app.log"
        self.log.touch()
        (folder / "daemon.yaml").write_text(json.dumps({
            "state_dir": "daemon", "http": {"port": port},
            "monitors": {"sensors": {"known": [{"name": "web-1", "token": "env:SENSOR_TOKEN", "silent_s": silent_s}]}},
        }))  # fmt: skip
        self.sensor_settings = sensor
        self.number = 0

    def spawn(self, name, config, **env):
        with (self.folder / f"{name}.log").open("ab") as log:
            return spawn([*CLI, name, "-c", str(config)], stdout=log, env={"SENSOR_TOKEN": TOKEN, **env})

    def said(self, name):
        return (self.folder / f"{name}.log").read_text()

    def check(self, **env):
        argv = [*CLI, "sensor", "--check", "-c", str(self.folder / "sensor.yaml")]
        return run(argv, timeout_s=60, env={"SENSOR_TOKEN": TOKEN, **env})

    def start_daemon(self):
        port_file = self.folder / "daemon" / "http.port"
        port_file.unlink(missing_ok=True)
        self.daemon = self.spawn("run", self.folder / "daemon.yaml")
        self.until(lambda: port_file.exists() and port_file.read_text().strip(), 60)
        port = int(port_file.read_text())
        text = (self.folder / "daemon.yaml").read_text().replace('"port": 0', f'"port": {port}')
        (self.folder / "daemon.yaml").write_text(text)  # the same port in its next life
        return port

    def start_sensor(self, port, monitors=None, **env):
        self.configure_sensor(port, monitors)
        self.sensor = self.spawn("sensor", self.folder / "sensor.yaml", **env)

    def configure_sensor(self, port, monitors=None):
        (self.folder / "sensor.yaml").write_text(json.dumps({
            "state_dir": "sensor",
            "monitors": {"logs": {"files": [{"path": str(self.log), "service": "shop"}], "from_start": True},
                         **(monitors or {})},
            "sensor": {"name": "web-1", "url": f"http://127.0.0.1:{port}", "token": "env:SENSOR_TOKEN",
                       **self.sensor_settings},
        }))  # fmt: skip

    def write(self, count=1):
        with self.log.open("a") as file:
            for _ in range(count):
                file.write(numbered(self.number))
                self.number += 1

    def counted(self):
        return sum(incident.count for incident in incidents(self))

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


def incidents(place):
    store = Store.open(place.folder / "daemon" / "nightshift.db")
    try:
        return store.incidents.list()
    finally:
        store.close()


def crash(number):
    return Signal(key=f"c{number}", source="logs", service="shop", title="ValueError: x", exception="ValueError",
                  at_ms=SystemClock().now_ms())  # fmt: skip


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.end()


def test_what_a_sensor_sees_becomes_the_daemons_incident(place):
    place.start_sensor(place.start_daemon())
    place.write(3)
    place.until(lambda: place.counted() == 3)
    [incident] = incidents(place)
    assert incident.title.startswith("KeyError") and incident.signal.labels["sensor"] == "web-1"
    maps = Path(f"/proc/{place.sensor.pid}/maps").read_text()
    assert "spool.db" in maps and not [name for name in HEAVY if f"/{name}" in maps]
    place.sensor.terminate()
    assert place.sensor.wait(20) == 0
    assert TOKEN not in (place.folder / "sensor.log").read_text()
    shown = run([*CLI, "sensor", "--status", "--json", "-c", str(place.folder / "sensor.yaml")], timeout_s=60,
                env={"SENSOR_TOKEN": TOKEN})  # fmt: skip
    told = json.loads(shown.stdout)
    assert (told["forwarded"], told["waiting"], told["lost"], told["oldest_ms"]) == (3, 0, 0, 0)
    assert 0 < told["acknowledged_ms"] <= time.time() * 1000


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
        place.write(150)  # amid this the one or the other ends
        time.sleep(rng.uniform(0, 0.15))
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


def test_what_happens_while_the_daemon_is_down_arrives_when_it_is_up_again(place):
    port = place.start_daemon()
    place.start_sensor(port)
    place.write(2)
    place.until(lambda: place.counted() == 2)
    place.daemon.terminate()
    place.daemon.wait()
    place.write(40)
    place.until(lambda: "they wait in the spool" in place.said("sensor"))
    place.start_daemon()
    place.until(lambda: place.counted() == 42, 60)
    assert "takes signals again" in place.said("sensor")


def status(place):
    done = run([*CLI, "sensor", "--status", "--json", "-c", str(place.folder / "sensor.yaml")], timeout_s=60)
    return json.loads(done.stdout)


def test_a_full_spool_stops_reading_and_the_log_is_the_buffer(tmp_path):
    place = Place(tmp_path, spool_mb=1)
    try:
        port = place.start_daemon()
        place.daemon.kill()
        place.daemon.wait()
        place.start_sensor(port)
        place.write(6000)
        place.until(lambda: "reading has stopped" in place.said("sensor"))
        found = status(place)
        assert found["held"] > 0 and found["bytes"] <= 1 << 20 and found["waiting"] < 6000 and found["lost"] == 0
        place.start_daemon()
        place.until(lambda: place.counted() >= 6000, 90)
        assert place.counted() == 6000
    finally:
        place.end()


def test_what_is_dropped_when_that_is_wanted_is_counted_and_said(tmp_path):
    place = Place(tmp_path, spool_mb=1, when_full="drop_oldest")
    try:
        port = place.start_daemon()
        place.daemon.kill()
        place.daemon.wait()
        place.start_sensor(port)
        place.write(6000)
        place.until(lambda: (place.folder / "sensor" / "spool.db").exists())
        place.until(lambda: (s := status(place))["dropped"] + s["waiting"] == 6000)
        dropped = status(place)["dropped"]
        place.start_daemon()
        place.until(lambda: any(i.signal.kind == "blind" for i in incidents(place)), 60)
        blind = [i.signal for i in incidents(place) if i.signal.kind == "blind"]
        assert [(s.service, s.message.split()[0]) for s in blind] == [("shop", str(dropped))]
        assert place.counted() == 6000 - dropped + 1 and 0 < dropped < 6000
    finally:
        place.end()


def imported(log):
    """Module names, by interpreter: a process that replaces itself begins a new list."""
    lives = log.split("import time: self [us]")[1:]
    return [{line.rpartition("|")[2].strip() for line in life.splitlines() if line.count("|") == 2} for life in lives]


PURE = ("typer", "asyncio", "pydantic", "yaml", "subprocess", "http.client", "ssl", "watchdog")
NEVER = ("dbos", "sqlalchemy", "alembic", "fastapi", "starlette", "uvicorn", "kubernetes", "docker",
         "prometheus_api_client", "pandas", "nightshift.daemon.store", "nightshift.daemon.missions.engine", "nightshift.daemon.intake.intake", "nightshift.daemon.web")  # fmt: skip


def test_a_sensor_of_logs_imports_next_to_nothing(place):
    place.start_sensor(place.start_daemon(), PYTHONPROFILEIMPORTTIME="1")
    place.write(1)
    place.until(lambda: place.counted() == 1)
    first, lean = imported(place.said("sensor"))
    assert "pydantic" in first and "sqlite3" in lean, "else this test sees nothing"
    assert not [name for name in (*PURE, *NEVER) if name in lean]
    assert not [name for name in NEVER if name in first]


def test_a_sensor_with_other_monitors_has_no_engine_store_or_web_framework(place):
    check = {"kind": "command", "name": "disk", "argv": ["false"], "service": "shop", "interval_s": 1, "failures": 1}
    place.start_sensor(place.start_daemon(), {"probes": {"checks": [check]}}, PYTHONPROFILEIMPORTTIME="1")
    place.write(1)
    place.until(lambda: place.counted() == 2)
    [only] = imported(place.said("sensor"))
    assert not [name for name in NEVER if name in only]


def test_a_daemon_that_cannot_take_something_takes_the_rest(place):
    """The sensor's spool holds something no daemon understands, as if disk or memory had garbled it."""
    port = place.start_daemon()
    place.configure_sensor(port)
    spool = Spool(place.folder / "sensor" / "spool.db", SystemClock(), limit_bytes=1 << 20)
    spool([crash(1), replace(crash(2), title=""), crash(3)])
    spool.close()
    place.start_sensor(port)
    place.write(1)
    place.until(lambda: place.counted() >= 4)
    found = incidents(place)
    assert sorted((one.kind, one.count) for one in (i.signal for i in found)) == [
        ("blind", 1),
        ("crash", 1),
        ("crash", 1),
    ]
    assert "it is set aside" in place.said("sensor")


def test_a_sensor_that_is_killed_is_an_incident_until_it_is_back(tmp_path):
    place = Place(tmp_path, silent_s=2, heartbeat_s=1)
    try:
        port = place.start_daemon()
        place.start_sensor(port)
        place.until(lambda: "forwards to" in place.said("sensor"))
        place.sensor.kill()
        place.sensor.wait()
        place.until(lambda: [i.title for i in incidents(place) if i.state == "open"] == ["sensor web-1 is silent"])
        place.start_sensor(port)
        place.until(lambda: [i.state for i in incidents(place)] == ["healed"])
    finally:
        place.end()


def test_a_check_says_what_is_wrong(place):
    port = place.start_daemon()
    place.configure_sensor(port)
    done = place.check()
    assert done.code == 0 and "takes signals of web-1" in done.text()
    wrong = place.check(SENSOR_TOKEN="not-the-right-one")
    assert wrong.code == 1 and "set sensor.token" in wrong.text() and "not-the-right" not in wrong.text()
    place.configure_sensor(9)
    away = place.check()
    assert away.code == 1 and "ConnectionRefused" in away.text()
    assert not (place.folder / "sensor" / "spool.db").exists(), "a check changes nothing"


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
