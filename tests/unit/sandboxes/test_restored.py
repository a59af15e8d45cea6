"""Which changes of dependency files count as going back, on a real history: everything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.sandboxes.tester.changes import changes
from nightshift.sandboxes.tester.restored import is_dependency_file, restored_from

PYPROJECT = (
    '[project]\nname = "shop"\ndependencies = [\n    "money=={}",\n]\n\n[tool.pytest.ini_options]\naddopts = "{}"\n'
)
PACKAGE = '{{\n  "scripts": {{\n    "test": "{}"\n  }},\n  "dependencies": {{\n    "money": "{}"\n  }}\n}}\n'


@pytest.fixture
def repo(tmp_path: Path) -> BareRepo:
    return BareRepo.ensure(tmp_path / "r.git")


def history(repo: BareRepo, *states: dict[str, str]) -> list[str]:
    made = [repo.commit(repo.out("mktree").decode().strip(), [], "empty", at_s=1)]
    for number, files in enumerate(states):
        tree = repo.with_files(made[-1], {path: text.encode() for path, text in files.items()})
        made.append(repo.commit(tree, [made[-1]], f"c{number}", at_s=2 + number))
    return made


def verdict(repo: BareRepo, base: str, files: dict[str, str]) -> str:
    tree = repo.with_files(base, {path: text.encode() for path, text in files.items()})
    return restored_from(repo, base, changes(repo, base, tree))


def test_a_pin_goes_back_and_nothing_beside_it(repo: BareRepo) -> None:
    old, new = PYPROJECT.format("1", "-q"), PYPROJECT.format("2", "-q -k nothing")
    made = history(repo, {"pyproject.toml": PYPROJECT.format("1", "-q -k nothing")}, {"pyproject.toml": old},
                   {"pyproject.toml": PYPROJECT.format("2", "-q")}, {"pyproject.toml": new})  # fmt: skip
    assert verdict(repo, made[-1], {"pyproject.toml": PYPROJECT.format("1", "-q -k nothing")}) in made
    assert verdict(repo, made[-1], {"pyproject.toml": old}) == ""
    assert verdict(repo, made[-1], {"pyproject.toml": PYPROJECT.format("0", "-q -k nothing")}) == ""


def test_scripts_do_not_go_back_with_packages(repo: BareRepo) -> None:
    made = history(
        repo, {"package.json": PACKAGE.format("true", "1")}, {"package.json": PACKAGE.format("node t.js", "2")}
    )
    assert verdict(repo, made[-1], {"package.json": PACKAGE.format("node t.js", "1")}) == made[2]
    assert verdict(repo, made[-1], {"package.json": PACKAGE.format("true", "1")}) == ""
    assert verdict(repo, made[-1], {"package.json": PACKAGE.format("true", "2")}) == ""


def test_lines_of_two_different_pasts_are_not_mixed(repo: BareRepo) -> None:
    states = [{"requirements.txt": f"a=={a}\nb=={b}\n"} for a, b in ((1, 1), (2, 1), (2, 2), (3, 3))]
    made = history(repo, *states)
    assert verdict(repo, made[-1], {"requirements.txt": "a==2\nb==3\n"}) in made
    assert verdict(repo, made[-1], {"requirements.txt": "a==1\nb==2\n"}) == ""


def test_a_past_that_only_a_side_branch_had_is_none(repo: BareRepo) -> None:
    made = history(repo, {"requirements.txt": "a==1\n"}, {"requirements.txt": "a==2\n"})

    def tree(text: str) -> str:
        return repo.with_files(made[-1], {"requirements.txt": text.encode()})

    evil = repo.commit(tree("a==666\n"), [made[-1]], "side", at_s=20)
    side = repo.commit(tree("a==3\n"), [evil], "side, put right", at_s=21)
    merge = repo.commit(tree("a==3\n"), [made[-1], side], "merge", at_s=22)
    assert verdict(repo, merge, {"requirements.txt": "a==666\n"}) == ""
    assert verdict(repo, merge, {"requirements.txt": "a==2\n"}) == merge
    assert verdict(repo, merge, {"requirements.txt": "a==1\n"}) == made[2]


def test_a_pin_that_nobody_changed_stays(repo: BareRepo) -> None:
    made = history(repo, *({"requirements.txt": f"a=={a}\nb==1\n"} for a in (1, 2)))
    assert verdict(repo, made[-1], {"requirements.txt": "a==1\n"}) == ""
    assert verdict(repo, made[-1], {"requirements.txt": "b==1\na==1\n"}) == made[2]


@pytest.mark.parametrize("files", [
    {"requirements.txt": "a==1\n", "app.py": "x = 1\n"}, {"app.py": "x = 1\n"}, {"setup.py": "a==1\n"},
    {"requirements.txt": "a==1\n", "extra-requirements.txt": "a==1\n"}, {},
])  # fmt: skip
def test_only_dependency_files_that_are_there_already(repo: BareRepo, files: dict[str, str]) -> None:
    made = history(repo, {"requirements.txt": "a==1\n", "app.py": "x = 1\n", "setup.py": "a==1\n"},
                   {"requirements.txt": "a==2\n", "app.py": "x = 2\n", "setup.py": "a==2\n"})  # fmt: skip
    assert verdict(repo, made[-1], files) == ""


def test_which_files_say_what_is_installed() -> None:
    named = (
        "requirements.txt",
        "a/requirements-dev.txt",
        "requirements/base.txt",
        "uv.lock",
        "Pipfile",
        "web/package.json",
    )
    assert all(map(is_dependency_file, named))
    others = ("setup.py", "setup.cfg", ".npmrc", "pip.conf", "requirements.in", "Makefile", "xpyproject.toml/a")
    assert not any(map(is_dependency_file, others))
