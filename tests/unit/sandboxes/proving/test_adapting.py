"""Checks that can't start where nothing is installed are started in another way, or left alone."""

from __future__ import annotations

import pytest

from nightshift.daemon.kit.checks import parse_pytest
from nightshift.sandboxes.adapting import adapted
from nightshift.sandboxes.harness import Failure, TestRun

CHECK = "python -m pytest -q"
REFUSED = "usage: x\npython -m pytest: error: unrecognized arguments: --cov=shop --no-cov-on-fail\n  inifile: x\n"
OPTIONS = "--doctest-modules --cov=shop --no-cov-on-fail -p no:legacypath"


def run(tail: str = "", missing: str = "") -> TestRun:
    failures = {"t": Failure(exception="ModuleNotFoundError", missing=missing)} if missing else {}
    return TestRun(pytest=True, ended="exited", code=4, tail=tail, failures=failures)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pytest.ini", f"[pytest]\naddopts =\n    {OPTIONS}\n"),
        (".pytest.ini", f"[pytest]\naddopts = {OPTIONS}\n"),
        ("setup.cfg", f"[metadata]\nname = shop\n[tool:pytest]\naddopts = {OPTIONS}\n"),
        ("tox.ini", f"[tox]\nenvlist = py\n[pytest]\naddopts = {OPTIONS}\n"),
        ("pyproject.toml", f'[tool.pytest.ini_options]\naddopts = "{OPTIONS}"\n'),
        ("pyproject.toml", f"[tool.pytest.ini_options]\naddopts = {OPTIONS.split()}\n"),
    ],
)
def test_options_of_plugins_that_are_not_there_are_left_out(path: str, text: str) -> None:
    found = adapted(CHECK, run(REFUSED), {path}, {path: text.encode()}.get)
    assert parse_pytest(found).args == ("-q", "-o", "addopts=--doctest-modules -p no:legacypath")


def test_a_value_after_a_refused_option_goes_with_it() -> None:
    text = b"[pytest]\naddopts = --cov shop -q --dist loadfile\n"
    refused = "error: unrecognized arguments: --cov --dist\n"
    found = adapted(CHECK, run(refused), {"pytest.ini"}, {"pytest.ini": text}.get)
    assert parse_pytest(found).args[-1] == "addopts=-q"


@pytest.mark.parametrize(
    ("command", "files"),
    [
        (CHECK, {}),
        (CHECK, {"pytest.ini": b"[pytest\naddopts = --cov=shop"}),
        (CHECK, {"pyproject.toml": b"[tool"}),
        (CHECK, {"pytest.ini": b"[pytest]\naddopts = -q\n"}),
        (f"{CHECK} --cov=shop", {"pytest.ini": b"[pytest]\naddopts = --cov=shop\n"}),
        (f"{CHECK} -o addopts=", {"pytest.ini": b"[pytest]\naddopts = --cov=shop\n"}),
    ],
)
def test_what_the_configuration_did_not_bring_stays_refused(command: str, files: dict[str, bytes]) -> None:
    assert adapted(command, run(REFUSED), set(files), files.get) == ""


def test_a_src_layout_that_is_not_installed() -> None:
    tree = {"src/shop/__init__.py", "lib/one.py", "tests/test_shop.py"}
    assert adapted(CHECK, run(missing="shop.cart"), tree, {}.get) == f"PYTHONPATH=src {CHECK}"
    assert adapted(CHECK, run(missing="one"), tree, {}.get) == f"PYTHONPATH=lib {CHECK}"
    assert adapted("pytest", run("E  No module named 'shop'"), tree, {}.get) == "PYTHONPATH=src pytest"
    assert adapted("make test", run(missing="shop"), tree, {}.get) == "export PYTHONPATH=src; make test"
    lean = f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {CHECK}"  # still one call of pytest, so single tests are seen
    assert adapted(lean, run(missing="shop"), tree, {}.get) == f"PYTHONPATH=src {lean}"
    unittest = "python -m unittest"
    assert adapted(unittest, run(missing="shop"), tree, {}.get) == f"PYTHONPATH=src {unittest}"
    two = "python a.py && python b.py"
    assert adapted(two, run(missing="shop"), tree, {}.get) == f"export PYTHONPATH=src; {two}"


def test_other_missing_modules_are_not_looked_for_in_src() -> None:
    tree = {"src/shop/__init__.py"}
    assert adapted(CHECK, run(missing="requests"), tree, {}.get) == ""
    assert adapted(f"PYTHONPATH=src {CHECK}", run(missing="shop"), tree, {}.get) == ""
    assert adapted(CHECK, run(), tree, {}.get) == ""
