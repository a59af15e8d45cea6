"""A fix of the past heals another place of the same repository, in a real sandbox."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Diagnosis, Patch, Reproduction
from nightshift.daemon.ports import Budget
from nightshift.fixers.donors.fixer import DonorFixer
from nightshift.sandboxes.all_sandboxes import Settings, engine
from nightshift.sandboxes.reproduce import SandboxReproducer

pytestmark = pytest.mark.engine
AT_S = 1_700_000_000
CHECK = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest -q"
FIRST = """def tidy(name):
    return " ".join(name.split()).title()


def greeting(person):
    return "Dear " + {}


def label(parcel):
    return {} + ", " + parcel.town
"""
TESTS = """from types import SimpleNamespace as N

from mod import greeting, label


def test_greeting():
    assert greeting(N(name=" ann  lee")) == "Dear Ann Lee"


def test_label():
    assert label(N(name=" bo  li ", town="Bern")) == "Bo Li, Bern"
"""


def drafted(tmp_path: Path, *texts: str) -> tuple[list[Patch], list[str]]:
    repo = BareRepo.ensure(str(tmp_path / "r.git"))
    tip = repo.commit(repo.out("mktree").decode().strip(), [], "empty", at_s=AT_S)
    for number, text in enumerate(texts):
        files = {"mod.py": text.encode(), "test_mod.py": TESTS.encode()}
        tip = repo.commit(repo.with_files(tip, files), [tip], f"c{number}", at_s=AT_S + number)
    made = Reproduction(kind="check", command=CHECK, failing=("test_mod.py::test_label",))
    case = Case(id="c", repo=repo.path, base=tip, reproduction=made, diagnosis=Diagnosis())
    sandboxes = engine(Settings(engine="docker"))
    notes: list[str] = []
    try:
        bench = SandboxReproducer(sandboxes).bench(case)
        budget = Budget(deadline=time.monotonic() + 60, patches=2)
        return list(DonorFixer().draft(case, bench, budget, notes.append)), notes
    finally:
        sandboxes.close()


def test_a_past_fix_is_made_again(tmp_path: Path) -> None:
    bad = FIRST.format("person.name", "parcel.name")
    patches, notes = drafted(tmp_path, bad, FIRST.format("tidy(person.name)", "parcel.name"))
    assert patches, notes
    assert patches[0].fixer == "donors"
    assert '+    return tidy(parcel.name) + ", " + parcel.town' in patches[0].diff
    assert "as in " in patches[0].rationale


def test_without_a_history_nothing_is_tried(tmp_path: Path) -> None:
    patches, notes = drafted(tmp_path, FIRST.format("tidy(person.name)", "parcel.name"))
    assert patches == []
    assert notes == ["donors: 0 edit patterns in the history"]
