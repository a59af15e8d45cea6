"""The worker's entry: reads its setup from standard input, collects, measures the baseline, then serves rounds.

Two long-lived processes: the reload server (pytest imported, repository not) and, forked from it, the searcher that
holds the collected session and forks children per batch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from . import command, reload
from .baseline import Baseline
from .evaluate import Evaluator, Plan
from .items import Items, Plugin, extra_arguments, frames_of, prepare
from .process import fork_into
from .search import Say, Search
from .state import State
from .swap import Module, Swapper

_IDLE_S = 900.0


def main() -> None:
    """Protocol: one JSON setup on stdin; JSON lines on stdout; orders as files in `mailbox`."""
    setup: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    out = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        if fd != 2 or not setup.get("debug"):
            os.dup2(null, fd)
    sys.path.remove(setup["home"])

    def say(message: dict[str, Any]) -> None:
        data = (json.dumps(message) + "\n").encode()
        while data:
            data = data[os.write(out, data) :]

    if setup["mode"] == "command":
        command.serve(setup, say, Mailbox(setup["mailbox"]))
        return
    _preload()
    requests, answers = os.pipe(), os.pipe()
    setup.update(requests=requests[1], answers=answers[0])
    _, fd = fork_into(lambda _: _search(setup, say, (requests[0], answers[1])))
    os.close(fd)
    os.close(requests[1])
    os.close(answers[0])
    reload.serve(setup, requests[0], answers[1])


def _preload() -> None:
    """Import pytest and its plugins once, for every child."""
    import pytest  # noqa: F401
    from _pytest import runner, unittest  # noqa: F401

    try:
        from importlib.metadata import entry_points
    except ImportError:
        return
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        return
    found: Any = entry_points()
    for entry in found.select(group="pytest11") if hasattr(found, "select") else found.get("pytest11", []):
        try:
            entry.load()
        except Exception:  # noqa: BLE001 - a broken plugin breaks pytest itself later, with its own message
            continue


class Mailbox:
    """Orders arrive as `N.json`, whole once `N.ready` lies beside it."""

    def __init__(self, folder: str) -> None:
        self.folder, self.next = folder, 1

    def take(self) -> dict[str, Any]:
        """The next order; a stop when nothing comes for long."""
        path = os.path.join(self.folder, "%d.json" % self.next)
        end = time.monotonic() + _IDLE_S
        while not os.path.exists(path[:-4] + "ready"):
            if time.monotonic() > end:
                return {"op": "stop"}
            time.sleep(0.01)
        self.next += 1
        with open(path, "rb") as stream:
            order: dict[str, Any] = json.loads(stream.read())
        return order


def _search(setup: dict[str, Any], say: Say, others: Any) -> None:
    import pytest

    for fd in others:
        os.close(fd)

    def collected(session: Any) -> None:
        _serve(setup, say, session, plugin)

    plugin = Plugin(collected)
    prepare(setup["root"], setup["module_mode"])
    pytest.main([*setup["args"], *extra_arguments(setup["args"])], plugins=[plugin])
    if not plugin.called:
        say({"t": "unusable", "why": "pytest could not collect"})


def _serve(setup: dict[str, Any], say: Say, session: Any, plugin: Plugin) -> None:
    files = _files(setup)
    items = Items(session, plugin)
    if plugin.collect_errors or not items.items:
        _serve_uncollected(setup, say, plugin, files)
        return
    baseline = Baseline(items, setup["failing"], files, setup["baseline_s"], setup.get("others_s", 1e9))
    start = time.monotonic()
    baseline.measure()
    plan = baseline.plan()
    if not plan.failing:
        say({"t": "unusable", "why": "no failing test"})
        return
    evaluator = Evaluator(items, Swapper(_modules(setup)), plan, State(_imported(files)))
    say({"t": "baseline", "seconds": time.monotonic() - start, "suspicion": baseline.spectrum.suspicion(),
         "crashes": baseline.crashes, "collected": len(items.items), "passing": len(plan.passing),
         "failing": [items.items[i].nodeid for i in plan.failing], "mode": "swap",
         "kinds": baseline.kinds})  # fmt: skip
    ids = {key: [items.items[i].nodeid for i in getattr(plan, key)] for key in ("failing", "passing")}
    _rounds(Search(evaluator, plan, ids, setup, say), Mailbox(setup["mailbox"]))


def _serve_uncollected(setup: dict[str, Any], say: Say, plugin: Plugin, files: dict[str, str]) -> None:
    """The bug breaks collection: every candidate is imported afresh, and must make the expected tests pass."""
    crashes: list[dict[str, Any]] = []
    for error in plugin.collect_errors:
        exception, message, frames = frames_of(error, files)
        crashes.append({"test": "", "exception": exception, "message": message, "frames": frames})
    plan = Plan([], [], {}, {}, True, 1.0, 1.0)
    say({"t": "baseline", "seconds": 0.0, "suspicion": {}, "crashes": crashes, "collected": 0, "passing": 0,
         "failing": setup["failing"], "mode": "reload"})  # fmt: skip
    _rounds(Search(None, plan, {"failing": setup["failing"], "passing": []}, setup, say), Mailbox(setup["mailbox"]))


def _rounds(search: Search, mailbox: Mailbox) -> None:
    while True:
        order = mailbox.take()
        if order["op"] == "stop":
            return
        search.run(order)


def _files(setup: dict[str, Any]) -> dict[str, str]:
    found = {}
    for path in setup["files"]:
        full = os.path.join(setup["root"], path)
        found[full] = found[os.path.realpath(full)] = path
    return found


def _modules(setup: dict[str, Any]) -> dict[str, Module]:
    loaded = {os.path.realpath(getattr(m, "__file__", None) or "/") for m in list(sys.modules.values())}
    modules = {}
    for path in setup["files"]:
        real = os.path.realpath(os.path.join(setup["root"], path))
        if real in loaded:
            try:
                modules[path] = Module(path, real)
            except (OSError, SyntaxError, ValueError, RecursionError):
                continue
    return modules


def _imported(files: dict[str, str]) -> list[Any]:
    return [m for m in list(sys.modules.values()) if (getattr(m, "__file__", None) or "") in files]
