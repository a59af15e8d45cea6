import configparser
import shutil
import sys

import pytest

from nightshift.daemon.config.load import load_config
from nightshift.daemon.kit.run import run

from .conftest import DEPLOY

UNIT, SENSOR = DEPLOY / "systemd" / "nightshift.service", DEPLOY / "systemd" / "nightshift-sensor.service"
PROGRAM = "/opt/nightshift/bin/nightshift"
both = pytest.mark.parametrize("path", [UNIT, SENSOR], ids=lambda path: path.stem)


def parsed(path):
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str
    parser.read_string(path.read_text())
    return parser


@pytest.fixture(scope="module")
def unit():
    return parsed(UNIT)


def test_it_starts_the_daemon_with_its_files(unit, tmp_path):
    service = unit["Service"]
    assert service["ExecStart"] == f"{PROGRAM} run -c /etc/nightshift/nightshift.yaml"
    assert service["StateDirectory"] == service["ConfigurationDirectory"] == "nightshift"
    values = dict(pair.split("=", 1) for pair in service["Environment"].split() if pair.startswith("NIGHTSHIFT"))
    (tmp_path / "nightshift.yaml").write_text("services: []\n")
    assert str(load_config(tmp_path / "nightshift.yaml", environ=values).state_dir) == "/var/lib/nightshift"


def test_it_starts_the_sensor_with_its_files():
    service = parsed(SENSOR)["Service"]
    assert service["ExecStart"] == f"{PROGRAM} sensor -c /etc/nightshift-sensor/sensor.yaml"
    assert service["StateDirectory"] == service["ConfigurationDirectory"] == service["User"] == "nightshift-sensor"
    values = dict(pair.split("=", 1) for pair in service["Environment"].split() if pair.startswith("NIGHTSHIFT"))
    config = load_config(DEPLOY / "systemd" / "sensor.yaml", environ={**values, "NIGHTSHIFT_SENSOR_TOKEN": "t"})
    assert str(config.state_dir) == "/var/lib/nightshift-sensor" and config.sensor.name == "web-1"


@pytest.mark.parametrize(("path", "command"), [(UNIT, "run"), (SENSOR, "sensor")], ids=["run", "sensor"])
def test_a_wrong_configuration_is_not_started_again_and_again(path, command, tmp_path):
    assert parsed(path)["Service"]["RestartPreventExitStatus"] == "2"
    (tmp_path / "nightshift.yaml").write_text("servces: []\n")
    argv = [sys.executable, "-m", "nightshift.daemon.cli", command, "-c", str(tmp_path / "nightshift.yaml")]
    assert run(argv, timeout_s=60).code == 2


@both
def test_it_is_hardened_and_not_root(path):
    service = parsed(path)["Service"]
    assert service["User"] == service["Group"] == path.stem
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    for key in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "RestrictSUIDSGID", "ProtectKernelModules"):
        assert service[key] == "yes"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@both
def test_systemd_understands_every_line(path, tmp_path):
    copy = tmp_path / "nightshift.service"
    copy.write_text(path.read_text().replace(PROGRAM, sys.executable))
    done = run(["systemd-analyze", "verify", str(copy)], timeout_s=60)
    complaints = [line for line in done.stderr.decode().splitlines() if "nightshift.service" in line]
    assert complaints == []
    copy.write_text(copy.read_text().replace("NoNewPrivileges=", "NoNewPriviliges="))
    done = run(["systemd-analyze", "verify", str(copy)], timeout_s=60)
    assert "NoNewPriviliges" in done.stderr.decode()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@both
def test_systemd_thinks_it_well_confined(path):
    help_text = run(["systemd-analyze", "--help"], timeout_s=60).text()
    if "--threshold" not in help_text:
        pytest.skip("this systemd-analyze can't judge a file offline")
    done = run(["systemd-analyze", "security", "--offline=true", "--threshold=25", str(path)], timeout_s=60)
    assert done.ok, done.text()[-200:]
