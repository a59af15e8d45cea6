"""A unittest check is searched as the pytest run of the same tests."""

import pytest

from nightshift.daemon.kit.checks import named_files
from nightshift.fixers.templates.unittest_call import as_pytest

TREE = {"tests/test_a.py", "tests/__init__.py", "pkg/b.py", "test_c.py", "check.py", "main.py"}


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("python -m unittest", ["-o", "python_files=test*.py", "."]),
        ("python3 -m unittest -v -b", ["-o", "python_files=test*.py", "."]),
        ("python -m unittest discover -s tests -p 't*.py'", None),
        ("python -m unittest discover -s tests -t .", ["-o", "python_files=test*.py", "tests"]),
        ("python -m unittest discover tests", ["-o", "python_files=test*.py", "tests"]),
        ("python -m unittest tests.test_a", ["tests/test_a.py"]),
        ("python -m unittest tests.test_a.Case.test_x test_c", ["tests/test_a.py::Case::test_x", "test_c.py"]),
        ("python -m unittest tests/test_a.py", ["tests/test_a.py"]),
    ],
)
def test_the_same_tests_are_meant(command, args):
    call = as_pytest(command, TREE)
    if args is None:
        args = ["-o", "python_files=t*.py", "tests"]
    assert list(call.args[4:]) == args
    assert call.module


@pytest.mark.parametrize(
    "command",
    [
        "python -m pytest", "python main.py", "python -m unittest nowhere.test_x", "cd x && python -m unittest",
        "python -m unittest -k x", "python -m unittest discover --odd", "unittest", "'",
    ],
)  # fmt: skip
def test_anything_else_is_left_alone(command):
    assert as_pytest(command, TREE) is None


def test_the_environment_goes_along():
    assert as_pytest("A=1 python -m unittest", TREE).env == (("A", "1"),)


def test_a_script_that_checks_is_the_check_and_a_program_is_not():
    assert named_files("python ./check.py", TREE) == {"check.py"}
    assert named_files("python main.py", TREE) == frozenset()
    assert named_files("pytest tests/test_a.py::test_x", TREE) == {"tests/test_a.py"}


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("python -m doctest pkg/b.py", ("--doctest-modules", "pkg/b.py")),
        ("python -m doctest -v ./main.py", ("--doctest-modules", "main.py")),
        ("python -m doctest README.rst", ("--doctest-modules", "--doctest-glob=README.rst", "README.rst")),
    ],
)
def test_doctests_are_searched_as_pytest_runs_them(command, args):
    assert as_pytest(command, {*TREE, "README.rst"}).args == args


@pytest.mark.parametrize(
    "command", ["python -m doctest", "python -m doctest gone.py", "python -m doctest -o ELLIPSIS main.py"]
)
def test_other_doctest_runs_are_not(command):
    assert as_pytest(command, TREE) is None
