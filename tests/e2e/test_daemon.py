"""The daemon as operators meet it: approvals that outlive kill -9, a fix that does not help, the morning report."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support.night import Night, night

from nightshift.daemon.model import Stage

pytestmark = [pytest.mark.engine, pytest.mark.slow]
TOKEN = "a-token-of-the-tests"


def cli(made: Night, *args: str) -> subprocess.CompletedProcess:
    argv = [sys.executable, "-m", "nightshift.daemon.cli", *args, "-c", str(made.place.config)]
    env = {**os.environ, "NIGHTSHIFT_TOKEN": TOKEN}
    return subprocess.run(argv, capture_output=True, text=True, timeout=240, env=env)


def configure(made: Night, **changes: str) -> None:
    text = made.place.config.read_text()
    for old, new in changes.items():
        text = re.sub(rf"(?m)^(\s+{old}:).*$", rf"\1 {new}", text)
    made.place.config.write_text(text.replace("http:\n", "http:\n  token: env:NIGHTSHIFT_TOKEN\n"))


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_TOKEN", TOKEN)


def stage(made: Night) -> Stage | None:
    found = made.missions()
    return found[0].stage if found else None


def fetch(made: Night, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{made.place.http}{path}", timeout=10) as answer:
        return answer.read().decode()


def test_an_approval_that_waited_across_a_kill(tmp_path: Path):
    with night(tmp_path / "n") as made:
        configure(made, autonomy="propose")
        made.start()
        assert made.until(made.ready, 60), made.log_tail()
        made.crash("revert")
        assert made.until(lambda: stage(made) == Stage.AWAITING_APPROVAL, 120), made.log_tail()
        mission = made.missions()[0].id
        made.kill()
        replayed = cli(made, "replay", mission, "--json")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert json.loads(replayed.stdout)["judged"] >= 1
        assert "tournament" in cli(made, "show", mission).stdout
        refused = cli(made, "approve", mission)
        assert refused.returncode != 0
        assert "nightshift run" in refused.stderr, refused.stderr
        made.start()
        assert made.until(made.ready, 60), made.log_tail()
        assert len(made.subjects()) == 5, "nothing is merged before a person says so"
        approved = cli(made, "approve", mission, "--reason", "read it")
        assert approved.returncode == 0, approved.stderr
        assert made.until(lambda: made.over(1), 120), made.log_tail()
        assert stage(made) == Stage.HEALED
        assert len(made.subjects()) == 6
        assert made.until(lambda: f"{mission}:ended" in made.receiver.keys, 30)
        assert [k for k in made.receiver.keys if ":waiting:" in k] == [f"{mission}:waiting:{mission}"]
        shown = json.loads(cli(made, "show", mission, "--json").stdout)
        assert any("approved by" in event["reason"] for event in shown["journal"])
        again = cli(made, "approve", mission)
        assert again.returncode != 0
        assert "over" in again.stderr
        assert made.stop() == 0


def test_a_rejection_changes_nothing(tmp_path: Path):
    with night(tmp_path / "n") as made:
        configure(made, autonomy="propose")
        made.start()
        assert made.until(made.ready, 60), made.log_tail()
        made.crash("revert")
        assert made.until(lambda: stage(made) == Stage.AWAITING_APPROVAL, 120), made.log_tail()
        assert cli(made, "reject", made.missions()[0].id, "--reason", "not now").returncode == 0
        assert made.until(lambda: made.over(1), 60), made.log_tail()
        assert stage(made) == Stage.DISMISSED
        assert len(made.subjects()) == 5
        assert [r.state.value for r in made.requests()] == ["closed"]
        assert made.stop() == 0


def test_a_fix_that_does_not_reach_production_is_rolled_back(tmp_path: Path):
    with night(tmp_path / "n") as made:
        configure(made, deploy='["true"]')
        made.start()
        assert made.until(made.ready, 60), made.log_tail()
        made.crash("revert")
        assert made.until(lambda: made.over(1), 180), made.log_tail()
        assert stage(made) == Stage.ROLLED_BACK, made.missions()
        subjects = made.subjects()
        assert len(subjects) == 7
        assert subjects[0].startswith("Undo: Revert the change behind")
        tree = made.place.origin.tree_of("main")
        assert tree == made.place.origin.tree_of("main~2"), "exactly the state before the fix"
        assert made.until(lambda: any(k.endswith(":ended") for k in made.receiver.keys), 30)
        assert made.stop() == 0


def test_the_http_api_and_the_metrics(tmp_path: Path):
    with night(tmp_path / "n") as made:
        configure(made)
        made.start()
        assert made.until(made.ready, 60), made.log_tail()
        made.crash("none")
        assert made.until(lambda: made.over(1), 120), made.log_tail()
        incidents = json.loads(fetch(made, "/api/incidents"))
        assert "Unbalanced" in json.dumps(incidents)
        assert "nightshift_incidents_total" in fetch(made, "/metrics")
        assert "Unbalanced" in fetch(made, "/")
        assert made.get(made.place.http, "/healthz") == 200
        listed = cli(made, "incidents", "--json")
        assert "Unbalanced" in listed.stdout
        reported = cli(made, "report", "--format", "markdown")
        assert "Unbalanced" in reported.stdout, reported.stderr
        assert made.stop() == 0


def test_a_missed_morning_report_is_made_once(tmp_path: Path):
    with night(tmp_path / "n") as made:
        configure(made)
        with made.store() as store:
            store.offsets.put({"report:last": "report-2001-01-01"})
        for _ in range(2):
            made.start()
            assert made.until(made.ready, 60), made.log_tail()
            assert made.until(lambda: any(k.startswith("report-") for k in made.receiver.keys), 60), made.log_tail()
            assert made.stop() == 0
        reports = [k for k in made.receiver.keys if k.startswith("report-")]
        assert len(reports) == 1, reports
        files = sorted(p.suffix for p in (made.place.root / "reports").glob("report-2*"))
        assert files == [".html", ".json", ".md"]


def test_a_second_daemon_on_the_same_state_is_refused(tmp_path: Path):
    with night(tmp_path / "n") as made:
        configure(made)
        made.start()
        assert made.until(made.ready, 60), made.log_tail()
        second = cli(made, "run")
        assert second.returncode == 2
        assert "in use by" in second.stderr
        assert made.stop() == 0
