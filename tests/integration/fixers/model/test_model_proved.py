"""A model's patches before the same tester as everybody's: reproduction, draft and verdict in real sandboxes."""

import sys
import time
from dataclasses import replace

import pytest

from nightshift.daemon.model import Case, Diagnosis, Frame, Judgement
from nightshift.daemon.ports import Budget
from nightshift.fixers.model.fixer import ModelFixer, Settings
from nightshift.fixers.model.providers.scripted import Scripted
from nightshift.sandboxes.all_sandboxes import engine
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester import GateTester

from .conftest import FIX

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LOOKUP = "    return PRICES[name]"


def answer(replace):
    return {"rationale": "r", "edits": [{"path": "shop/basket.py", "search": LOOKUP, "replace": replace}]}


@pytest.fixture(scope="module")
def sandboxes():
    made = engine()
    yield made
    made.close()


def test_what_does_not_heal_or_cheats_is_rejected_and_the_fix_accepted(shop, sandboxes):
    repo, base = shop
    diagnosis = Diagnosis(
        title="KeyError: 'nuts'", exception="KeyError", message="'nuts'",
        frames=(Frame(path="shop/basket.py", line=5, function="price", code=LOOKUP.strip()),),
    )  # fmt: skip
    check = "python -m pytest -q tests"
    case = Case(id="m", repo=repo.path, base=base, check=check, python=sys.executable, diagnosis=diagnosis)
    reproducer = SandboxReproducer(sandboxes, timeout_s=120)
    reproduction = reproducer.reproduce(case, print)
    assert reproduction.kind == "check", reproduction.reason
    case = replace(case, reproduction=reproduction)
    useless = answer("    return PRICES[name.lower()]")
    cheat = answer("    import os\n    os._exit(0)")
    fixer = ModelFixer(Settings(samples=3, max_calls=4), provider=Scripted([useless, "noise", cheat, FIX]))
    drafts = list(fixer.draft(case, reproducer.bench(case), Budget(deadline=time.monotonic() + 300), print))
    assert len(drafts) == 3
    verdicts = [GateTester(sandboxes, timeout_s=120).judge(case, patch, print) for patch in drafts]
    judged = [v.judgement for v in verdicts]
    assert judged == [Judgement.REJECTED, Judgement.REJECTED, Judgement.ACCEPTED], [v.reason for v in verdicts]
