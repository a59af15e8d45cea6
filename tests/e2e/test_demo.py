"""The demo, asserted: the whole loop on real input, as a user starts it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("demo")
    argv = [
        sys.executable,
        "-m",
        "nightshift.daemon.cli",
        "demo",
        "--dir",
        str(root / "d"),
        "--json",
        str(root / "o.json"),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "d", done.stdout, json.loads((root / "o.json").read_text())


def git(folder: Path, *args: str) -> str:
    argv = ["git", "--git-dir", str(folder / "shop.git"), *args]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_three_incidents_end_as_they_should(demo):
    _, _, outcome = demo
    ends = [(i["outcome"], i["fixer"], i["status_before"], i["status_after"]) for i in outcome["incidents"]]
    assert ends == [("healed", "revert", 500, 200), ("healed", "templates", 500, 200), ("escalated", "", 500, 500)]
    assert outcome["as_expected"]


def test_the_repository_has_exactly_two_more_commits(demo):
    folder, _, _ = demo
    subjects = git(folder, "log", "--format=%s", "main").splitlines()
    assert len(subjects) == 7
    assert subjects[1].startswith("Revert the change behind: ZeroDivisionError")
    assert "IndexError" in subjects[0]


def test_the_tests_of_the_shop_pass_now(demo):
    folder, _, _ = demo
    commit = git(folder, "rev-parse", "main").strip()
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(argv, cwd=folder / "releases" / commit[:12], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_every_stage_was_shown_with_its_duration(demo):
    _, shown, outcome = demo
    stages = [
        "queued",
        "gathering",
        "reproducing",
        "drafting",
        "judging",
        "proposing",
        "merging",
        "deploying",
        "watching",
    ]
    for incident in outcome["incidents"][:2]:
        assert set(incident["stages_s"]) == set(stages)
        assert all(seconds >= 0 for seconds in incident["stages_s"].values())
    for stage in stages:
        assert f"✓ {stage}" in shown


def test_the_escalation_carries_its_evidence(demo):
    folder, _, outcome = demo
    assert "raised on purpose" in outcome["incidents"][2]["reason"]
    report = (folder / "reports" / "report-latest.md").read_text()
    assert "Unbalanced: debits are 899, credits 900" in report


def test_reports_are_written_in_every_form(demo):
    folder, shown, _ = demo
    report = json.loads((folder / "reports" / "report-latest.json").read_text())
    assert report["totals"]["healed"] == 2
    assert report["totals"]["escalated"] == 1
    page = (folder / "reports" / "report-latest.html").read_text()
    assert "git revert" in page
    assert "<script src" not in page
    assert "3 incidents: 1 escalated, 2 healed." in shown


def test_nothing_is_left_running(demo):
    folder, _, _ = demo
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(folder) not in entry.read_bytes().decode(errors="replace"), entry
        except (FileNotFoundError, ProcessLookupError):
            continue
