"""What the base commit does: outcome, cost and lines of every item, measured in forked children.

Two children at once: one runs the full protocol untraced (outcomes and times), one traces lines (failing items first).
"""

from __future__ import annotations

import functools
import json
import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import Any

from .evaluate import OverBudget, Plan, Watch
from .items import Items, code_of, cpu_s, frames_of
from .process import fork_into
from .spectrum import Recorder, Spectrum

_FAILING_CPU_S = 0.6
_PASSING_CPU_S = 30.0


class Baseline:
    """Runs and holds the base's behaviour."""

    def __init__(self, items: Items, expected: list[str], files: dict[str, str], limit_s: float) -> None:
        known = {i.nodeid for i in items.items}
        self.items, self.expected, self.files, self.limit_s = items, known & set(expected), files, limit_s
        self.outcomes: dict[int, str] = {}
        self.cpu: dict[int, float] = {}
        self.hung: set[int] = set()
        self.cheap: dict[int, str] = {}
        self.lines: dict[int, Any] = {}
        self.crashes: list[dict[str, Any]] = []
        self.spectrum = Spectrum()
        self.kinds: dict[str, dict[str, dict[str, list[str]]]] = {}

    def measure(self) -> None:
        """Fork both children and read what they say until they end or time is up."""
        order = range(len(self.items.items))
        first = sorted(order, key=lambda i: self.items.items[i].nodeid not in self.expected)
        self._collect([(self._time, list(order)), (self._trace, first)])
        for line in self._traced:
            self._take_trace(line)

    def _collect(self, jobs: list[Any]) -> None:
        self._traced: list[dict[str, Any]] = []
        selector = selectors.DefaultSelector()
        children = []
        for function, indexes in jobs:
            pid, fd = fork_into(functools.partial(function, indexes))
            children.append(pid)
            selector.register(fd, selectors.EVENT_READ, bytearray())
        deadline = time.monotonic() + self.limit_s
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(0.5):
                data = os.read(key.fd, 1 << 16)
                key.data.extend(data)
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                while b"\n" in key.data:
                    line, _, rest = bytes(key.data).partition(b"\n")
                    key.data[:] = rest
                    self._take(json.loads(line))
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for key in list(selector.get_map().values()):
            os.close(key.fd)

    def _take(self, line: dict[str, Any]) -> None:
        if "segments" in line:
            self._traced.append(line)
            return
        index = line["i"]
        self.outcomes[index], self.cpu[index] = line["o"], line["c"]
        if line["hung"]:
            self.hung.add(index)

    def _take_trace(self, line: dict[str, Any]) -> None:
        index = line["i"]
        segments = [{(path, n) for path, ns in s.items() for n in ns} for s in line["segments"]]
        self.cheap[index] = line["o"]
        for path, functions in line.get("kinds", {}).items():
            self.kinds.setdefault(path, {}).update(functions)
        self.lines[index] = frozenset().union(*segments)
        failed = self.outcomes.get(index, line["o"]) == "failed"
        if failed and not self.wanted(index):
            return
        self.spectrum.add(segments, failed)
        if failed:
            self.crashes += line["crashes"]

    def wanted(self, index: int) -> bool:
        """Whether the item is one that must turn green."""
        return not self.expected or self.items.items[index].nodeid in self.expected

    def _guarded(self, indexes: list[int], each: Callable[[int], dict[str, Any]], out: int, traced: bool) -> None:
        watch = Watch()
        for index in indexes:
            expected = self.items.items[index].nodeid in self.expected
            limit = _FAILING_CPU_S if expected or not self.expected else _PASSING_CPU_S
            try:
                said = _within(watch, limit, each, index)
            except OverBudget:
                watch.disarm()
                said = {"i": index, "o": "failed", "c": limit, **({"segments": [{}], "crashes": []} if traced else {})}
            said["hung"] = watch.fired
            data = (json.dumps(said) + "\n").encode()
            while data:
                data = data[os.write(out, data) :]
        self.items.cleanup()

    def _time(self, indexes: list[int], out: int) -> None:
        def each(index: int) -> dict[str, Any]:
            start = cpu_s()
            outcome = self.items.run(self.items.items[index], full=True)
            return {"i": index, "o": outcome, "c": cpu_s() - start}

        self._guarded(indexes, each, out, False)

    def _trace(self, indexes: list[int], out: int) -> None:
        recorder = Recorder(self.files)

        def each(index: int) -> dict[str, Any]:
            item = self.items.items[index]
            recorder.begin(code_of(item))
            recorder.start()
            try:
                outcome = self.items.run(item)
            finally:
                recorder.stop()
            crashes = [_crash(item.nodeid, frames_of(e, self.files)) for e in self.items.plugin.errors[:1]]
            return {"i": index, "o": outcome, "segments": [_packed(s) for s in recorder.segments], "crashes": crashes,
                    "kinds": _sorted(recorder.kinds)}  # fmt: skip

        self._guarded(indexes, each, out, True)

    def plan(self) -> Plan:
        """What the evaluators need."""
        failing = [i for i, o in self.outcomes.items() if o == "failed" and self.wanted(i)]
        passing = [i for i, o in self.outcomes.items() if o == "passed"]
        quick = [self.cpu[i] for i in failing if i not in self.hung]
        return Plan(
            failing=sorted(failing, key=lambda i: (i in self.hung, self.cpu[i])),
            passing=sorted(passing, key=lambda i: self.cpu[i]),
            cpu=self.cpu,
            lines=self.lines,
            full=any(self.cheap.get(i) == "passed" for i in failing),
            failing_cpu=sum(quick) if quick else sorted([0.002, *(self.cpu[i] for i in passing)])[len(passing) // 2],
            full_cpu=sum(self.cpu[i] for i in passing),
            hangs=bool(self.hung),
        )


def _crash(test: str, told: Any) -> dict[str, Any]:
    exception, message, frames = told
    return {"test": test, "exception": exception, "message": message, "frames": frames}


def _sorted(kinds: Any) -> Any:
    return {
        path: {n: {name: sorted(types) for name, types in names.items()} for n, names in functions.items()}
        for path, functions in kinds.items()
    }


def _packed(segment: Any) -> dict[str, list[int]]:
    packed: dict[str, list[int]] = {}
    for path, line in segment:
        packed.setdefault(path, []).append(line)
    return packed


def _within(watch: Watch, limit_s: float, each: Callable[[int], dict[str, Any]], index: int) -> dict[str, Any]:
    try:
        watch.arm(limit_s, again_s=0.5)  # time for pytest to write its report undisturbed
        watch.arm_wall(limit_s * 4)
        return each(index)
    finally:
        watch.disarm()
