"""A new version on an index breaks a service; the whole way to the un-bump, in images made from each tree's own lock."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Judgement
from nightshift.daemon.ports import Budget
from nightshift.fixers.dependencies.fixer import DependencyFixer
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester.judge import GateTester

pytestmark = pytest.mark.slow
APP = "import leaf\nimport stem\n\nprint(leaf.shown(2))\n"


def requirements(index, **versions: str) -> str:
    return "".join(
        f"{name}=={version} \\\n    --hash=sha256:{index.digests[f'{name}-{version}-py3-none-any.whl']}\n"
        for name, version in versions.items()
    )


def test_the_guilty_package_of_a_lock_is_found_by_installing_and_goes_back(make, index, served, committed) -> None:
    url, _ = served
    index.add("leaf", "1.0", "def shown(n):\n    return str(n)\n")
    index.add("leaf", "2.0", "def show(n):\n    return str(n)\n")
    for version in ("1.0", "2.0"):
        index.add("stem", version)
        index.add("tool", version)
    first = committed({"app.py": APP, "requirements.txt": requirements(index, leaf="1.0", stem="1.0", tool="1.0")})
    repo, now = BareRepo(first.repo), requirements(index, leaf="2.0", stem="2.0", tool="2.0")
    bump = repo.commit(repo.with_files(first.base, {"requirements.txt": now.encode()}), [first.base], "Newer", at_s=3)
    later = repo.commit(repo.with_files(bump, {"notes": b"x\n"}), [bump], "Notes", at_s=4)
    engine = make(index=(url,))
    reproducer = SandboxReproducer(engine, timeout_s=60)
    case = Case(id="c", repo=repo.path, base=later, check="python app.py", image="project")
    case = replace(case, reproduction=reproducer.reproduce(case, lambda _: None))
    assert "has no attribute 'shown'" in case.reproduction.evidence
    budget = Budget(deadline=time.monotonic() + 300)
    [patch] = DependencyFixer().draft(case, reproducer.bench(case), budget, lambda _: None)
    made = repo.read(repo.apply(later, patch.diff), "requirements.txt").decode()
    assert made == requirements(index, leaf="1.0", stem="2.0", tool="2.0")
    assert patch.parents == (bump,) and patch.kind == "dependency"
    verdict = GateTester(engine, timeout_s=60).judge(case, patch, lambda _: None)
    assert verdict.judgement is Judgement.ACCEPTED, verdict.reason
