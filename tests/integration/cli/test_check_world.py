"""`nightshift check` against real repositories, files, ports and programs: every red row has a fix."""

import json
import os
import socket
import sys

import pytest

from nightshift.daemon.cli import main
from nightshift.daemon.config import load_config
from nightshift.daemon.doctor import machine, outside, services
from nightshift.daemon.kit.run import run

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.org")


@pytest.fixture
def shop(tmp_path):
    """A repository with one commit on main."""
    repo = tmp_path / "shop"
    repo.mkdir()
    for args in (("init", "-q", "-b", "main"), (*WHO, "commit", "-q", "--allow-empty", "-m", "one")):
        assert run(["git", "-C", str(repo), *args], timeout_s=60).ok
    return repo


@pytest.fixture
def rows(tmp_path, shop):
    """Rows about the service `shop` with these further keys, by what they are about."""

    def _rows(**keys):
        path = tmp_path / "nightshift.yaml"
        path.write_text(json.dumps({"services": [{"name": "shop", "repo": str(shop), **keys}]}))
        found = list(services.checks(load_config(path, environ={}).services[0]))
        assert all(row.fix for row in found if not row.ok)
        return {row.what.removeprefix("shop: "): row for row in found}

    return _rows


def test_a_good_service_is_all_well(rows, tmp_path):
    (tmp_path / "app.log").write_text("")
    found = rows(check="python -m pytest -q", python=sys.executable, logs=["app.log"], deploy="sh deploy.sh")
    assert [row.ok for row in found.values()] == [True] * 4
    assert "pytest" in found["check"].detail
    assert "1 file(s)" in found["logs"].detail
    assert not any(row.fix for row in found.values())


def test_repositories_that_can_not_be_healed(rows, shop, tmp_path):
    assert "no branch 'trunk'" in rows(branch="trunk")["repository"].detail
    empty = tmp_path / "empty"
    assert run(["git", "init", "-q", "-b", "main", str(empty)], timeout_s=60).ok
    assert not rows(repo=str(empty))["repository"].ok
    plain = tmp_path / "plain"
    plain.mkdir()
    assert "git repository" in rows(repo=str(plain))["repository"].detail


def test_looking_leaves_no_trace_in_the_repository(rows, shop):
    before = sorted(str(p) for p in shop.rglob("*"))
    rows(check="python -m pytest")
    assert sorted(str(p) for p in shop.rglob("*")) == before


def test_interpreters_that_can_not_run_the_check(rows, tmp_path):
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho 'No module named pytest' >&2\nexit 1\n")
    bare.chmod(0o755)
    row = rows(check="python -m pytest", python=str(bare))["check"]
    assert (row.ok, row.fix) == (False, f"{bare} -m pip install pytest")
    row = rows(check="python -m pytest", python=str(tmp_path / "nowhere"))["check"]
    assert not row.ok
    assert "does not start" in row.detail


def test_checks_that_are_not_pytest_are_noted(rows):
    row = rows(check="make test")["check"]
    assert row.ok
    assert "exit code" in row.detail
    assert rows()["check"].fix


def test_logs_that_are_not_there(rows, tmp_path):
    row = rows(logs=["new.log"])["logs"]
    assert (row.ok, bool(row.fix)) == (True, True)
    row = rows(logs=["nowhere/*/x.log"])["logs"]
    assert not row.ok
    assert f"create {tmp_path}/nowhere" in row.fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_log_that_can_not_be_read(rows, tmp_path):
    (tmp_path / "app.log").write_text("")
    (tmp_path / "app.log").chmod(0)
    assert not rows(logs=["app.log"])["logs"].ok


def test_programs_and_addresses(rows):
    assert not rows(deploy=["no-such-program-anywhere"])["deploy"].ok
    assert not rows(probe=["no-such-program-anywhere"])["probe"].ok
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        row = rows(url=f"http://127.0.0.1:{taken.getsockname()[1]}/")["url"]
    assert (row.ok, bool(row.fix)) == (True, True)


def test_servers_that_do_not_answer(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        path = tmp_path / "n.yaml"
        rule = {"name": "a", "expr": "up", "threshold": 1}
        monitors = {"prometheus": {"url": url, "rules": [rule]}, "docker": {"url": f"unix://{tmp_path}/no.sock"},
                    "kubernetes": {"kubeconfig": "no.kubeconfig"}, "alertmanager": {},
                    "probes": {"checks": [{"name": "page", "service": "s", "kind": "http", "url": url},
                                          {"name": "sure", "service": "s", "kind": "command", "argv": ["true"]}]}}  # fmt: skip
        reports = {"slack": {"url": "env:S"}, "webhook": {"url": url, "secret": "env:S"}}
        path.write_text(json.dumps({"monitors": monitors, "reports": reports}))
        config = load_config(path, environ={"S": "http://example.invalid/secret-path"})
        found = {row.what: row for row in outside.checks(config)}
    assert {what for what, row in found.items() if row.ok} == {"report folder", "probe sure"}
    assert {"probe page", "prometheus", "docker monitor", "kubernetes", "alertmanager", "slack", "webhook"} < set(found)
    assert all(row.fix for row in found.values() if not row.ok)
    assert "secret-path" not in str(found)


def test_a_machine_without_an_engine_or_a_state_folder(tmp_path):
    path = tmp_path / "n.yaml"
    (tmp_path / "file").write_text("")
    sandbox = {"engine": "docker", "docker_host": f"unix://{tmp_path}/no.sock"}
    path.write_text(json.dumps({"sandbox": sandbox, "state_dir": "file/state", "http": {"token": "env:T"}}))
    found = {row.what: row for row in machine.checks(load_config(path, environ={"T": "short"}))}
    assert {what for what, row in found.items() if not row.ok} == {"config", "engine", "state_dir", "http"}
    assert all(row.fix for row in found.values() if not row.ok)
    assert found["clock"].ok


@pytest.mark.engine
def test_what_init_writes_check_accepts(shop, capsys):
    (shop / "test_a.py").write_text("def test_a(): pass\n")
    assert main(["init", str(shop)]) == 0
    assert main(["check", "-c", str(shop / "nightshift.yaml"), "--json"]) == 0
    lines = capsys.readouterr().out.split("\n", 1)[1]
    assert {"config", "engine", "shop: repository", "shop: check"} <= {row["what"] for row in json.loads(lines)}
    assert not (shop / ".nightshift").exists()
    assert main(["check", "-c", str(shop / "nightshift.yaml")]) == 0
    assert "well" in capsys.readouterr().out


def test_a_red_row_is_exit_1(tmp_path, capsys):
    path = tmp_path / "n.yaml"
    path.write_text("services: []\n")
    assert main(["check", "-c", str(path)]) == 1
    assert "RED   config" in capsys.readouterr().out
