"""Revert and bisect need nothing of Python: a check is a shell line in an image, here the host's programs."""

from __future__ import annotations

import json
import time

import pytest

from nightshift.daemon.model import Case, Diagnosis, Judgement
from nightshift.daemon.ports import Budget
from nightshift.fixers.dependencies.fixer import DependencyFixer
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


def lock(**versions: str) -> str:
    packages: dict[str, object] = {"": {"dependencies": dict.fromkeys(versions, "*")}}
    packages |= {f"node_modules/{n}": {"version": v, "integrity": f"sha512-{n}{v}"} for n, v in versions.items()}
    return json.dumps({"lockfileVersion": 3, "packages": packages}, indent=2) + "\n"


LOADER = """const lock = require("./package-lock.json");
const Module = require("module");
const found = Module._resolveFilename;
Module._resolveFilename = (name, ...rest) => {
  const entry = lock.packages["node_modules/" + name];
  return found(entry ? require("path").resolve("vendored", name + "-" + entry.version + ".js") : name, ...rest);
};
require("assert").equal(require("./shop").price(2), "2.00");
"""


def test_a_package_of_node_goes_back_alone(line, sandboxes) -> None:
    line.commit({
        "shop.js": 'exports.price = (n) => require("money").show(n) + require("blank");\n', "test.js": LOADER,
        "vendored/money-1.0.0.js": "exports.show = (n) => n.toFixed(2);\n",
        "vendored/money-2.0.0.js": "exports.render = (n) => n.toFixed(2);\n",
        "vendored/blank-1.0.0.js": 'module.exports = "";\n', "vendored/blank-2.0.0.js": 'module.exports = "" + "";\n',
        "package-lock.json": lock(blank="1.0.0", money="1.0.0"),
    })  # fmt: skip
    bump = line.commit({"package-lock.json": lock(blank="2.0.0", money="2.0.0")})
    line.commit({"notes.txt": "later\n"})
    reproducer = SandboxReproducer(sandboxes, timeout_s=60)
    told = Diagnosis(sample="    at show (/srv/app/node_modules/money/index.js:1:1)")
    case = Case(id="c", repo=line.repo.path, base=line.head, check="node test.js")
    made = reproducer.reproduce(case, lambda _: None)
    case = Case(id="c", repo=line.repo.path, base=line.head, check="node test.js", reproduction=made, diagnosis=told)
    budget = Budget(deadline=time.monotonic() + 120)
    (patch,) = DependencyFixer().draft(case, reproducer.bench(case), budget, lambda _: None)
    assert patch.parents == (bump,) and line.after(patch, "package-lock.json") == lock(blank="2.0.0", money="1.0.0")
    verdict = GateTester(sandboxes, timeout_s=60).judge(case, patch, lambda _: None)
    assert verdict.judgement is Judgement.ACCEPTED, verdict.reason
