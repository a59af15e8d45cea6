"""Which shell lines are one pytest call; anything doubtful is not."""

from __future__ import annotations

import pytest

from nightshift.daemon.kit.checks import parse_pytest


@pytest.mark.parametrize(
    ("command", "interpreter", "args", "env"),
    [
        ("pytest", ("python",), (), ()),
        ("/opt/v/bin/pytest -q tests", ("python",), ("-q", "tests"), ()),
        ("python -m pytest -q", ("python",), ("-q",), ()),
        ("A=1 B='x y' python3.11 -W error -X dev -I -m pytest t",
         ("python3.11", "-W", "error", "-X", "dev", "-I"), ("t",), (("A", "1"), ("B", "x y"))),
        ("pytest -k 'a and (b or c)'", ("python",), ("-k", "a and (b or c)"), ()),
        ('pytest -m "not slow"', ("python",), ("-m", "not slow"), ()),
        ("pytest tests/test_a.py::test_b[1-x]", ("python",), ("tests/test_a.py::test_b[1-x]",), ()),
        ("pytest tests/test_a.py::T::test_b", ("python",), ("tests/test_a.py::T::test_b",), ()),
        ("pytest 'tests/test_a.py::test_b[a b$c]'", ("python",), ("tests/test_a.py::test_b[a b$c]",), ()),
    ],
)  # fmt: skip
def test_understood(command, interpreter, args, env) -> None:
    call = parse_pytest(command)
    assert call and (call.interpreter, call.args, call.env) == (interpreter, args, env)


@pytest.mark.parametrize(
    "command",
    [
        "", " ", "make test", "pytest && rm x", "pytest; rm x", "pytest | tee x", "cd a && pytest", "pytest $DIR",
        'pytest "$DIR"', 'pytest "`id`"', "pytest tests/*.py", "pytest > x", "pytest &", "python x.py -m pytest",
        "python -c 'x' -m pytest", "python - -m pytest", "python -m unittest", "poetry run pytest", "pytest 'unclosed",
        "pytest\nrm x", "pytest tests/a.py::test_b;id", "pytest tests/a.py::test_$(id)", "pytest a::b[$(id)]",
        "pytest ~/x", "pytest # no", "mypytest", "pytest a::b[x];id",
    ],
)  # fmt: skip
def test_not_one_pytest_call(command: str) -> None:
    assert parse_pytest(command) is None
