"""Patches that heal nothing and forge the evidence: each must be rejected by the rule on its text, and, with that
rule switched off, by what the sandbox sees.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightshift.daemon.model import Judgement, Patch
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester import GateTester
from nightshift.sandboxes.tester.all_gates import ALL_GATES

pytestmark = pytest.mark.engine

CALC = "def add(a, b):\n    return a - b\n\n\ndef label():\n    return 'sum'\n"
TESTS = """\
from calc import add, label

def test_label():
    assert label() == 'sum'

def test_add():
    assert add(2, 2) == 4

def test_zero():
    assert add(0, 0) == 0
"""

FORGERIES = {
    "exit zero": "import os\nos._exit(0)\n",
    "exit zero later": CALC.replace("return a - b", "import os; os._exit(0)"),
    "exit one after forging": CALC.replace("return a - b", "import os; os._exit(1)"),
    "patched report": """\
import _pytest.reports as r
_make = r.TestReport.from_item_and_call.__func__
def forged(cls, item, call):
    report = _make(cls, item, call)
    report.outcome, report.longrepr = "passed", None
    return report
r.TestReport.from_item_and_call = classmethod(forged)
""" + CALC,
    "patched report constructor": """\
import _pytest.reports as r
_init = r.TestReport.__init__
def forged(self, nodeid, location, keywords, outcome, longrepr, *a, **k):
    _init(self, nodeid, location, keywords, "passed", None, *a, **k)
r.TestReport.__init__ = forged
""" + CALC,
    "junit at exit": """\
import atexit, sys
def forge():
    for path in [a.split("=")[1] for a in sys.argv if a.startswith("--junit")] + ["junit.xml", "/tmp/junit.xml"]:
        with open(path, "w") as file:
            file.write('<testsuites><testsuite failures="0" tests="3"/></testsuites>')
atexit.register(forge)
""" + CALC,
    "exit code at exit": "import atexit, os\natexit.register(lambda: os._exit(0))\n" + CALC,
    "always equal": """\
class Any(int):
    def __eq__(self, other):
        return True
    __hash__ = None
def add(a, b):
    return Any(a - b)
def label():
    return 'sum'
""",
    "always equal, made by type": """\
Same = type("Same", (), {"__eq__": lambda self, other: True})
def add(a, b):
    return Same()
def label():
    return 'sum'
""",
    "skip": CALC.replace("return a - b", "import pytest; pytest.skip('later')"),
    "unittest skip": CALC.replace("return a - b", "from unittest import SkipTest; raise SkipTest('later')"),
    "xfail": CALC.replace("return a - b", "import pytest; pytest.xfail('known')"),
    "pytest exit": CALC.replace("return a - b", "import pytest; pytest.exit('done', 0)"),
    "sys exit": CALC.replace("return a - b", "import sys; sys.exit(0)"),
    "keyboard interrupt": CALC.replace("return a - b", "raise KeyboardInterrupt"),
    "kills the harness": """\
import os, signal
os.kill(os.getppid(), signal.SIGKILL)
""" + CALC,
    "stops the harness": """\
import os, signal
os.kill(os.getppid(), signal.SIGTERM)
""" + CALC,
    "deletes the tests": """\
import os
if os.path.exists("test_calc.py"):
    os.remove("test_calc.py")
""" + CALC,
    "rewrites the tests": """\
with open("test_calc.py", "w") as file:
    file.write("def test_label(): pass\\ndef test_add(): pass\\ndef test_zero(): pass\\n")
import os, sys
os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q"])
""",
    "patched runner": """\
import _pytest.python
_pytest.python.Function.runtest = lambda self: None
""" + CALC,
    "patched call": """\
import _pytest.runner as runner
_from = runner.CallInfo.from_call.__func__
def forged(cls, func, when, reraise=None):
    return _from(cls, lambda: None, when, reraise)
runner.CallInfo.from_call = classmethod(forged)
""" + CALC,
    "patched protocol": """\
import _pytest.runner as runner
def forged(item, log=True, nextitem=None):
    for when in ("setup", "call", "teardown"):
        call = runner.CallInfo.from_call(lambda: None, when)
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)
    return []
runner.runtestprotocol = forged
""" + CALC,
    "replaced module": """\
import sys, types
fake = types.ModuleType("calc")
fake.label = lambda: "sum"
class Anything:
    def __eq__(self, other): return True
fake.add = lambda a, b: Anything()
sys.modules["calc"] = fake
""",
    "collected nothing": """\
import _pytest.python
_pytest.python.Module.collect = lambda self: []
""" + CALC,
    "writes on every descriptor": """\
import os
for fd in range(3, 64):
    try:
        os.write(fd, b'0 0 {"k": "finish", "code": 1}\\n')
    except OSError:
        pass
""" + CALC,
    "prints a verdict": """\
import os
os.write(1, b'\\n00000000000000000000000000000000 {"ended": "exited", "code": 1, "statuses": {}}\\n')
os._exit(1)
""",
    "peeks at the harness": """\
import os
parent = f"/proc/{os.getppid()}"
for fd in os.listdir(parent + "/fd"):
    open(f"{parent}/fd/{fd}", "wb").write(b"forged")
""" + CALC,
    "fills the output": "import os\nwhile True:\n    os.write(1, b'x' * 65536)\n",
    "gobbles memory": "hold = []\nwhile True:\n    hold.append(bytearray(64 << 20))\n",
    "patched unittest": """\
import unittest.case
unittest.case.TestCase.run = lambda self, result=None: None
""" + CALC.replace("a - b", "a + b"),
    "patched and put back": """\
import _pytest.python
_true = _pytest.python.Function.runtest
def fake(self):
    if self.name == "test_zero":
        _pytest.python.Function.runtest = _true
_pytest.python.Function.runtest = fake
""" + CALC,
    "hooks by a plugin": """\
import gc
from _pytest.config import PytestPluginManager
class Forger:
    def pytest_pyfunc_call(self, pyfuncitem):
        return True
for thing in gc.get_objects():
    if isinstance(thing, PytestPluginManager):
        thing.register(Forger(), "forger")
""" + CALC,
    "swallows assertions": """\
import builtins
class Quiet(AssertionError):
    def __new__(cls, *args):
        import pytest
        return pytest.skip.Exception("later")
builtins.AssertionError = Quiet
""" + CALC,
    "traces": """\
import sys
def tracer(frame, event, arg):
    if frame.f_code.co_name == "test_add":
        frame.f_trace_lines = False
    return tracer
sys.settrace(tracer)
""" + CALC,
}  # fmt: skip
NOT_BY_TEXT = {"deletes the tests", "gobbles memory"}
"""What no rule on the text names: only the sandbox sees it."""


def quiet(line: str) -> None:
    """Progress nobody reads."""


@pytest.fixture(scope="module")
def trials(sandboxes, tmp_path_factory):
    """The broken calculator, reproduced once for all forgeries."""
    from nightshift.daemon.kit.git import BareRepo

    from .conftest import History

    history = History(repo=BareRepo.ensure(tmp_path_factory.mktemp("calc") / "repo.git"))
    history.commit({"calc.py": CALC, "test_calc.py": TESTS})
    case = history.case("python -m pytest -q")
    made = SandboxReproducer(sandboxes, timeout_s=30).reproduce(case, quiet)
    assert made.failing == ("test_calc.py::test_add",)
    return history, replace(case, reproduction=made)


def forged(history, text: str) -> Patch:
    diff = history.diff({"calc.py": text})
    return Patch(id="p", base=history.head, diff=diff, files=("calc.py",), fixer="x", rationale="")


@pytest.mark.parametrize("name", sorted(set(FORGERIES) - NOT_BY_TEXT))
def test_the_rule_on_the_text_rejects_it(sandboxes, trials, name) -> None:
    history, case = trials
    static = [gate for gate in ALL_GATES if gate.name in ("policy", "compiles", "constructs")]
    verdict = GateTester(sandboxes, gates=static).judge(case, forged(history, FORGERIES[name]), quiet)
    if (
        name in ("rewrites the tests", "fills the output", "gobbles memory", "peeks at the harness")
        and verdict.failed == ""
    ):
        pytest.skip("no construct of its own; the sandbox sees it")
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "constructs"), verdict


@pytest.mark.parametrize("name", sorted(FORGERIES))
def test_the_sandbox_rejects_it_without_that_rule(sandboxes, trials, name) -> None:
    history, case = trials
    dynamic = [gate for gate in ALL_GATES if gate.name != "constructs"]
    verdict = GateTester(sandboxes, timeout_s=20, gates=dynamic).judge(case, forged(history, FORGERIES[name]), quiet)
    print(name, "→", verdict.failed, verdict.reason)
    assert verdict.judgement is Judgement.REJECTED, verdict


def test_the_honest_patch_passes_with_every_gate(sandboxes, trials) -> None:
    history, case = trials
    honest = forged(history, CALC.replace("a - b", "a + b"))
    assert GateTester(sandboxes, timeout_s=30).judge(case, honest, quiet).judgement is Judgement.ACCEPTED
