"""A revert may take its tests back with it, and nothing that was never there comes in beside them."""

from __future__ import annotations

import pytest

from nightshift.daemon.model import Judgement
from nightshift.sandboxes.tester import gate_policy
from nightshift.sandboxes.tester.patch_policy import PatchPolicy
from nightshift.sandboxes.tester.trial import Trial

OLD = {"app.py": "a = 1\nb = 1\n", "test_a.py": "def test_a(): pass\n"}
NEW = {"app.py": "a = 2\nb = 1\n", "test_a.py": "def test_a(): assert 0\n"}
NOW = {**NEW, "app.py": "a = 2\nb = 1\nc = 3\n"}


def judge(bare, app: str):
    for files in (OLD, NEW, NOW):
        bare.commit(files)
    diff = bare.diff_to({"app.py": app, "test_a.py": OLD["test_a.py"]})
    return gate_policy.judge(
        Trial(bare.case(), bare.patch(diff, "revert"), PatchPolicy(), None, lambda line: None, None)
    )


@pytest.mark.parametrize("app", ["a = 1\nb = 1\nc = 3\n", OLD["app.py"]])
def test_what_the_commit_found_comes_back_with_its_tests(bare, app: str) -> None:
    assert judge(bare, app).judgement is Judgement.ACCEPTED


@pytest.mark.parametrize("app", ["a = 1\nb = 7\nc = 3\n", "import os\n"])
def test_other_code_does_not_come_along(bare, app: str) -> None:
    assert "would not become what it was" in judge(bare, app).reason
