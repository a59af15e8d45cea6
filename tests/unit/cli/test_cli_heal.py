"""What `nightshift heal` refuses before it starts anything: one line, exit 2, stdout empty."""

import io
import sys

import pytest

from nightshift.daemon.cli import heal


@pytest.fixture
def repo(tmp_path):
    (tmp_path / "shop" / ".git").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "bare-folder").mkdir()
    return tmp_path / "shop"


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("--repo", "nowhere", "--check", "x"), "no such folder: nowhere"),
        (("--repo", "file", "--check", "x"), "file is a file; --repo names the repository's folder"),
        (("--repo", "bare-folder", "--check", "x"), "bare-folder is not a git repository"),
        (("--repo", "shop"), "nothing to heal: give --check CMD"),
        (("--repo", "shop", "--check", "  "), "nothing to heal: give --check CMD"),
        (("--repo", "shop", "--log", "nowhere.log"), "can't read the log nowhere.log: No such file"),
        (("--repo", "shop", "--log", "bare-folder"), "can't read the log bare-folder: Is a directory"),
        (("--repo", "shop", "--check", "x", "--fixers", "revrt"), "no such fixer: 'revrt'; did you mean 'revert'?"),
        (("--repo", "shop", "--check", "x", "--fixers", ","), "--fixers names none; valid here: "),
        (("--repo", "shop", "--check", "x", "--python", "./file"), "--python ./file is not executable"),
        (("--repo", "shop", "--check", "x", "--python", "./no"), "--python ./no does not exist"),
        (("--repo", "shop", "--check", "x", "--budget-s", "0"), "--budget-s must be more than 0, not 0"),
        (("--repo", "shop", "--check", "x", "--budget-s", "nan"), "--budget-s must be more than 0, not nan"),
        (("--check", "x"), "Missing option '--repo'."),
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_bad_usage(nightshift, repo, args, line, more):
    ran = nightshift("heal", *args, *more)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"nightshift heal: {line}")
    assert ran.err.count("\n") == 1


def test_a_request_carries_everything(nightshift, repo, monkeypatch):
    monkeypatch.setattr(
        sys, "stdin", type("In", (), {"buffer": io.BytesIO(b"Traceback"), "isatty": lambda self: False})()
    )
    request = heal._request("shop", " pytest ", "-", "templates, revert", 10, sys.executable, "host")
    assert request.repo == str(repo.resolve())
    assert (request.check, request.log, request.fixers) == ("pytest", b"Traceback", ("templates", "revert"))
    assert request.python == sys.executable


def test_of_a_huge_log_the_end_is_kept():
    chunks = iter([b"a" * 60_000_000, b"b" * 60_000_000, b"c" * 60_000_000, b"d" * 100_000_000, b"e"])
    kept = heal._end_of(chunks)
    assert len(kept) == heal.MAX_LOG_BYTES
    assert kept.endswith(b"de")
