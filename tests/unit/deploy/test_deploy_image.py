"""Dockerfile and compose file, as far as they can be judged without a registry to pull the base image from."""

import json
import os
import re
import shutil
import sys

import pytest
import yaml

from nightshift.daemon.config.load import load_config
from nightshift.daemon.kit.run import run

from .conftest import DEPLOY, ROOT

COMPOSE = DEPLOY / "compose" / "compose.yaml"
SERVICE_KEYS = {
    "build", "image", "command", "restart", "stop_grace_period", "ports", "volumes", "group_add", "read_only", "tmpfs",
    "cap_drop", "security_opt", "pids_limit", "mem_limit",
}  # fmt: skip


def instructions():
    """(instruction, rest) of the Dockerfile, continuation lines joined, comments gone."""
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def last(name):
    return [rest for instruction, rest in instructions() if instruction == name][-1]


def test_everything_it_copies_is_there_and_reaches_the_builder():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[ignored.index("*")] == "*"
    sources = [
        word.rstrip("/") for instruction, rest in instructions() if instruction == "COPY" and "--from" not in rest
        for word in rest.split()[:-1]
    ]  # fmt: skip
    assert len(sources) >= 8
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source in let_in


def test_every_code_folder_is_copied():
    linked = {p.name for p in (ROOT / "src" / "nightshift").iterdir() if p.is_symlink()}
    copied = {rest.split()[0].rstrip("/") for instruction, rest in instructions() if instruction == "COPY"}
    assert linked
    assert linked <= copied


def test_it_is_small_pinned_and_not_root():
    stages = [rest for instruction, rest in instructions() if instruction == "FROM"]
    assert [stage.split()[0] for stage in stages] == ["python:3.11-slim"] * 2
    assert last("USER") == "10001:10001"
    names = [instruction for instruction, _ in instructions()]
    final = instructions()[len(names) - names[::-1].index("FROM") :]
    assert not any(name == "RUN" and "pip install" in rest for name, rest in final)
    assert not any(name in ("ADD", "ARG") for name in names)
    assert all(
        "--require-hashes" in rest or "--no-deps ." in rest for _, rest in instructions() if "pip install" in rest
    )
    assert "--hash=sha256:" in (ROOT / "requirements" / "runtime.lock").read_text()


def test_the_user_comes_after_everything_that_needs_root():
    names = [instruction for instruction, _ in instructions()]
    assert "RUN" not in names[len(names) - names[::-1].index("USER") :]


def test_it_starts_the_daemon_and_asks_it_how_it_is():
    assert json.loads(last("ENTRYPOINT")) == ["tini", "--", "nightshift"]
    assert json.loads(last("CMD")) == ["run", "-c", "/etc/nightshift/nightshift.yaml"]
    assert last("EXPOSE") == "8700"
    assert last("VOLUME") == "/var/lib/nightshift"
    assert last("STOPSIGNAL") == "SIGTERM"
    assert "http://127.0.0.1:8700/healthz" in last("HEALTHCHECK")
    program = json.loads(re.search(r"CMD (\[.*\])", last("HEALTHCHECK"))[1])
    compile(program[2], "healthcheck", "exec")


def test_the_health_check_fails_where_nothing_listens():
    program = json.loads(re.search(r"CMD (\[.*\])", last("HEALTHCHECK"))[1])
    done = run([sys.executable, "-c", program[2].replace(":8700", ":9")], timeout_s=30)
    assert done.code == 1


def test_the_settings_in_its_environment_are_ones_nightshift_takes(tmp_path):
    values = dict(re.findall(r"(NIGHTSHIFT_\w+)=(\S+)", last("ENV")))
    assert set(values) == {"NIGHTSHIFT_STATE_DIR", "NIGHTSHIFT_HTTP__HOST"}
    (tmp_path / "nightshift.yaml").write_text("services: []\n")
    config = load_config(tmp_path / "nightshift.yaml", environ=values)
    assert (str(config.state_dir), config.http.host) == ("/var/lib/nightshift", "0.0.0.0")


def test_the_command_exists():
    done = run([sys.executable, "-m", "nightshift.daemon.cli", "run", "--help"], timeout_s=60)
    assert done.ok, done.why()
    assert "-c" in done.text()


def test_the_compose_file_holds_together():
    compose = yaml.safe_load(COMPOSE.read_text())
    assert set(compose) == {"name", "services", "volumes"}
    (service,) = compose["services"].values()
    assert set(service) <= SERVICE_KEYS
    assert service["command"] == json.loads(last("CMD"))
    assert (COMPOSE.parent / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    named = {v.split(":")[0] for v in service["volumes"] if not v.startswith((".", "/"))}
    assert named == set(compose["volumes"])
    for volume in service["volumes"]:
        if volume.startswith("."):
            assert (COMPOSE.parent / volume.split(":")[0]).is_file()
    assert "state:/var/lib/nightshift" in service["volumes"]
    assert [p.rpartition(":")[2] for p in service["ports"]] == ["8700"]
    assert all(p.startswith("127.0.0.1:") for p in service["ports"])


def test_the_compose_service_may_do_nothing_special():
    (service,) = yaml.safe_load(COMPOSE.read_text())["services"].values()
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"privileged", "network_mode", "pid", "user"} & set(service)


def test_docker_compose_agrees_where_it_is_installed():
    if not shutil.which("docker") or not run(["docker", "compose", "version"], timeout_s=60).ok:
        pytest.skip("docker compose is not installed")
    environ = os.environ | {"DOCKER_GID": "1"}
    done = run(["docker", "compose", "-f", str(COMPOSE), "config", "-q"], timeout_s=60, env=environ)
    assert done.ok, done.why()


def test_its_configuration_is_one_nightshift_takes():
    config = load_config(COMPOSE.parent / "nightshift.yaml", environ={})
    assert config.sandbox.engine == "docker"
    assert config.monitors.docker is not None


def test_the_examples_in_the_configurations_are_sound_too(tmp_path):
    for path in DEPLOY.glob("**/nightshift.yaml"):
        text = path.read_text()
        example = re.sub(
            r"(?m)^services: \[\]\n((?:#.*\n)+)", lambda m: "services:\n" + re.sub(r"(?m)^# ?", "  ", m[1]), text
        )
        assert example != text
        (tmp_path / "nightshift.yaml").write_text(example)
        assert load_config(tmp_path / "nightshift.yaml", environ={}).services[0].name == "shop"
