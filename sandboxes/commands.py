"""The command a reproduction runs: the given check, the repository's whole suite, or either with one file more."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from functools import cache

from nightshift.daemon.kit.checks import parse_pytest
from nightshift.daemon.model import Case
from nightshift.sandboxes.harness import TestRun

SUITE = "python -m pytest -q"
"""The check of a repository for which none was given."""
_LEAN = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"
_OWN_PLUGINS = frozenset({"anyio", "asyncio", "hypothesispytest", "kmock", "schemathesis"})
_WANTS_PLUGIN = re.compile(
    r"fixture '[^']+' not found|async def functions are not natively supported|not found in `markers`"
    r"|unrecognized arguments|Unknown config option|Missing required plugins|Error importing plugin|requires pytest"
)
_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$")


def is_test_file(path: str) -> bool:
    """Whether pytest would look for tests in a file of that name by default."""
    return bool(_TEST_FILE.search(path))


def lean(case: Case, command: str) -> str:
    """The command without third-party pytest plugins, where those are only the daemon's own; else unchanged.

    They belong to Nightshift's environment, not to the repository, and cost up to a second a start.
    """
    own = case.image == "host" and not case.python and parse_pytest(command) is not None
    return f"{_LEAN} {command}" if own and "PYTEST_" not in command and _plugins_are_ours() else command


def wants_plugins(run: TestRun) -> bool:
    """Whether a lean run failed in a way that a plugin could be the missing part of."""
    told = [run.tail, *(f.text for f in run.failures.values()), *(f.message for f in run.failures.values())]
    return any(_WANTS_PLUGIN.search(text) for text in told)


@cache
def _plugins_are_ours() -> bool:
    from importlib.metadata import entry_points

    return {point.name for point in entry_points(group="pytest11")} <= _OWN_PLUGINS


def with_file(command: str, path: str, tree: Collection[str]) -> str:
    """The pytest command that runs one file more: as it is when it names no paths, else with the path added."""
    call = parse_pytest(command)
    if call is None:
        return f"{SUITE} {shlex.quote(path)}"
    folders = {name[:at] for name in tree for at, char in enumerate(name) if char == "/"}
    known = folders.union(tree)
    named = [arg for arg in call.args if arg.partition("::")[0].rstrip("/").removeprefix("./") in known]
    return f"{command} {shlex.quote(path)}" if named else command
