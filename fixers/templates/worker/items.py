"""Pytest in this process: collect once, then run single items through pytest's own protocol, cheaply, many times."""

from __future__ import annotations

import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Dict, List, Set, Tuple

Frames = List[Tuple[str, int, str]]


class Report:
    """The least a test report can be; formatting tracebacks costs more than most tests."""

    def __init__(self, item: Any, call: Any, outcome: str) -> None:
        self.nodeid, self.location = item.nodeid, item.location
        self.keywords: Dict[str, Any] = {}
        self.when, self.outcome, self.longrepr = call.when, outcome, "" if outcome == "passed" else "failed"
        self.sections: list[Any] = []
        self.user_properties: list[Any] = []
        self.duration, self.start, self.stop = 0.0, 0.0, 0.0
        self.passed, self.failed, self.skipped = (outcome == k for k in ("passed", "failed", "skipped"))
        self.head_line = self.fspath = self.longreprtext = self.caplog = self.capstdout = self.capstderr = ""
        self.count_towards_summary = True

    def _to_json(self) -> Dict[str, Any]:
        """What pytest makes the report of a subtest from."""
        names = ("nodeid", "location", "keywords", "outcome", "longrepr", "when", "sections", "duration", "start",
                 "stop", "user_properties")  # fmt: skip
        return {name: getattr(self, name) for name in names}


class Plugin:
    """Takes over once pytest has collected; remembers the exceptions of the last run and of collection."""

    def __init__(self, on_collected: Callable[[Any], None]) -> None:
        self.on_collected = on_collected
        self.errors: list[Any] = []
        self.collect_errors: list[Any] = []
        self.outcomes: dict[str, str] = {}
        self.cheap = False
        self.called = False

    def pytest_runtestloop(self, session: Any) -> bool:
        """Instead of running everything once."""
        self.called = True
        self.on_collected(session)
        return True

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        """Collection errors carry their exception only here."""
        if getattr(report, "when", None) in (None, "collect"):
            self.collect_errors.append(call.excinfo)

    def pytest_runtest_makereport(self, item: Any, call: Any) -> Report | None:
        """A cheap report while searching; the real one otherwise."""
        if call.excinfo is not None:
            self.errors.append(call.excinfo)
        if not self.cheap:
            return None
        import pytest

        if call.excinfo is None:
            return Report(item, call, "passed")
        skipped = isinstance(call.excinfo.value, pytest.skip.Exception)
        return Report(item, call, "skipped" if skipped else "failed")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Outcomes of the full protocol, and of subtests in any."""
        _merge(self.outcomes, report)

    def subtest(self, test: str, told: Any) -> None:
        """A unittest subtest ended badly or was skipped: an exception's info, or its class, value and traceback."""
        import unittest

        value = told[1] if isinstance(told, tuple) else told.value
        if not isinstance(value, unittest.SkipTest):
            self.errors.append(value)
            self.outcomes[test] = "failed"


def quiet_subtests(plugin: Plugin) -> None:
    """While searching, subtests of unittest make no reports of their own: some suites have thousands in one test."""
    from _pytest.unittest import TestCaseFunction

    case: Any = TestCaseFunction
    original: Any = getattr(case, "addSubTest", None)

    def add(self: Any, test_case: Any, test: Any, told: Any) -> None:
        if not plugin.cheap:
            original(self, test_case, test, told)
        elif told is not None:
            plugin.subtest(self.nodeid, told)

    if original is not None:
        case.addSubTest = add


def _merge(outcomes: dict[str, str], report: Any) -> None:
    before = outcomes.get(report.nodeid)
    now = report.outcome
    if before == "failed" or (before == "skipped" and now == "passed"):
        now = before
    outcomes[report.nodeid] = now


class Items:
    """The collected items and the ways to run them."""

    def __init__(self, session: Any, plugin: Plugin) -> None:
        self.session, self.plugin = session, plugin
        quiet_subtests(plugin)
        self.items: list[Any] = list(session.items)
        self.by_id: dict[str, Any] = {i.nodeid: i for i in self.items}
        self._globs = {id(i): dict(i.dtest.globs) for i in self.items if getattr(i, "dtest", None) is not None}

    def run(self, item: Any, full: bool = False, nextitem: Any = None) -> str:
        """passed, failed or skipped. `full` goes through every plugin's protocol hook, warnings filters included."""
        random.seed(0)
        self.plugin.errors = []
        self._restore_doctest(item)
        outcomes: dict[str, str] = {}
        self.plugin.outcomes = outcomes
        if full:
            self.plugin.cheap = False
            item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        else:
            from _pytest.runner import runtestprotocol

            self.plugin.cheap = True
            for report in runtestprotocol(item, log=False, nextitem=nextitem):
                _merge(outcomes, report)
        return outcomes.get(item.nodeid, "failed")

    def _restore_doctest(self, item: Any) -> None:
        globs = self._globs.get(id(item))
        if globs is not None:
            item.dtest.globs = dict(globs)

    def cleanup(self) -> None:
        """Remove temporary folders this process made; called before a forked child leaves."""
        import shutil

        factory = getattr(self.session.config, "_tmp_path_factory", None)
        base = getattr(factory, "_basetemp", None)
        if base is not None:
            shutil.rmtree(str(base), ignore_errors=True)


def code_of(item: Any) -> Any | None:
    """The code object of the test function, through wrappers."""
    function: Any = getattr(item, "obj", None)
    function = getattr(function, "__func__", function)
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return getattr(function, "__code__", None)


def frames_of(error: Any, files: dict[str, str]) -> tuple[str, str, Frames]:
    """Exception type, message and frames in the repository's files (outermost first), causes included."""
    value = error.value if hasattr(error, "value") else error
    frames: Frames = []
    seen: Set[int] = set()
    current: BaseException | None = value
    while current is not None and id(current) not in seen and len(seen) < 5:
        seen.add(id(current))
        own = [
            (files[f.f_code.co_filename], line, f.f_code.co_name)
            for f, line in traceback.walk_tb(current.__traceback__)
            if f.f_code.co_filename in files
        ]
        frames = own + frames if current is not value else own
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    try:
        message = str(value)[:500]
    except Exception:  # noqa: BLE001 - str() of a foreign exception may do anything
        message = ""
    return type(value).__name__, message, frames[-40:]


def prepare(cwd: str, module_mode: bool) -> None:
    """sys.path and sys.argv as `python -m pytest` or `pytest` would have them."""
    os.chdir(cwd)
    if module_mode:
        sys.path.insert(0, cwd)
    sys.argv = ["pytest"]


def extra_arguments(arguments: Sequence[str]) -> list[str]:
    """What makes pytest quiet, single-process and cheap, without changing what tests see."""
    extra = ["--capture=sys", "--assert=plain", "-p", "no:randomly", "-p", "no:faulthandler"]
    if not any(
        a in ("--lf", "--ff", "--nf", "--sw") or a.startswith(("--last", "--failed", "--step")) for a in arguments
    ):
        extra += ["-p", "no:cacheprovider"]
    plugins = _plugin_names()
    if "xdist" in plugins and "no:xdist" not in arguments:
        extra.append("-n0")
    if "pytest_cov" in plugins and "no:pytest_cov" not in arguments:
        extra.append("--no-cov")
    return extra


def _plugin_names() -> list[str]:
    try:
        from importlib.metadata import entry_points
    except ImportError:
        return []
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        return []
    found: Any = entry_points()
    group = found.select(group="pytest11") if hasattr(found, "select") else found.get("pytest11", [])
    return [e.name for e in group]


def cpu_s() -> float:
    """CPU seconds of this process."""
    return time.process_time()
