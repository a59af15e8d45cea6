"""The tester's gates on real patches, real repositories, real sandboxes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Diagnosis, Frame, Judgement, Patch
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester import GateTester, PatchPolicy

pytestmark = pytest.mark.engine

CHECK = "python -m pytest -q"
CART = """\
def total(prices, names):
    result = 0
    for name in names:
        result += prices[name]
    return result


def count(names):
    return len(names)
"""
FIXED = CART.replace("prices[name]", "prices.get(name, 0)")
TESTS = """\
from shop.cart import count, total

def test_knows():
    assert total({"a": 1}, ["a"]) == 1

def test_count():
    assert count(["a"]) == 1

def test_unknown_is_free():
    assert total({"a": 1}, ["a", "b"]) == 1
"""
SHOP = {"shop/__init__.py": "", "shop/cart.py": CART, "tests/test_cart.py": TESTS}


def quiet(line: str) -> None:
    """Progress nobody reads."""


@pytest.fixture(scope="module")
def reproducer(sandboxes):
    return SandboxReproducer(sandboxes, timeout_s=60)


@pytest.fixture(scope="module")
def tester(sandboxes):
    return GateTester(sandboxes, timeout_s=60)


@pytest.fixture
def red(reproducer, history):
    """The shop with its red test, reproduced."""

    def make(files: dict = SHOP, check: str = CHECK) -> Case:
        history.commit(files)
        case = history.case(check)
        made = reproducer.reproduce(case, quiet)
        assert made.kind == "check", made.reason
        return replace(case, reproduction=made)

    return make


def patch(history, files: dict, kind: str = "") -> Patch:
    return Patch(id="p", base=history.head, diff=history.diff(files), files=tuple(files), fixer="x", rationale="",
                 kind=kind)  # fmt: skip


def test_the_right_patch_is_accepted_gate_by_gate(tester, red, history) -> None:
    case = red()
    verdict = tester.judge(case, patch(history, {"shop/cart.py": FIXED}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    names = ["policy", "compiles", "constructs", "reproduction", "suite", "minimal", "critic", "confirmation"]
    assert [gate.gate for gate in verdict.gates] == names


@pytest.mark.parametrize("check", ["python -m pytest -q --doctest-modules", "python -m doctest shop/cart.py"])
def test_code_beside_red_examples_may_change_and_the_examples_may_not(tester, red, history, check: str) -> None:
    code = CART.replace("names):\n    result", 'names):\n    """\n    >>> total({}, ["a"])\n    0\n    """\n    result')
    case = red({"shop/__init__.py": "", "shop/cart.py": code, "tests/test_cart.py": TESTS}, check)
    fixed = code.replace("prices[name]", "prices.get(name, 0)")
    verdict = tester.judge(case, patch(history, {"shop/cart.py": fixed}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    forged = code.replace("    0\n", "    Traceback (most recent call last):\n    KeyError: 'a'\n")
    verdict = tester.judge(case, patch(history, {"shop/cart.py": forged}), quiet)
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "policy")


def test_a_patch_that_heals_nothing_is_rejected(tester, red, history) -> None:
    case = red()
    verdict = tester.judge(case, patch(history, {"shop/cart.py": CART + "\n# nothing\n"}), quiet)
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "reproduction")
    assert "test_unknown_is_free" in verdict.reason


def test_a_patch_that_breaks_another_test_is_rejected(tester, red, history) -> None:
    case = red()
    verdict = tester.judge(case, patch(history, {"shop/cart.py": FIXED.replace("len(names)", "0")}), quiet)
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "suite")
    assert "newly failing" in verdict.reason


def test_a_failure_older_than_the_patch_is_no_regression(tester, red, history) -> None:
    case = red({**SHOP, "tests/test_old.py": "def test_old():\n    assert 0\n"})
    made = replace(case.reproduction, failing=("tests/test_cart.py::test_unknown_is_free",))
    verdict = tester.judge(replace(case, reproduction=made), patch(history, {"shop/cart.py": FIXED}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict


def test_what_does_not_compile_is_rejected_before_anything_runs(tester, red, history) -> None:
    case = red()
    verdict = tester.judge(case, patch(history, {"shop/cart.py": FIXED + "def broken(:\n"}), quiet)
    assert verdict.failed == "compiles"


def test_needless_hunks_are_dropped(tester, red, history) -> None:
    case = red()
    bloated = FIXED.replace("return len(names)", "size = len(names)\n    return size")
    verdict = tester.judge(case, patch(history, {"shop/cart.py": bloated}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    tree = BareRepo(case.repo).apply(case.base, verdict.patch.diff)
    assert BareRepo(case.repo).read(tree, "shop/cart.py") == FIXED.encode()


def test_two_needed_hunks_are_both_kept(tester, red, history) -> None:
    case = red()
    both = "from collections import defaultdict\n\n" + CART.replace(
        "result += prices[name]", "result += defaultdict(int, prices)[name]"
    )
    verdict = tester.judge(case, patch(history, {"shop/cart.py": both}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    assert "red without each of its 2 hunks" in next(g.reason for g in verdict.gates if g.gate == "minimal")


def test_a_plain_check_is_repeated_and_confirmed(tester, red, history) -> None:
    case = red({"run.sh": "exit 3\n"}, check="sh run.sh")
    verdict = tester.judge(case, patch(history, {"run.sh": "exit 0\n"}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    assert tester.judge(case, patch(history, {"run.sh": "exit 4\n"}), quiet).failed == "reproduction"


def test_a_check_that_hangs_with_the_patch(sandboxes, red, history) -> None:
    case = red({"run.sh": "exit 3\n"}, check="sh run.sh")
    verdict = GateTester(sandboxes, timeout_s=2).judge(case, patch(history, {"run.sh": "sleep 60\n"}), quiet)
    assert verdict.judgement is Judgement.REJECTED
    assert "did not end" in verdict.reason


def test_a_healed_syntax_error(tester, red, history) -> None:
    case = red({**SHOP, "shop/cart.py": "def total(:\n"})
    verdict = tester.judge(case, patch(history, {"shop/cart.py": FIXED}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict


def test_no_reproduction_no_verdict(tester, history) -> None:
    history.commit(SHOP)
    verdict = tester.judge(history.case(CHECK), patch(history, {"shop/cart.py": FIXED}), quiet)
    assert verdict.judgement is Judgement.UNJUDGED


def test_a_repository_that_vanished_is_unjudged_not_rejected(tester, red, history, tmp_path) -> None:
    case = red()
    change = patch(history, {"shop/cart.py": FIXED})
    verdict = tester.judge(replace(case, image="no-such-image:1"), change, quiet)
    assert verdict.judgement is Judgement.UNJUDGED, verdict


def test_reverting_a_commit_takes_its_own_tests_along(tester, reproducer, history) -> None:
    history.commit({**SHOP, "shop/cart.py": FIXED})
    feature = {
        "shop/cart.py": CART,
        "tests/test_feature.py": "from shop.cart import count\n\ndef test_f():\n    pass\n",
    }
    history.commit({**SHOP, **feature})
    case = history.case(CHECK)
    case = replace(case, reproduction=reproducer.reproduce(case, quiet))
    change = {"shop/cart.py": FIXED, "tests/test_feature.py": None}
    assert tester.judge(case, patch(history, change), quiet).failed == "policy"
    verdict = tester.judge(case, patch(history, change, kind="revert"), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict


def test_a_revert_may_not_remove_tests_of_another_commit(tester, reproducer, history) -> None:
    history.commit({**SHOP, "shop/cart.py": FIXED})
    history.commit(SHOP)
    history.commit({**SHOP, "tests/test_later.py": "def test_l(): pass\n"})
    case = history.case(CHECK)
    case = replace(case, reproduction=reproducer.reproduce(case, quiet))
    change = patch(history, {"shop/cart.py": FIXED, "tests/test_later.py": None}, kind="revert")
    assert tester.judge(case, change, quiet).failed == "policy"


def test_a_tight_policy_is_obeyed(sandboxes, red, history) -> None:
    case = red()
    strict = GateTester(sandboxes, policy=PatchPolicy(allow=("docs/*",)))
    assert strict.judge(case, patch(history, {"shop/cart.py": FIXED}), quiet).failed == "policy"


def test_a_synthesised_reproduction_judges_patches(tester, reproducer, history) -> None:
    history.commit({"shop/__init__.py": "", "shop/cart.py": CART})
    values = (("prices", "{'a': 1}"), ("names", "['a', 'b']"), ("result", "1"), ("name", "'b'"))
    frame = Frame(path="shop/cart.py", line=4, function="total", locals=values)
    case = history.case(diagnosis=Diagnosis(exception="KeyError", message="'b'", frames=(frame,)))
    made = reproducer.reproduce(case, quiet)
    assert made.kind == "synthesised", made.reason
    case = replace(case, reproduction=made)
    verdict = tester.judge(case, patch(history, {"shop/cart.py": FIXED}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict
    assert "test_nightshift" not in verdict.patch.diff
    moved = CART.replace("result = 0", "result = {}['b']")
    assert tester.judge(case, patch(history, {"shop/cart.py": moved}), quiet).failed == "reproduction"


def test_a_new_function_with_its_own_failing_test(tester, red, history) -> None:
    case = red()
    own = {"shop/cart.py": FIXED, "tests/test_own.py": "def test_own():\n    assert 0\n"}
    assert "own tests fail" in tester.judge(case, patch(history, own), quiet).reason


def test_a_conftest_that_skips_strangers_is_no_forgery(tester, red, history) -> None:
    conftest = """\
import pytest

def pytest_runtest_setup(item):
    if not hasattr(item, "cls"):
        pytest.skip("not one of ours")

@pytest.fixture(autouse=True)
def noisy(request, tmp_path):
    yield
"""
    case = red({**SHOP, "conftest.py": conftest})
    verdict = tester.judge(case, patch(history, {"shop/cart.py": FIXED}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict


def test_fixtures_classes_and_capture_work_as_ever(tester, red, history) -> None:
    suite = """\
import sys, unittest
import pytest
from shop.cart import total

@pytest.fixture(scope="module")
def prices():
    yield {"a": 1}

class TestCart:
    def test_a(self, prices, capsys, monkeypatch):
        monkeypatch.setattr("builtins.input", lambda: "x")
        print("hello")
        assert capsys.readouterr().out == "hello\\n"
        assert total(prices, ["a", "zz"]) == 1

class Old(unittest.TestCase):
    def setUp(self):
        self.x = 1

    def test_x(self):
        for n in range(2):
            with self.subTest(n=n):
                self.assertEqual(total({"a": n}, ["a", "zz"]), n)

    @unittest.expectedFailure
    def test_y(self):
        self.assertEqual(self.x, 2)

    @unittest.skip("later")
    def test_z(self):
        pass

@pytest.mark.xfail
def test_known():
    assert 0

@pytest.mark.filterwarnings("error")
def test_quiet():
    pass
"""
    case = red({**SHOP, "tests/test_more.py": suite})
    statuses = {test.rpartition("::")[2]: status for test, status in case.reproduction.baseline.items()}
    assert (statuses["test_y"], statuses["test_z"], statuses["test_known"]) == ("skipped", "skipped", "skipped")
    verdict = tester.judge(case, patch(history, {"shop/cart.py": FIXED}), quiet)
    assert verdict.judgement is Judgement.ACCEPTED, verdict


def test_a_sandbox_killed_from_outside_is_tried_again(sandboxes, red, history) -> None:
    case = red({"run.sh": "exit 3\n"}, check="sh run.sh")
    killer = KillsTheFirst(sandboxes)
    verdict = GateTester(killer, timeout_s=30).judge(case, patch(history, {"run.sh": "sleep 0.2; exit 0\n"}), quiet)
    assert verdict.judgement in (Judgement.ACCEPTED, Judgement.UNJUDGED), verdict
    assert killer.killed


class KillsTheFirst:
    """The real engine, but the first sandbox is closed under its user's hands."""

    def __init__(self, real) -> None:
        self.real, self.name, self.killed = real, real.name, False

    def open(self, spec):
        box = self.real.open(spec)
        if not self.killed:
            self.killed = True
            put = box.put

            def put_and_die(tar, *, to="/sandbox"):
                put(tar, to=to)
                box.close()

            box.put = put_and_die
        return box

    def prewarm(self, spec, count) -> None:
        """Not wanted here."""
