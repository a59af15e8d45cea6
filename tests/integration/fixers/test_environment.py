"""What is missing around a program, put right from what the repository itself knows, proved by the real tester."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from nightshift.daemon.model import Case, Diagnosis, Judgement, Patch
from nightshift.daemon.ports import PROPOSAL, Budget
from nightshift.fixers.environment.fixer import EnvironmentFixer, Settings
from nightshift.sandboxes.all_sandboxes import Settings as Engines
from nightshift.sandboxes.all_sandboxes import engine
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester.judge import GateTester

VARIABLE = {
    "app.py": 'import os\n\nPORT = int(os.environ["SHOP_PORT"])  # where\n', "check.py": "import app\nassert app.PORT\n",
    "compose.yaml": "services:\n  shop:\n    environment:\n      SHOP_PORT: 8080\n",
}  # fmt: skip
SETTING = {
    "app.py": 'import json\n\nRATE = json.load(open("config/dev.json"))["tax"]["rate"]\n',
    "check.py": "import app\nassert app.RATE\n",
    "config/dev.json": '{\n  "tax": {\n    "name": "VAT"\n  }\n}\n',
    "config/prod.json": '{\n  "tax": {\n    "name": "VAT",\n    "rate": 0.2\n  }\n}\n',
}  # fmt: skip
WRONG = {
    "app.py": 'from pathlib import Path\n\nTEXT = (Path(__file__).parent / "tempaltes" / "mail.txt").read_text()\n',
    "load.py": 'TEXT = open("templates/mial.txt").read()\n', "templates/mail.txt": "hi\n", "check.py": "import load\n",
}  # fmt: skip
SCRIPT = {
    "app.py": "import subprocess\n\nsubprocess.run(['./bin/job'], check=True)\n",
    "bin/job": "#!/bin/sh\nexit 0\n",
}


@pytest.fixture(scope="module")
def sandboxes():
    made = engine(Engines())
    yield made
    made.close()


def healed(line, sandboxes, files: dict[str, str], check: str) -> tuple[Case, list[Patch], list[str]]:
    line.commit(files)
    reproducer, notes = SandboxReproducer(sandboxes, timeout_s=60), []
    case = Case(id="c", repo=line.repo.path, base=line.head, check=check)
    case = replace(case, reproduction=reproducer.reproduce(case, lambda _: None))
    assert case.reproduction.kind == "check", case.reproduction.reason
    budget = Budget(deadline=time.monotonic() + 120)
    return case, list(EnvironmentFixer().draft(case, reproducer.bench(case), budget, notes.append)), notes


@pytest.mark.engine
@pytest.mark.parametrize(("files", "check", "path", "line_made"), [
    (VARIABLE, "python check.py", "app.py", 'PORT = int(os.environ.get("SHOP_PORT", "8080"))  # where'),
    (SETTING, "python check.py", "config/dev.json", '    "rate": 0.2'),
    (WRONG, "python check.py", "load.py", 'TEXT = open("templates/mail.txt").read()'),
])  # fmt: skip
def test_it_is_found_proved_and_judged(line, sandboxes, files, check, path, line_made) -> None:
    case, patches, _ = healed(line, sandboxes, files, check)
    assert patches and (patches[0].files, patches[0].kind) == ((path,), "configuration")
    assert line_made in line.after(patches[0], path).split("\n")
    verdict = GateTester(sandboxes, timeout_s=60).judge(case, patches[0], lambda _: None)
    assert verdict.judgement is Judgement.ACCEPTED, verdict.reason


@pytest.mark.engine
def test_a_script_becomes_executable_and_nothing_else_may(line, sandboxes) -> None:
    case, patches, _ = healed(line, sandboxes, SCRIPT, "python app.py")
    patch = patches[0]
    assert "old mode 100644\nnew mode 100755\n" in patch.diff and "@@" not in patch.diff
    tester = GateTester(sandboxes, timeout_s=60)
    verdict = tester.judge(case, patch, lambda _: None)
    assert verdict.judgement is Judgement.ACCEPTED, verdict.reason
    for other in (replace(patch, kind="constant"), replace(patch, diff=patch.diff.replace("bin/job", "app.py"))):
        verdict = tester.judge(case, other, lambda _: None)
        assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "policy")
        assert "change its mode" in verdict.reason


def advised(
    line, looking, files: dict[str, str], message: str, judge=lambda files: True
) -> tuple[list[Patch], list[str]]:
    line.commit(files)
    case, notes = line.case(diagnosis=Diagnosis(exception="KeyError", message=message)), []
    line.bench = looking(line, case, judge)
    budget = Budget(deadline=time.monotonic() + 60)
    return list(EnvironmentFixer(Settings()).draft(case, line.bench, budget, notes.append)), notes


def test_a_variable_of_the_deployment_is_a_written_proposal(line, looking) -> None:
    files = {**VARIABLE, "README.md": "`SHOP_PORT`: the port, default `9090`\n"}
    patches, notes = advised(line, looking, files, "'SHOP_PORT'")
    assert patches == []
    assert notes == [f"{PROPOSAL}set the environment variable SHOP_PORT where the service is deployed; the repository "
                     "knows '8080' in compose.yaml:4; '9090' in README.md:1"]  # fmt: skip


def test_a_secret_gets_no_value(line, looking) -> None:
    files = {"app.py": 'import os\nx = os.environ["DB_PASSWORD"]\n', ".env.example": "DB_PASSWORD=hunter2\n"}
    patches, notes = advised(line, looking, files, "'DB_PASSWORD'", lambda files: False)
    assert patches == [] and line.bench.asked == []
    assert notes[0].startswith(f"{PROPOSAL}set the environment variable DB_PASSWORD") and "hunter2" not in notes[0]


def test_what_does_not_turn_it_green_is_not_proposed_and_runs_are_bounded(line, looking) -> None:
    many = {f"config/e{n}.json": f'{{"a": 1, "rate": {n}}}\n' for n in range(40)} | {"config/dev.json": '{"a": 1}\n'}
    patches, _ = advised(line, looking, many, "'rate'", lambda files: '"rate": 99' not in files["config/dev.json"])
    assert patches == [] and len(line.bench.asked) <= 12


def test_an_ordinary_key_error_costs_nothing(line, looking) -> None:
    patches, notes = advised(line, looking, {"app.py": 'def f(row):\n    return row["name"]\n'}, "'name'")
    assert (patches, notes, line.bench.asked) == ([], [], [])
