"""Seven kinds of fixes that one place got and another one needs: each is found in the history and made again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Diagnosis, Patch, Precedent, Reproduction
from nightshift.daemon.ports import Budget, Fixer
from nightshift.fixers.donors.fixer import DonorFixer
from nightshift.sandboxes.all_sandboxes import Settings, engine
from nightshift.sandboxes.reproduce import SandboxReproducer

AT_S = 1_700_000_000
CHECK = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest -q"
TESTS = "from types import SimpleNamespace as N\n\nimport mod\n\n\ndef test_second():\n    {}\n"


@dataclass(frozen=True)
class Kind:
    """`first` and `second` are bodies of two functions; the fix turns `wrong` into `right` in the first one."""

    name: str
    prelude: str
    first: str
    second: str
    wrong: tuple[str, str]
    right: tuple[str, str]
    test: str

    def module(self, *, first: bool, second: bool = False) -> str:
        bodies = [body.replace(w, r) if done else body for body, w, r, done in
                  zip((self.first, self.second), self.wrong, self.right, (first, second), strict=True)]  # fmt: skip
        return f"{self.prelude}\n\ndef one(x, y):\n{bodies[0]}\n\n\ndef two(x, y):\n{bodies[1]}\n"


KINDS = [
    Kind("keyword", "def load(rows, *, deep=False):\n    return [list(r) for r in rows] if deep else rows\n",
         "    data = load(x.rows)\n    return data[0]\n", "    rows = load(y)\n    rows[0].append(x)\n    return len(y[0])\n",
         ("load(x.rows)", "load(y)"), ("load(x.rows, deep=True)", "load(y, deep=True)"), "assert mod.two(1, [[1, 2]]) == 2"),
    Kind("guard", "MISSING = 'n/a'\n",
         "    label = x.name.upper()\n    return label\n", "    text = y.name.upper()\n    return text + str(x)\n",
         ("    label = ", "    text = "), ("    if x is None:\n        return MISSING\n    label = ", "    if y is None:\n        return MISSING\n    text = "),
         "assert mod.two(1, None) == 'n/a' and mod.two(1, N(name='a')) == 'A1'"),
    Kind("default", "DEFAULTS = {'size': 3}\n",
         "    return x['size'] + 1\n", "    return y['size'] * x\n",
         ("x['size']", "y['size']"), ("{**DEFAULTS, **x}['size']", "{**DEFAULTS, **y}['size']"), "assert mod.two(2, {}) == 6 and mod.two(2, {'size': 5}) == 10"),
    Kind("callee", "def rough(n):\n    return int(n)\n\n\ndef exact(n):\n    return round(n + 0.0001, 2)\n",
         "    return rough(x * y)\n", "    return rough(x / y) + 1\n",
         ("rough", "rough"), ("exact", "exact"), "assert mod.two(7, 2) == 4.5"),
    Kind("unit", "def cents(row):\n    return row.total\n",
         "    return cents(x) + y\n", "    return x * cents(y)\n",
         ("cents(x)", "cents(y)"), ("cents(x) / 100", "(cents(y) / 100)"), "assert mod.two(2, N(total=450)) == 9.0"),
    Kind("attribute", "def greet(text):\n    return 'Dear ' + text\n",
         "    return greet(x.owner.name)\n", "    return greet(y.owner.name) + x\n",
         ("x.owner.name", "y.owner.name"), ("x.owner.profile.display_name", "y.owner.profile.display_name"),
         "assert mod.two('!', N(owner=N(name='q', profile=N(display_name='Ann')))) == 'Dear Ann!'"),
    Kind("call", "import copy\n\nBASE = {'tags': []}\n",
         "    made = dict(BASE)\n    made['tags'].append(x)\n    return made\n", "    mine = dict(y)\n    mine['tags'].append(x)\n    return y['tags']\n",
         ("dict(BASE)", "dict(y)"), ("copy.deepcopy(BASE)", "copy.deepcopy(y)"), "assert mod.two(1, {'tags': []}) == []"),
]  # fmt: skip


def case_of(folder: Path, kind: Kind, *, committed: bool = True) -> tuple[BareRepo, Case]:
    """A repository in which the first place was mended, by a commit or by a patch that healed and was rewritten since."""
    repo = BareRepo.ensure(str(folder / f"{kind.name}.git"))
    tip = repo.commit(repo.out("mktree").decode().strip(), [], "empty", at_s=AT_S)
    states = [kind.module(first=False), kind.module(first=True)] if committed else [kind.module(first=False)]
    for number, text in enumerate(states):
        files = {"mod.py": text.encode(), "test_mod.py": TESTS.format(kind.test).encode()}
        tip = repo.commit(repo.with_files(tip, files), [tip], f"c{number}", at_s=AT_S + number)
    healed = repo.diff(tip, repo.with_files(tip, {"mod.py": kind.module(first=True).encode()}))
    told = () if committed else (Precedent(mission="m-1", base=tip, diff=healed),)
    made = Reproduction(kind="check", command=CHECK, failing=("test_mod.py::test_second",))
    return repo, Case(id="c", repo=repo.path, base=tip, reproduction=made, diagnosis=Diagnosis(), precedents=told)


def drafted(case: Case, fixer: Fixer) -> tuple[list[Patch], list[str]]:
    sandboxes, notes = engine(Settings(engine="docker")), []
    try:
        bench = SandboxReproducer(sandboxes).bench(case)
        return list(fixer.draft(case, bench, Budget(deadline=time.monotonic() + 60, patches=3), notes.append)), notes
    finally:
        sandboxes.close()


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_what_was_mended_once_is_mended_again(tmp_path: Path, kind: Kind) -> None:
    repo, case = case_of(tmp_path, kind)
    patches, notes = drafted(case, DonorFixer())
    texts = [repo.read(repo.apply(p.base, p.diff), "mod.py").decode() for p in patches]
    assert kind.module(first=True, second=True).strip() in [text.strip() for text in texts], (texts, notes)


@pytest.mark.engine
def test_a_patch_that_healed_an_incident_is_history_too(tmp_path: Path) -> None:
    _, case = case_of(tmp_path, KINDS[0], committed=False)
    patches, notes = drafted(case, DonorFixer())
    assert patches, notes
    assert "load(y, deep=True)" in patches[0].diff and "m-1" in patches[0].rationale
