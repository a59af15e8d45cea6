"""The revert fixer on real histories: every commit's reproduction really runs, every patch really applies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import Case, Diagnosis, Frame, Patch
from nightshift.daemon.ports import Budget, EnvironmentBroke, Sandbox
from nightshift.fixers.revert import RevertFixer, Settings

GOOD = """\
def label(row):
    name = row.get("name", "")
    return name.upper()


def total(rows):
    return sum(r["n"] for r in rows)
"""
BAD = GOOD.replace('row.get("name", "")', 'row["name"]')


class History:
    """A work tree and what became of it in a repository of the daemon's."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self.bare = BareRepo.ensure(folder / "own.git")
        self.git("init", "-q", "-b", "main", ".")

    def git(self, *args: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.work), "GIT_CONFIG_NOSYSTEM": "1"}
        done = run(["git", "-c", "user.name=D", "-c", "user.email=d@localhost", *args], timeout_s=60, env=env,
                   cwd=str(self.work))  # fmt: skip
        assert done.ok, done.stderr.decode()
        return done.text().strip()

    def commit(self, message: str, files: dict[str, str | None]) -> str:
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.unlink() if text is None else path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def case(self, *frames: Frame) -> Case:
        self.bare.fetch(str(self.work), ["+refs/heads/*:refs/heads/*"])
        base = self.bare.resolve("refs/heads/main")
        return Case(id="m-1", repo=self.bare.path, base=base, diagnosis=Diagnosis(frames=frames))

    def file(self, patch: Patch, path: str = "app.py") -> str | None:
        data = self.bare.read(self.bare.apply(patch.base, patch.diff), path)
        return None if data is None else data.decode()


class Bench:
    """Runs a commit's app.py for real. None when it has no `label` yet."""

    def __init__(self, history: History, case: Case, call: Callable[[dict], object]) -> None:
        self.bare, self.case, self.call, self.asked = history.bare, case, call, []

    def open(self, commit: str = "") -> Sandbox:
        raise EnvironmentBroke("no sandbox here")

    def red(self, commit: str) -> bool | None:
        self.asked.append(commit)
        space: dict = {}
        exec((self.bare.read(commit, "app.py") or b"").decode(), space)
        if "label" not in space:
            return None
        try:
            self.call(space)
        except KeyError:
            return True
        return False


FRAME = Frame(path="app.py", line=2, function="label")


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def _draft(history: History, *frames: Frame, settings: Settings | None = None, patches: int = 8) -> list[Patch]:
    case = history.case(*frames)
    bench = Bench(history, case, lambda space: space["label"]({}))
    history.bench = bench
    budget = Budget(deadline=time.monotonic() + 60, patches=patches)
    return list(RevertFixer(settings).draft(case, bench, budget, lambda _: None))


def test_blame_finds_the_culprit_and_later_work_stays(history: History) -> None:
    history.commit("start", {"app.py": GOOD})
    culprit = history.commit("Tidy @everyone\x1b[31m up", {"app.py": BAD})
    history.commit("more", {"app.py": BAD.replace("sum(", "1 + sum("), "b.py": "x = 1\n"})
    patches = _draft(history, FRAME)
    assert history.file(patches[0]) == GOOD.replace("sum(", "1 + sum(")
    first = patches[0]
    assert (first.kind, first.parents, first.files, first.fixer) == ("revert", (culprit,), ("app.py",), "revert")
    assert culprit[:10] in first.rationale and "\x1b" not in first.rationale and "app.py:2" in first.rationale
    assert len(history.bench.asked) == 3  # before, after, and with it undone


def test_a_removed_guard_is_found_though_blame_cannot_see_it(history: History) -> None:
    guarded = GOOD.replace("    name = row.get", '    if "name" not in row:\n        return ""\n    name = row.get')
    guarded = guarded.replace('row.get("name", "")', 'row["name"]')
    history.commit("start", {"app.py": guarded})
    culprit = history.commit("less code", {"app.py": BAD})
    patches = _draft(history, FRAME)
    assert patches[0].parents == (culprit,) and history.file(patches[0]) == guarded


def test_without_frames_the_history_is_bisected_in_few_probes(history: History) -> None:
    history.commit("start", {"app.py": GOOD})
    for n in range(20):
        history.commit(f"g{n}", {"n.txt": f"{n}\n"})
    culprit = history.commit("bad", {"app.py": BAD})
    for n in range(20):
        history.commit(f"b{n}", {"n.txt": f"later {n}\n"})
    patches = _draft(history)
    assert patches[0].parents == (culprit,) and history.file(patches[0]) == GOOD
    assert history.file(patches[0], "n.txt") == "later 19\n"
    assert len(history.bench.asked) <= 13


def test_bisection_goes_into_the_merge_that_brought_it(history: History) -> None:
    history.commit("start", {"app.py": GOOD})
    history.git("checkout", "-q", "-b", "side")
    history.commit("side work", {"side.py": "a = 1\n"})
    culprit = history.commit("bad", {"app.py": BAD})
    history.commit("more side work", {"side.py": "a = 2\n"})
    history.git("checkout", "-q", "main")
    history.commit("main work", {"n.txt": "1\n"})
    history.git("merge", "-q", "--no-ff", "--no-edit", "side")
    merge = history.git("rev-parse", "HEAD")
    history.commit("after", {"n.txt": "2\n"})
    patches = _draft(history)
    assert patches[0].parents == (culprit,)
    assert history.file(patches[0]) == GOOD and history.file(patches[0], "side.py") == "a = 2\n"
    assert any(p.parents == (merge,) and history.file(p, "side.py") is None for p in patches)


def test_a_bug_as_old_as_the_repository_is_not_reverted(history: History) -> None:
    history.commit("start", {"app.py": BAD})
    history.commit("more", {"n.txt": "1\n"})
    assert _draft(history, FRAME) == []
    history.commit("even more", {"app.py": BAD + "\n\nx = 1\n"})
    assert _draft(history, FRAME) == []


def test_when_the_rest_conflicts_only_the_crashing_function_goes_back(history: History) -> None:
    history.commit("start", {"app.py": GOOD, "other.py": "v = 1\n"})
    culprit = history.commit("big", {"app.py": BAD.replace("sum(r", "max(r"), "other.py": "v = 2\n"})
    history.commit("built on it", {"app.py": BAD.replace("sum(r", "0 + max(r"), "other.py": "v = 3\n"})
    patches = _draft(history, FRAME)
    assert patches[0].kind == "partial-revert" and patches[0].parents == (culprit,)
    assert "Later work on the same lines goes, too: app.py, other.py" in patches[-1].rationale
    assert history.file(patches[-1]) == GOOD and patches[-1].score < patches[0].score
    assert history.file(patches[0]) == GOOD.replace("sum(r", "0 + max(r")
    assert history.file(patches[0], "other.py") == "v = 3\n"


def test_tests_of_the_commit_stay_in_the_first_choice(history: History) -> None:
    history.commit("start", {"app.py": GOOD, "tests/test_app.py": "a = 1\n"})
    history.commit("bad", {"app.py": BAD, "tests/test_app.py": "a = 2\n"})
    patches = _draft(history, FRAME)
    assert [p.files for p in patches] == [("app.py",), ("app.py", "tests/test_app.py")]
    assert {p.kind for p in patches} == {"revert"}


def test_what_is_still_used_elsewhere_comes_last(history: History) -> None:
    history.commit("start", {"app.py": GOOD})
    history.commit("bad", {"app.py": BAD + "\n\ndef helper():\n    return 1\n", "fresh.py": "z = 1\n"})
    history.commit("uses it", {"user.py": "from app import helper\nimport fresh\n"})
    patches = _draft(history, FRAME)
    assert patches[0].kind == "partial-revert" and "helper" in history.file(patches[0])
    assert any("Still used elsewhere: fresh, helper" in p.rationale for p in patches[1:])
    assert patches[-1].score < patches[0].score


def test_a_file_that_others_extended_since_is_not_deleted(history: History) -> None:
    history.commit("start", {"app.py": GOOD})
    history.commit("bad", {"app.py": BAD, "fresh.py": "z = 1\n"})
    history.commit("extended", {"fresh.py": "z = 1\n\n\ndef more():\n    return z\n"})
    patches = _draft(history, FRAME)
    assert patches and all(p.files == ("app.py",) and p.kind == "partial-revert" for p in patches)


def test_commits_that_cannot_tell_give_unproved_patches_last(history: History) -> None:
    history.commit("start", {"n.txt": "0\n"})
    culprit = history.commit("label arrives broken", {"app.py": BAD})
    patches = _draft(history, FRAME)
    assert {p.parents for p in patches} == {(culprit,)} and all("unproved" in p.rationale for p in patches)
    assert _draft(history, FRAME, settings=Settings(max_unproved=0)) == []


def test_budgets_hold(history: History) -> None:
    history.commit("start", {"app.py": GOOD})
    history.commit("bad", {"app.py": BAD, "tests/test_app.py": "a = 2\n"})
    assert len(_draft(history, FRAME, patches=1)) == 1
    assert _draft(history, FRAME, settings=Settings(max_probes=0)) == [] == history.bench.asked
    assert _draft(history, FRAME, settings=Settings(max_files=1, max_probes=5))[0].files == ("app.py",)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(path="gone.py", line=1, function="f"),
        Frame(path="../../etc/passwd", line=1, function="f"),
        Frame(path="--output=x", line=1, function="f"),
        Frame(path="app.py", line=10**9, function="f"),
        Frame(path="app.py", line=-5, function="f"),
        Frame(path="raw.py", line=2, function="f"),
        Frame(path="", line=0, function=""),
    ],
)
def test_frames_that_point_nowhere_leave_it_to_the_bisection(history: History, frame: Frame) -> None:
    history.commit("start", {"app.py": GOOD, "raw.py": "def f(:\n\x00"})
    culprit = history.commit("bad", {"app.py": BAD})
    assert _draft(history, frame)[0].parents == (culprit,)


def test_odd_names_and_binary_files_are_undone_too(history: History) -> None:
    odd = 'we"ird\nnäme.bin'
    history.commit("start", {"app.py": GOOD, odd: "\x00one\n"})
    history.commit("bad", {"app.py": BAD, odd: "\x00two\n"})
    patches = _draft(history, FRAME)
    assert patches[0].files == ("app.py",)
    assert patches[1].files == tuple(sorted(("app.py", odd)))
    assert history.file(patches[1], odd) == "\x00one\n"


def test_it_is_lazy(history: History) -> None:
    history.commit("start", {"app.py": GOOD})
    history.commit("bad", {"app.py": BAD})
    case = history.case(FRAME)
    bench = Bench(history, case, lambda space: space["label"]({}))
    patches: Iterator[Patch] = RevertFixer().draft(case, bench, Budget(deadline=time.monotonic() + 9), lambda _: None)
    assert bench.asked == []
    next(patches)
    patches.close()
