"""Why a run may say nothing of the code: telling a broken environment from a broken program.

An import or syntax error in the repository's own code is a legitimate red; a missing pytest, plugin, dependency or a
broken conftest is not.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Collection

from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes.caps import told
from nightshift.sandboxes.harness import Failure, TestRun

_CONFTEST = re.compile(r"ImportError while loading conftest '([^']+)'")
_PLACE = re.compile(
    r"^(?:E\s+File \"(?:/sandbox/)?([^\"]+\.py)\", line|(?:\.?/?)([\w./-]+\.py):\d+: in )", re.MULTILINE
)
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_UNKNOWN = re.compile(r"error: (unrecognized arguments: .*|argument .*: .*|.*invalid choice.*)")
_LOST = re.compile(r"ERROR: ((?:file or directory )?not found: .*)")
_USAGE, _NO_TESTS = 4, 5
_NO_COMMAND = (126, 127)


class Lacks(EnvironmentBroke):
    """The check's Python has not what the repository imports. `module` is its top-level name, '' when not known."""

    def __init__(self, text: str, module: str = "") -> None:
        super().__init__(text)
        self.module = module


def unfit(run: TestRun, modules: Collection[str]) -> str:
    """Why a run on base can't be read as red or green, or ''. `modules` are the tree's top-level import names.

    Raises EnvironmentBroke when it is the environment that is at fault.
    """
    if not run.pytest:
        return _unfit_plain(run)
    if run.nopytest:
        raise Lacks(f"pytest can't be imported by the check's Python ({run.nopytest}): install it there", "pytest")
    if run.forged:
        return f"the evidence contradicts itself: {run.forged[0]}"
    if run.ended != "exited":
        if run.ended == "died" and run.bad:
            return ""
        return told(run)
    if run.count is None:
        return _uncollected(run, modules)
    if not run.statuses:
        return "the check has no tests"
    missing = _missing(run, modules)
    if missing:
        raise Lacks(f"the environment lacks the module {missing!r}, which the repository imports", missing)
    return ""


def _unfit_plain(run: TestRun) -> str:
    if run.ended != "exited":
        return told(run)
    if run.code in _NO_COMMAND:
        last = run.tail.strip().splitlines()[-1:] or [f"exit code {run.code}"]
        raise EnvironmentBroke(f"the check can't be started in the sandbox: {last[0]}")
    return ""


def _uncollected(run: TestRun, modules: Collection[str]) -> str:
    tail = run.tail
    if lost := _LOST.search(tail):
        return f"the check names something that is not in the repository: {lost[1]}"
    if unknown := _UNKNOWN.search(tail):
        raise Lacks(f"pytest refuses the repository's options, a plugin they need is not installed here: {unknown[1]}")
    if conftest := _CONFTEST.search(tail):
        names = [name.partition(".")[0] for name in _NO_MODULE.findall(tail)]
        if foreign := [name for name in names if not _ours(name, modules)]:
            raise Lacks(f"the environment lacks the module {foreign[-1]!r}, which {conftest[1]} imports", foreign[-1])
        places = [a or b for a, b in _PLACE.findall(tail)]
        if places and not places[-1].endswith("conftest.py") and not places[-1].startswith(("/", "..")):
            return ""
        return f"the test suite can't start: {conftest[1]} fails by itself"
    if run.code == _NO_TESTS:
        return "the check has no tests"
    last = [line for line in tail.strip().splitlines() if line.strip()][-1:] or ["no output"]
    return f"pytest ended with {run.code} before it had collected anything: {last[0][:300]}"


def _missing(run: TestRun, modules: Collection[str]) -> str:
    failures = [run.failures.get(test, Failure()) for test in run.bad]
    names = [f.missing.partition(".")[0] for f in failures if f.exception == "ModuleNotFoundError"]
    foreign = [name for name in names if name and not _ours(name, modules)]
    return foreign[0] if failures and len(foreign) == len(failures) else ""


def _ours(name: str, modules: Collection[str]) -> bool:
    """Whether a name that is not there looks like the repository's own, or a slip for one that exists."""
    known = [*modules, *sys.stdlib_module_names]
    return name in modules or bool(difflib.get_close_matches(name, known, n=1, cutoff=0.8))
