"""What the base commit does: outcome, cost and lines of every item, measured in forked children.

Two children at once: one runs the full protocol untraced (outcomes and times), one traces lines. Failing items come
first, then their neighbours; where a suite takes long, the rest is left to the tester, who runs it anyway.
"""

from __future__ import annotations

import functools
import json
import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import Any, Set

from .evaluate import OverBudget, Plan, Watch, limit_memory
from .items import Items, code_of, cpu_s, frames_of
from .process import fork_into
from .spectrum import Recorder, Spectrum

_FAILING_CPU_S = 0.6
_PASSING_CPU_S = 30.0


class Baseline:
    """Runs and holds the base's behaviour."""

    def __init__(
        self, items: Items, expected: list[str], files: dict[str, str], limit_s: float, others_s: float = 1e9
    ) -> None:
        known = {i.nodeid for i in items.items}
        self.others_s = others_s
        self.items, self.expected, self.files, self.limit_s = items, known & set(expected), files, limit_s
        self.outcomes: dict[int, str] = {}
        self.cpu: dict[int, float] = {}
        self.hung: set[int] = set()
        self.cheap: dict[int, str] = {}
        self.lines: dict[int, Any] = {}
        self.crashes: list[dict[str, Any]] = []
        self.spectrum = Spectrum()
        self.found: Set[str] = set()
        self.kinds: dict[str, dict[str, dict[str, list[str]]]] = {}

    def measure(self) -> None:
        """Fork both children and read what they say until they end or time is up."""
        self._traced: list[dict[str, Any]] = []
        self.heard: Set[int] = set()
        if self.expected:
            failing = [i for i, item in enumerate(self.items.items) if item.nodeid in self.expected]
            order = nearest([i.nodeid for i in self.items.items], failing)
            self._collect([(self._time, order), (self._trace, order)], failing)
        else:
            every = list(range(len(self.items.items)))
            self._collect([(self._time, every)], every)
            failing = [i for i, o in self.outcomes.items() if o == "failed"]
            self.found = {self.items.items[i].nodeid for i in failing}
            self._collect([(self._trace, nearest([i.nodeid for i in self.items.items], failing))], failing)
        for line in self._traced:
            self._take_trace(line)

    def _collect(self, jobs: list[Any], needed: list[int]) -> None:
        """Hear the children out; once they said all of what is needed, only as long as other items may take."""
        selector = selectors.DefaultSelector()
        children = []
        for function, indexes in jobs:
            pid, fd = fork_into(functools.partial(function, indexes))
            children.append(pid)
            selector.register(fd, selectors.EVENT_READ, bytearray())
        missing, enough = {(kind, i) for kind in range(2) for i in needed}, float("inf")
        if len(jobs) == 1:
            missing = {(kind, i) for kind, i in missing if kind == (jobs[0][0] == self._trace)}
        deadline = time.monotonic() + self.limit_s
        while selector.get_map() and time.monotonic() < min(deadline, enough):
            if enough == float("inf") and not missing - self._said():
                enough = time.monotonic() + self.others_s
            for key, _ in selector.select(0.2):
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

    def _said(self) -> Set[tuple[int, int]]:
        return {(0, i) for i in self.outcomes} | {(1, i) for i in self.heard}

    def _take(self, line: dict[str, Any]) -> None:
        if "segments" in line:
            self._traced.append(line)
            self.heard.add(line["i"])
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
        limit_memory()  # what can't pass within the candidates' limits must not be held against them

        def each(index: int) -> dict[str, Any]:
            start = cpu_s()
            outcome = self.items.run(self.items.items[index], full=True)
            return {"i": index, "o": outcome, "c": cpu_s() - start}

        self._guarded(indexes, each, out, False)

    def _trace(self, indexes: list[int], out: int) -> None:
        recorder = Recorder(self.files)

        def each(index: int) -> dict[str, Any]:
            item = self.items.items[index]
            if item.nodeid not in (self.expected or self.found):
                recorder.narrow()
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


def nearest(ids: list[str], failing: list[int]) -> list[int]:
    """Indexes: the failing items, then those of their files, then the first of every other file, the second of each…"""
    files = {ids[i].partition("::")[0] for i in failing}
    chosen, count = set(failing), dict.fromkeys(files, 0)
    places: dict[int, tuple[Any, ...]] = {}
    for index, name in enumerate(ids):
        path = name.partition("::")[0]
        count[path] = count.get(path, 0) + 1
        places[index] = (index not in chosen, path not in files, 0 if path in files else count[path], index)
    return sorted(range(len(ids)), key=lambda i: places[i])


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
