"""Code may change around docstring examples that the check runs; the examples may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightshift.daemon.model import Judgement, TestStatus
from nightshift.sandboxes.tester import gate_policy
from nightshift.sandboxes.tester.examples import lost, written_in
from nightshift.sandboxes.tester.patch_policy import PatchPolicy
from nightshift.sandboxes.tester.trial import Trial

CODE = '''\
"""Sums.

>>> total([1])
1
"""


def total(values):
    """All of them.

    >>> total([1, 2])
    3
    """
    return sum(values) + 1


if True:

    def other(values):
        """Nothing."""
        return values
'''
FIXED = CODE.replace(" + 1", "")
TESTS = ("shop/sums.py::shop.sums", "shop/sums.py::shop.sums.total")


def test_tests_of_a_file_are_told_from_its_examples() -> None:
    code = CODE.encode()
    assert written_in("shop/sums.py", TESTS, code)
    assert written_in("shop/__init__.py", ["shop/__init__.py::shop.total"], code)
    assert written_in("sums.py", ["sums.py::sums"], code)
    assert not written_in("shop/sums.py", [*TESTS, "shop/sums.py::total"], code)  # somebody's own naming of tests
    assert not written_in("shop/sums.py", ["shop/sums.py::Sums::shop.sums"], code)
    assert not written_in("total.py", ["total.py::total"], code)  # a test function named as its module
    assert not written_in("shop/sums.txt", ["shop/sums.txt::sums.txt"], code)
    assert not written_in("shop/sums.py", [], code)


@pytest.mark.parametrize(
    ("new", "owner"),
    [
        (FIXED, ""),
        (FIXED.replace("    3\n", "    4\n"), "total"),
        (FIXED.replace("    >>> total([1, 2])\n    3\n", ""), "total"),
        (FIXED.replace(">>> total([1])\n1\n", ">>> total([1])  # doctest: +SKIP\n1\n"), "the module"),
        (FIXED + "\n\ndef total(values):\n    return 3\n", "total"),
        (FIXED + "\n\ntotal.__doc__ = None\n", "the module"),
        (FIXED + "\n\nsetattr(total, '__doc__', None)\n", "the module"),
        (FIXED + "\n\n__test__ = {}\n", "the module"),
        (FIXED.replace("Nothing", "Anything"), ""),
        (FIXED.replace("def total", "def totals"), "total"),
        ("(", "the module"),
    ],
)
def test_an_example_that_changes_or_hides_is_named(new: str, owner: str) -> None:
    assert lost(CODE.encode(), new.encode()) == owner


def test_an_expression_of_any_depth_is_no_obstacle() -> None:
    long = FIXED + "\n\nx = " + " + ".join(["1"] * 900) + "\n"
    assert lost(CODE.encode(), long.encode()) == ""


def judged(bare, text: str, command: str, tests: tuple[str, ...]):
    bare.commit({"shop/sums.py": CODE, "shop/data.py": "X = 1\n"})
    patch = bare.patch(bare.diff_to({"shop/sums.py": text, "shop/data.py": "X = 1\n"}))
    case = bare.case()
    red = replace(case.reproduction, command=command, failing=tests, baseline=dict.fromkeys(tests, TestStatus.FAILED))
    trial = Trial(replace(case, reproduction=red), patch, PatchPolicy(), None, print, None)
    return gate_policy.judge(trial)


@pytest.mark.parametrize(
    ("command", "tests"),
    [("python -m pytest --doctest-modules", TESTS), ("python -m doctest shop/sums.py", ())],
)
def test_the_policy_lets_the_code_change_and_not_the_examples(bare, command: str, tests: tuple[str, ...]) -> None:
    assert judged(bare, FIXED, command, tests).judgement is Judgement.ACCEPTED
    ruling = judged(bare, CODE.replace("    3\n", "    4\n"), command, tests)
    assert "docstring of total" in ruling.reason
