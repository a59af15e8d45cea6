import configparser
import shutil
import sys

import pytest

from nightshift.daemon.config.load import load_config
from nightshift.daemon.kit.run import run

from .conftest import DEPLOY

UNIT = DEPLOY / "systemd" / "nightshift.service"
PROGRAM = "/opt/nightshift/bin/nightshift"


@pytest.fixture(scope="module")
def unit():
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str
    parser.read_string(UNIT.read_text())
    return parser


def test_it_starts_the_daemon_with_its_files(unit, tmp_path):
    service = unit["Service"]
    assert service["ExecStart"] == f"{PROGRAM} run -c /etc/nightshift/nightshift.yaml"
    assert service["StateDirectory"] == service["ConfigurationDirectory"] == "nightshift"
    values = dict(pair.split("=", 1) for pair in service["Environment"].split() if pair.startswith("NIGHTSHIFT"))
    (tmp_path / "nightshift.yaml").write_text("services: []\n")
    assert str(load_config(tmp_path / "nightshift.yaml", environ=values).state_dir) == "/var/lib/nightshift"


def test_a_wrong_configuration_is_not_started_again_and_again(unit, tmp_path):
    assert unit["Service"]["RestartPreventExitStatus"] == "2"
    (tmp_path / "nightshift.yaml").write_text("servces: []\n")
    argv = [sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", str(tmp_path / "nightshift.yaml")]
    assert run(argv, timeout_s=60).code == 2


def test_it_is_hardened_and_not_root(unit):
    service = unit["Service"]
    assert service["User"] == service["Group"] == "nightshift"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    for key in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "RestrictSUIDSGID", "ProtectKernelModules"):
        assert service[key] == "yes"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_every_line(tmp_path):
    copy = tmp_path / "nightshift.service"
    copy.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))
    done = run(["systemd-analyze", "verify", str(copy)], timeout_s=60)
    complaints = [line for line in done.stderr.decode().splitlines() if "nightshift.service" in line]
    assert complaints == []
    copy.write_text(copy.read_text().replace("NoNewPrivileges=", "NoNewPriviliges="))
    done = run(["systemd-analyze", "verify", str(copy)], timeout_s=60)
    assert "NoNewPriviliges" in done.stderr.decode()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_thinks_it_well_confined(tmp_path):
    help_text = run(["systemd-analyze", "--help"], timeout_s=60).text()
    if "--threshold" not in help_text:
        pytest.skip("this systemd-analyze can't judge a file offline")
    done = run(["systemd-analyze", "security", "--offline=true", "--threshold=25", str(UNIT)], timeout_s=60)
    assert done.ok, done.text()[-200:]
