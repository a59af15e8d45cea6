"""The one way into dependency files is as narrow as every other way into a tree."""

from __future__ import annotations

import pytest

from nightshift.daemon.model import Judgement
from nightshift.sandboxes.tester import gate_policy
from nightshift.sandboxes.tester.patch_policy import PatchPolicy
from nightshift.sandboxes.tester.trial import Trial


def judge(bare, path: str, policy: PatchPolicy | None = None):
    for pin in ("money==1\n", "money==2\n"):
        bare.commit({path: pin, "app.py": "x = 1\n"})
    diff = bare.diff_to({path: "money==1\n", "app.py": "x = 1\n"})
    trial = Trial(bare.case(), bare.patch(diff, "dependency"), policy or PatchPolicy(), None, lambda line: None, None)
    return gate_policy.judge(trial)


@pytest.mark.parametrize("path", ["requirements.txt", "tests/requirements.txt", "requirements/test.txt"])
def test_what_is_installed_may_go_back(bare, path: str) -> None:
    assert judge(bare, path).judgement is Judgement.ACCEPTED


@pytest.mark.parametrize("path", ["tests/data/requirements.txt", "tests/fixtures/package-lock.json"])
def test_data_that_tests_read_may_not(bare, path: str) -> None:
    ruling = judge(bare, path)
    assert ruling.judgement is Judgement.REJECTED
    assert "existing test's data" in ruling.reason


@pytest.mark.parametrize("policy", [
    PatchPolicy(allow=("src/*",)), PatchPolicy(deny=(*PatchPolicy().deny, "*.txt")),
])  # fmt: skip
def test_what_people_closed_stays_closed(bare, policy: PatchPolicy) -> None:
    assert judge(bare, "requirements.txt", policy).judgement is Judgement.REJECTED
