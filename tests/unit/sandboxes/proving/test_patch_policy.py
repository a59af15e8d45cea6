"""The first gate, on real trees: it judges what a diff does, not what it says."""

from __future__ import annotations

import pytest

from nightshift.daemon.model import Judgement
from nightshift.sandboxes.tester import gate_policy
from nightshift.sandboxes.tester.patch_policy import PatchPolicy
from nightshift.sandboxes.tester.trial import Trial

TREE = {"app.py": "x = 1\n", "test_a.py": "def test_a(): assert 0\n", "tests/data.json": "{}\n", "old.py": "y = 1\n"}


def judge(bare, diff: str, kind: str = "", policy: PatchPolicy | None = None):
    trial = Trial(bare.case(), bare.patch(diff, kind), policy or PatchPolicy(), None, lambda line: None, None)
    return gate_policy.judge(trial)


def changed(bare, **files):
    bare.commit(TREE)
    return bare.diff_to({**TREE, **files})


def test_an_ordinary_change_is_allowed(bare) -> None:
    assert judge(bare, changed(bare, **{"app.py": "x = 2\n"})).judgement is Judgement.ACCEPTED


DENIED = [
    ".github/workflows/ci.yml", ".GitHub/workflows/ci.yml", ".gitlab-ci.yml", "sub/.gitlab-ci.yml", "Jenkinsfile",
    ".ci/run", ".githooks/pre-commit", ".husky/pre-push", ".gitmodules", ".gitattributes", ".env", "deploy/.env.prod",
    "server.pem", "id_rsa", "config/secrets.yaml", "requirements.txt", "requirements-dev.txt", "poetry.lock",
    "package.json", "uv.lock", "pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "conftest.py",
    "tests/conftest.py", "CONFTEST.py", "sitecustomize.py", "usercustomize.py", "evil.pth", "app.so", "m.pyc",
    "pkg/__pycache__/m.cpython-311.pyc", "Makefile", ".pre-commit-config.yaml", "nightshift.yaml",
    "tests/test_nightshift_x.py", "TESTS/test_nightshift_x.py", "json.py", "src/re.py", "pytest.py", "_pytest/x.py",
    "pluggy/__init__.py", "OS.py",
]  # fmt: skip


@pytest.mark.parametrize("path", DENIED)
def test_paths_no_patch_may_touch(bare, path: str) -> None:
    ruling = judge(bare, changed(bare, **{path: "x\n"}))
    assert ruling.judgement is Judgement.REJECTED
    assert path.casefold() in ruling.reason.casefold() or "stand in" in ruling.reason


@pytest.mark.parametrize(
    "path", ["shop/json_views.py", "src/shop/re.py", "docs/pytest.md", "environment.py", "keys.py"]
)
def test_paths_that_only_look_alike(bare, path: str) -> None:
    assert judge(bare, changed(bare, **{path: "x = 1\n"})).judgement is Judgement.ACCEPTED


@pytest.mark.parametrize("path", ["test_a.py", "tests/data.json"])
def test_existing_tests_stay_as_they_are(bare, path: str) -> None:
    ruling = judge(bare, changed(bare, **{path: "pass\n"}))
    assert "existing test" in ruling.reason


def test_existing_tests_stay(bare) -> None:
    bare.commit(TREE)
    ruling = judge(bare, bare.diff_to({p: t for p, t in TREE.items() if p != "test_a.py"}))
    assert "would be removed" in ruling.reason


def test_a_rename_is_a_removal(bare) -> None:
    bare.commit(TREE)
    moved = {("check_a.py" if p == "test_a.py" else p): t for p, t in TREE.items()}
    assert judge(bare, bare.diff_to(moved)).judgement is Judgement.REJECTED


def test_no_file_is_removed_but_by_a_revert(bare) -> None:
    bare.commit(TREE)
    diff = bare.diff_to({p: t for p, t in TREE.items() if p != "old.py"})
    assert judge(bare, diff).judgement is Judgement.REJECTED
    assert judge(bare, diff, kind="revert").judgement is Judgement.ACCEPTED


def test_a_new_test_is_welcome(bare) -> None:
    assert judge(bare, changed(bare, **{"tests/test_new.py": "def test_n(): pass\n"})).judgement is Judgement.ACCEPTED


NEW = "new file mode {}\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+{}\n"
ODD = {
    "a symbolic link": NEW.format(120000, "/etc/passwd") + "\\ No newline at end of file\n",
    "a submodule": NEW.format(160000, "Subproject commit " + "1" * 40),
    "a new executable": NEW.format(100755, "x"),
}


@pytest.mark.parametrize("kind", ODD)
def test_only_regular_files(bare, kind: str) -> None:
    bare.commit(TREE)
    ruling = judge(bare, "diff --git a/link b/link\n" + ODD[kind])
    assert kind in ruling.reason


def test_a_mode_may_not_change(bare) -> None:
    bare.commit(TREE)
    ruling = judge(bare, "diff --git a/app.py b/app.py\nold mode 100644\nnew mode 100755\n")
    assert "change its mode" in ruling.reason


def test_a_path_outside_the_tree_does_not_apply(bare) -> None:
    bare.commit(TREE)
    text = "diff --git a/../x b/../x\nnew file mode 100644\n--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n"
    assert judge(bare, text).judgement is Judgement.REJECTED


def test_binary_content(bare) -> None:
    assert "binary" in judge(bare, changed(bare, **{"app.py": b"\0\1\2"})).reason


def test_too_many_files_and_lines(bare) -> None:
    bare.commit(TREE)
    many = {**TREE, **{f"m{n}.py": "x = 1\n" for n in range(6)}}
    assert "6 files" in judge(bare, bare.diff_to(many)).reason
    assert "300 lines" in judge(bare, bare.diff_to({**TREE, "m.py": "x = 1\n" * 300})).reason
    loose = PatchPolicy(max_files=9, max_lines=999)
    assert judge(bare, bare.diff_to(many), policy=loose).judgement is Judgement.ACCEPTED


def test_garbage_and_nothing(bare) -> None:
    bare.commit(TREE)
    assert "does not apply" in judge(bare, "no diff at all").reason
    assert judge(bare, "").judgement is Judgement.REJECTED


def test_another_base_is_another_question(bare) -> None:
    diff = changed(bare, **{"app.py": "x = 2\n"})
    case, patch = bare.case(), bare.patch(diff)
    bare.commit({"other": "x"})
    from dataclasses import replace

    moved = Trial(replace(case, base=bare.head), patch, PatchPolicy(), None, print, None)
    assert gate_policy.judge(moved).judgement is Judgement.REJECTED


def test_a_revert_may_restore_exactly_what_one_commit_found(bare) -> None:
    bare.commit(TREE)
    changed_test = {**TREE, "app.py": "x = 2\n", "tests/data.json": '{"new": 1}\n'}
    bare.commit(changed_test)
    assert judge(bare, bare.diff_to(TREE)).judgement is Judgement.REJECTED
    ruling = judge(bare, bare.diff_to(TREE), kind="revert")
    assert ruling.judgement is Judgement.ACCEPTED, ruling
    cheat = {**TREE, "tests/data.json": '{"mine": 1}\n'}
    assert judge(bare, bare.diff_to(cheat), kind="revert").judgement is Judgement.REJECTED


def test_a_revert_may_not_take_tests_of_a_commit_that_left_the_source_alone(bare) -> None:
    bare.commit(TREE)
    bare.commit({**TREE, "app.py": "x = 2\n"})
    bare.commit({**TREE, "app.py": "x = 2\n", "tests/data.json": '{"new": 1}\n'})
    assert judge(bare, bare.diff_to(TREE), kind="revert").judgement is Judgement.REJECTED
