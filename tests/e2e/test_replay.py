"""`nightshift heal --record` and `nightshift replay`, as a user would use them."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.engine

MEAN = "def mean(values):\n    return sum(values) / (len(values) - 1)\n"
TEST = "from stats import mean\n\n\ndef test_mean():\n    assert mean([1, 2, 3]) == 2\n    assert mean([4]) == 4\n"
CHECK = "python -m pytest -q"


def replay(*args: object) -> tuple[int, str, str]:
    argv = [sys.executable, "-m", "nightshift.daemon.cli", "replay", *map(str, args)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240)
    return done.returncode, done.stdout, done.stderr


def test_a_recorded_tournament_comes_out_the_same_and_a_doctored_one_does_not(repository, tmp_path):
    repository.commit({"stats.py": MEAN, "test_stats.py": TEST})
    record = tmp_path / "tournament.json"
    healed = repository.heal("--check", CHECK, "--record", str(record))
    assert healed.json["outcome"] == "healed", healed.err
    assert healed.json["rounds"][-1]["judgement"] == "accepted"
    data = json.loads(record.read_text())
    (search,) = [s for s in data["standing"]["rounds"][0]["searches"] if s["creator"] == "templates"]
    assert search["candidates"] >= search["tried"] > 0
    assert any(candidate["plausible"] for candidate in search["best"])
    repository.commit({"other.py": "x = 1\n"}, "later work")
    code, out, err = replay(record, "--repo", repository.path, "--json")
    assert code == 0, out + err
    assert json.loads(out)["same"] is True
    data["standing"]["rounds"][0]["entries"][0]["verdict"].update(judgement="rejected", failed="suite")
    record.write_text(json.dumps(data))
    code, out, err = replay(record, "--repo", repository.path)
    assert code == 1, out + err
    assert "rejected at suite then, accepted now" in out


def test_what_cannot_be_replayed_is_said_in_one_line(repository, tmp_path):
    repository.commit({"stats.py": MEAN, "test_stats.py": TEST})
    record = tmp_path / "tournament.json"
    repository.heal("--check", CHECK, "--record", str(record))
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    garbage = tmp_path / "garbage.json"
    garbage.write_text("[1, 2")
    data = json.loads(record.read_text())

    def doctored(name: str, change) -> object:
        file, copy = tmp_path / f"{name}.json", json.loads(json.dumps(data))
        change(copy)
        file.write_text(json.dumps(copy))
        return file

    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    program, ran = tmp_path / "program", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    asks = doctored("asks", lambda copy: copy["case"].update(python=str(program)))
    empty = doctored("empty", lambda copy: copy["standing"].update(rounds=[]))
    mistyped = doctored("mistyped", lambda copy: copy["standing"].update(rounds=3))
    for args, status, said in (
        ((asks, "--repo", repository.path), 2, "--python PATH"),
        ((asks, "--repo", repository.path, "--python", tmp_path / "nothing"), 2, "is no program"),
        ((empty, "--repo", repository.path), 2, "no round"),
        ((mistyped, "--repo", repository.path), 2, "standing.rounds"),
        ((deep, "--repo", repository.path), 2, "can't be read"),
        ((record,), 2, "--repo"),
        ((record, "--repo", tmp_path / "nowhere"), 2, "no such folder"),
        ((record, "--repo", other), 2, "has no commit"),
        ((tmp_path / "typo.json", "--repo", repository.path), 2, "no such file"),
        ((garbage, "--repo", repository.path), 2, "can't be read"),
    ):
        code, out, err = replay(*args)
        assert (code, out, len(err.splitlines())) == (status, "", 1), err
        assert said in err
    assert not ran.exists()  # a record may come from anybody: no program it names is run on this machine


def test_nothing_to_record_is_said(repository, tmp_path):
    repository.commit({"app.py": "x = 1\n"})
    healed = repository.heal("--check", CHECK, "--record", str(tmp_path / "none.json"))
    assert healed.json["outcome"] == "no_patch"
    assert "nothing to record" in healed.err
    assert not (tmp_path / "none.json").exists()


def test_what_the_documentation_contradicts_teaches_the_next_round(repository, tmp_path):
    code = 'def charge(amount, fee):\n    """What is charged.\n\n    >>> charge(10, 0)\n    10\n    """\n'
    test = "from pay import charge\n\n\ndef test_even():\n    assert charge(4, 2) in (6, 8)\n"
    repository.commit({"pay.py": f"{code}    return amount - fee\n", "test_pay.py": test})
    answers = [
        {"rationale": text, "edits": [{"path": "pay.py", "search": "return amount - fee", "replace": f"return {text}"}]}
        for text in ("amount * fee", "amount + fee")
    ]
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    config = tmp_path / "nightshift.yaml"
    config.write_text("fixers:\n  model: {provider: scripted, script: answers.json, samples: 1, max_calls: 1}\n")
    record = tmp_path / "tournament.json"
    healed = repository.heal("--check", CHECK, "--fixers", "model", "-c", str(config), "--record", str(record))
    assert healed.code == 0, healed.out + healed.err
    first, second = healed.json["rounds"]
    assert (first["round"], second["round"]) == (1, 2)
    assert "charge(10, 0)" in first["refuted"]
    assert second["judgement"] == "accepted"
    assert "+    return amount + fee" in healed.json["patch"]["diff"]
    (_, last) = json.loads(record.read_text())["standing"]["rounds"]
    assert [lesson["passing"] for lesson in last["lessons"]] == [
        [f"{last['lessons'][0]['path']}::test_documented_example"]
    ]
    assert last["entries"][0]["patch"]["parents"] == [first["patch"]]
    code, out, err = replay(record, "--repo", repository.path, "-c", config)
    assert code == 0, out + err
