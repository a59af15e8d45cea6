"""Reproduction on real repositories in real sandboxes."""

from __future__ import annotations

import pytest

from nightshift.daemon.model import Diagnosis, Frame
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes.reproduce import SandboxReproducer

pytestmark = pytest.mark.engine

CART = """\
def total(prices, names):
    result = 0
    for name in names:
        result += prices[name]
    return result
"""
RED_TEST = """\
from shop.cart import total

def test_knows():
    assert total({"a": 1}, ["a"]) == 1

def test_unknown_is_free():
    assert total({"a": 1}, ["a", "b"]) == 1
"""
GREEN_TEST = "from shop.cart import total\n\ndef test_knows():\n    assert total({'a': 1}, ['a']) == 1\n"
CRASH = Diagnosis(
    exception="KeyError",
    message="'b'",
    frames=(
        Frame(
            path="shop/cart.py", line=4, function="total", code="result += prices[name]",
            locals=(("prices", "{'a': 1}"), ("names", "['a', 'b']"), ("result", "1"), ("name", "'b'")),
        ),
    ),
)  # fmt: skip


def shop(test: str = RED_TEST, **more: str) -> dict[str, str]:
    return {"shop/__init__.py": "", "shop/cart.py": CART, "tests/test_cart.py": test, **more}


@pytest.fixture(scope="module")
def reproducer(sandboxes):
    return SandboxReproducer(sandboxes, timeout_s=60)


def quiet(line: str) -> None:
    """Progress nobody reads."""


def reproduce(reproducer, case):
    return reproducer.reproduce(case, quiet)


def test_a_failing_check_is_red_with_ids_and_baseline(reproducer, history) -> None:
    history.commit(shop())
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert made.kind == "check"
    assert made.failing == ("tests/test_cart.py::test_unknown_is_free",)
    assert made.baseline == {
        "tests/test_cart.py::test_knows": "passed",
        "tests/test_cart.py::test_unknown_is_free": "failed",
    }
    assert "KeyError" in made.evidence


def test_an_unrelated_failure_is_not_the_incident(reproducer, history) -> None:
    history.commit(shop(RED_TEST + "\ndef test_other():\n    assert 1 == 2\n"))
    made = reproduce(reproducer, history.case("python -m pytest -q", CRASH))
    assert made.failing == ("tests/test_cart.py::test_unknown_is_free",)
    assert made.baseline["tests/test_cart.py::test_other"] == "failed"


def test_a_plain_check_is_judged_by_its_exit_code(reproducer, history) -> None:
    history.commit({"run.sh": "exit 3\n"})
    made = reproduce(reproducer, history.case("sh run.sh"))
    assert (made.kind, made.failing) == ("check", ())


def test_unittest_as_a_plain_check(reproducer, history) -> None:
    test = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(1, 2)\n"
    history.commit({"test_a.py": test})
    made = reproduce(reproducer, history.case("python -m unittest -q"))
    assert made.kind == "check"
    assert "1 != 2" in made.evidence


def test_a_check_that_passes_already(reproducer, history) -> None:
    history.commit(shop(GREEN_TEST))
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert (made.kind, made.reason) == ("none", "the check passes already")


def test_a_check_that_hangs(sandboxes, history) -> None:
    history.commit({"loop.sh": "sleep 600\n"})
    made = reproduce(SandboxReproducer(sandboxes, timeout_s=2), history.case("sh loop.sh"))
    assert made.kind == "none"
    assert "did not end" in made.reason


def test_a_test_that_hangs_is_red_and_the_others_still_run(sandboxes, history) -> None:
    history.commit({"test_a.py": "def test_loop():\n    while True: pass\n\ndef test_b(): pass\n"})
    made = SandboxReproducer(sandboxes, timeout_s=30).reproduce(
        history.case("python -m pytest -q --override-ini=addopts="), quiet
    )
    assert made.failing == ("test_a.py::test_loop",)
    assert made.baseline["test_a.py::test_b"] == "passed"


def test_no_tests_at_all(reproducer, history) -> None:
    history.commit({"app.py": "x = 1\n"})
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert (made.kind, made.reason) == ("none", "the check has no tests")


def test_no_check_and_no_traceback(reproducer, history) -> None:
    history.commit(shop())
    assert reproduce(reproducer, history.case()).reason == "there is no check and no traceback"


def test_a_syntax_error_in_the_code_is_a_legitimate_red(reproducer, history) -> None:
    history.commit(shop(**{"shop/cart.py": "def total(:\n"}))
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert (made.kind, made.failing) == ("check", ("tests/test_cart.py",))


def test_a_syntax_error_reached_through_conftest_is_red_too(reproducer, history) -> None:
    history.commit(shop(**{"shop/cart.py": "def total(:\n", "tests/conftest.py": "import shop.cart\n"}))
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert (made.kind, made.failing) == ("check", ("(collection)",))


def test_a_broken_conftest_is_not_the_codes_fault(reproducer, history) -> None:
    history.commit(shop(**{"tests/conftest.py": "def broken(:\n"}))
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert made.kind == "none"
    assert "conftest" in made.reason


def test_a_missing_dependency_is_the_environments_fault(reproducer, history) -> None:
    history.commit(shop(**{"shop/cart.py": "import tensorthing\n" + CART}))
    with pytest.raises(EnvironmentBroke, match="tensorthing"):
        reproduce(reproducer, history.case("python -m pytest -q"))


def test_a_misspelt_import_is_red(reproducer, history) -> None:
    history.commit(shop(**{"shop/cart.py": "import jsn\n" + CART}))
    assert reproduce(reproducer, history.case("python -m pytest -q")).kind == "check"


def test_options_of_a_plugin_that_is_not_there(reproducer, history) -> None:
    history.commit(shop(**{"pytest.ini": "[pytest]\naddopts = --cov=shop\n"}))
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    dropped = made.command.endswith("-o addopts=")  # measuring is no part of the check
    assert (made.kind, dropped) == ("check", True), made
    with pytest.raises(EnvironmentBroke, match="--cov"):
        reproduce(reproducer, history.case("python -m pytest -q --cov=shop"))


def test_exit_first_in_the_repositorys_options_hides_nothing(reproducer, history) -> None:
    text = "def test_a():\n    assert 0\n\ndef test_b():\n    assert 0\n\ndef test_c(): pass\n"
    history.commit({"test_a.py": text, "pytest.ini": "[pytest]\naddopts = -x --lf\n"})
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert len(made.failing) == 2
    assert len(made.baseline) == 3


def test_a_command_that_does_not_exist(reproducer, history) -> None:
    history.commit({"a.txt": ""})
    with pytest.raises(EnvironmentBroke, match="can't be started"):
        reproduce(reproducer, history.case("no-such-program --flag"))


def test_a_path_that_does_not_exist(reproducer, history) -> None:
    history.commit(shop())
    made = reproduce(reproducer, history.case("python -m pytest tests/test_gone.py"))
    assert "not in the repository" in made.reason


def test_odd_ids_survive(reproducer, history) -> None:
    odd = ["a b", "x::y", "[z]", "é", "\n", '"q"']
    text = f"import pytest\n\n@pytest.mark.parametrize('v', {odd!r})\ndef test_p(v):\n    assert v is None\n"
    history.commit({"test_a.py": text})
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert len(made.failing) == 6
    bench = reproducer.bench(with_made(history.case("python -m pytest -q"), made))
    assert bench.red(history.head) is True


def with_made(case, made):
    from dataclasses import replace

    return replace(case, reproduction=made)


def test_binary_and_undecodable_files_travel(reproducer, history) -> None:
    files = {"data.bin": bytes(range(256)), "latin.py": "# é\n".encode("latin-1"), "test_a.py": _READS_BINARY}
    history.commit(files)
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert made.failing == ("test_a.py::test_red",)


_READS_BINARY = """\
from pathlib import Path

def test_red():
    assert Path("data.bin").read_bytes() == b""

def test_all_there():
    assert Path("data.bin").read_bytes() == bytes(range(256))
"""


def test_an_existing_test_in_the_same_frames(reproducer, history) -> None:
    history.commit(shop(RED_TEST + "\ndef test_other():\n    assert 1 == 2\n"))
    made = reproduce(reproducer, history.case(diagnosis=CRASH))
    assert made.kind == "existing"
    assert made.failing == ("tests/test_cart.py::test_unknown_is_free",)
    assert not made.files
    assert set(made.baseline) == {f"tests/test_cart.py::test_{n}" for n in ("knows", "unknown_is_free", "other")}


def test_a_test_synthesised_from_recorded_locals(reproducer, history) -> None:
    history.commit(shop(GREEN_TEST))
    case = history.case("python -m pytest -q", CRASH)
    made = reproduce(reproducer, case)
    assert made.kind == "synthesised"
    ((path, text),) = made.files.items()
    assert path.startswith("tests/test_nightshift_")
    assert "total(prices={'a': 1}, names=['a', 'b'])" in text
    assert made.failing == (f"{path}::test_recorded_call_does_not_raise",)
    assert made.baseline["tests/test_cart.py::test_knows"] == "passed"
    assert reproducer.bench(with_made(case, made)).red(history.head) is True


def test_synthesised_in_a_src_layout_without_tests(reproducer, history) -> None:
    from dataclasses import replace

    history.commit({"src/shop/__init__.py": "", "src/shop/cart.py": CART})
    frame = replace(CRASH.frames[0], path="src/shop/cart.py")
    made = reproduce(reproducer, history.case(diagnosis=replace(CRASH, frames=(frame,))))
    assert made.kind == "synthesised"
    assert "from shop.cart import total" in next(iter(made.files.values()))


def test_nothing_is_synthesised_for_a_deliberate_refusal(reproducer, history) -> None:
    from dataclasses import replace

    code = "def pay(amount):\n    if amount < 0:\n        raise ValueError('no')\n    return amount\n"
    history.commit({"pay.py": code})
    frame = Frame(path="pay.py", line=3, function="pay", locals=(("amount", "-1"),))
    made = reproduce(reproducer, history.case(diagnosis=replace(CRASH, exception="ValueError", frames=(frame,))))
    assert made.kind == "none"
    assert "on purpose" in made.reason


def test_a_tree_too_big_for_a_sandbox(reproducer, history) -> None:
    history.commit({"big.bin": b"\0" * (500 << 20)})
    with pytest.raises(EnvironmentBroke, match="work_mb"):
        reproduce(reproducer, history.case("true"))


def test_bench_tells_red_from_green_across_history(reproducer, history) -> None:
    good = history.commit(shop(RED_TEST, **{"shop/cart.py": CART.replace("prices[name]", "prices.get(name, 0)")}))
    bad = history.commit(shop())
    case = history.case("python -m pytest -q")
    bench = reproducer.bench(with_made(case, reproduce(reproducer, case)))
    assert bench.red(bad) is True
    assert bench.red(good) is False
    gone = history.commit({"README": "nothing here\n"})
    assert bench.red(gone) is None
    with bench.open(good) as box:
        assert b"prices.get" in box.get(["/sandbox/shop/cart.py"])["/sandbox/shop/cart.py"]


def test_a_large_suite_fits_into_the_answer(reproducer, history) -> None:
    text = "import pytest\n\n@pytest.mark.parametrize('n', range(6000))\ndef test_with_a_long_name_" + "x" * 200
    history.commit({"test_a.py": text + "(n):\n    assert n\n"})
    made = reproduce(reproducer, history.case("python -m pytest -q"))
    assert len(made.baseline) == 6000
    assert len(made.failing) == 1


def test_warnings_as_errors_do_not_hit_the_harness(reproducer, history) -> None:
    history.commit(
        shop(**{"pytest.ini": "[pytest]\nfilterwarnings = error\naddopts = --strict-markers -p no:cacheprovider\n"})
    )
    assert len(reproduce(reproducer, history.case("python -m pytest -q")).failing) == 1


def test_an_interpreter_that_does_not_exist(reproducer, history) -> None:
    history.commit(shop())
    with pytest.raises(EnvironmentBroke, match="interpreter"):
        reproduce(reproducer, history.case("python3.99 -m pytest -q"))


def test_bare_pytest_and_flags_before_it(reproducer, history) -> None:
    history.commit(shop(**{"tests/conftest.py": "", "pytest.ini": "[pytest]\npythonpath = .\n"}))
    for check in ("pytest -q tests", "LEVEL=1 python -W error -m pytest -k unknown tests/test_cart.py"):
        assert len(reproduce(reproducer, history.case(check)).failing) == 1


def test_a_check_that_is_red_for_another_reason_is_not_the_incident(reproducer, history) -> None:
    history.commit(shop(GREEN_TEST + "\ndef test_other():\n    assert 1 == 2\n"))
    made = reproduce(reproducer, history.case("python -m pytest -q", CRASH))
    assert made.kind == "synthesised"
    assert made.baseline["tests/test_cart.py::test_other"] == "failed"


def test_a_crash_that_a_server_caught_and_logged(reproducer, history) -> None:
    test = """\
import logging
from shop.cart import total

def handle():
    try:
        return 200, total({"a": 1}, ["b"])
    except Exception:
        logging.getLogger("shop").exception("500")
        return 500, None

def test_answers():
    assert handle()[0] == 200

def test_other():
    assert 1 == 2
"""
    history.commit(shop(test))
    made = reproduce(reproducer, history.case("python -m pytest -q", CRASH))
    assert (made.kind, made.failing) == ("existing", ("tests/test_cart.py::test_answers",))
