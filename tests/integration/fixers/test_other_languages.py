"""Revert and bisect need nothing of Python: a check is a shell line in an image, here the host's programs."""

from __future__ import annotations

import time

import pytest

from nightshift.daemon.model import Case, Judgement
from nightshift.daemon.ports import Budget
from nightshift.fixers.revert import RevertFixer
from nightshift.sandboxes.all_sandboxes import Settings, engine
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester.judge import GateTester

pytestmark = pytest.mark.engine
SHELL = '#!/bin/sh\ngreet() {\n  printf "hello, %s\\n" "$1"\n}\n\nleave() {\n  printf "bye, %s\\n" "$1"\n}\n'
NODE = "exports.total = (rows) => rows.reduce((sum, row) => sum + row.n, 0);\n\nexports.name = (row) => row.name;\n"


@pytest.fixture(scope="module")
def sandboxes():
    made = engine(Settings())
    yield made
    made.close()


@pytest.mark.parametrize(
    ("file", "good", "bad", "check", "script"),
    [
        ("greet.sh", SHELL, SHELL.replace("hello, %s", "hello %d"), "sh test_greet.sh",
         '. ./greet.sh\n[ "$(greet Ann)" = "hello, Ann" ]\n'),
        ("shop.js", NODE, NODE.replace("row.n, 0", "row.price, 0"), "node shop.test.js",
         'const assert = require("assert");\nassert.equal(require("./shop").total([{ n: 2 }, { n: 3 }]), 5);\n'),
    ],
)  # fmt: skip
def test_it_is_bisected_undone_and_proved(line, sandboxes, file, good, bad, check, script) -> None:
    line.commit({file: good, check.split()[1]: script})
    for at in range(3):
        line.commit({"notes.txt": f"{at}\n"})
    culprit = line.commit({file: bad, "readme": "text\n"})
    line.commit({"notes.txt": "later\n"})
    reproducer = SandboxReproducer(sandboxes, timeout_s=60)
    case = Case(id="c", repo=line.repo.path, base=line.head, check=check)
    made = reproducer.reproduce(case, lambda _: None)
    assert made.kind == "check", made.reason
    case = Case(id="c", repo=line.repo.path, base=line.head, check=check, reproduction=made)
    budget = Budget(deadline=time.monotonic() + 120)
    patches = list(RevertFixer().draft(case, reproducer.bench(case), budget, lambda _: None))
    assert [(p.kind, p.parents) for p in patches] == [("revert", (culprit,)), ("partial-revert", (culprit,))]
    assert line.after(patches[1], file) == good and line.after(patches[1], "readme") == "text\n"
    verdict = GateTester(sandboxes, timeout_s=60).judge(case, patches[1], lambda _: None)
    assert verdict.judgement is Judgement.ACCEPTED, verdict.reason
