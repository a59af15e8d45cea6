"""Which lines did which test run? Feeds Ochiai suspiciousness and tells which tests a candidate can touch.

One test with many asserts would blind Ochiai, so each line of the test function itself starts a new segment: what ran
before the failing line counts as passed. Lines are collected with sys.settrace before Python 3.12, with
sys.monitoring from 3.12 on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Set, Tuple

Line = Tuple[str, int]
_MAX_SEGMENTS = 400
_MOST_LOOKS, _MOST_KINDS = 60, 6


class Recorder:
    """Collects (path, line) per segment of one test. `files` maps co_filename to the repository's path.

    `seen` holds the code that ran so far; once `only` is set, other code is not looked at: lines that no failing test
    runs are innocent anyway, and tracing them all takes longer than the search.
    """

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.segments: list[set[Line]] = [set()]
        self.test_code: Any | None = None
        self._last = 0
        self.kinds: dict[str, dict[int, dict[str, set[str]]]] = {}
        self._looks: dict[Any, int] = {}
        self.seen: Set[int] = set()
        self.only: Set[int] | None = None

    def begin(self, test_code: Any | None) -> None:
        """A new test starts."""
        self.segments, self.test_code, self._last = [set()], test_code, 0

    def lines(self) -> set[Line]:
        """Everything the test ran."""
        return set().union(*self.segments)

    def hit(self, path: str, line: int) -> None:
        """A line of the repository runs."""
        self.segments[-1].add((path, line))

    def next_segment(self) -> None:
        """A line of the test function runs."""
        if self.segments[-1] and len(self.segments) < _MAX_SEGMENTS:
            self.segments.append(set())

    def narrow(self) -> None:
        """From now on only code that ran until now."""
        if self.only is None:
            self.only = set(self.seen)

    def look(self, path: str, frame: Any) -> None:
        """Note the types of a function's names, the first times it runs."""
        code = frame.f_code
        looks = self._looks.get(code, 0)
        if looks >= _MOST_LOOKS:
            return
        self._looks[code] = looks + 1
        seen = self.kinds.setdefault(path, {}).setdefault(code.co_firstlineno, {})
        for name, value in frame.f_locals.items():
            types = seen.setdefault(name, set())
            if len(types) < _MOST_KINDS:
                types.add(type(value).__name__)

    def start(self) -> None:
        """Begin tracing."""
        if hasattr(sys, "monitoring"):
            self._monitor()
        else:
            threading.settrace(self._trace)
            sys.settrace(self._trace)

    def stop(self) -> None:
        """End tracing."""
        if hasattr(sys, "monitoring"):
            monitoring = getattr(sys, "monitoring")  # noqa: B009 - 3.8 has none
            monitoring.set_events(4, 0)
            monitoring.free_tool_id(4)
        else:
            sys.settrace(None)
            threading.settrace(None)

    def _trace(self, frame: Any, event: str, arg: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        path = self.files.get(code.co_filename)
        if path is not None and self._looked_at(code):
            return self._line_tracer(path)
        if code is self.test_code:
            return self._test_line
        return None

    def _looked_at(self, code: Any) -> bool:
        if self.only is not None:
            return id(code) in self.only
        self.seen.add(id(code))  # a hash of the code itself would cost more than the call
        return True

    def _line_tracer(self, path: str) -> Callable[..., Any]:
        def local(frame: Any, event: str, arg: Any) -> Any:
            if event == "line":
                self.segments[-1].add((path, frame.f_lineno))
            if event in ("line", "return"):
                self.look(path, frame)
            return local

        return local

    def _test_line(self, frame: Any, event: str, arg: Any) -> Any:
        if event == "line":
            self.next_segment()
        return self._test_line

    def _monitor(self) -> None:
        monitoring = getattr(sys, "monitoring")  # noqa: B009 - 3.8 has none

        def on_line(code: Any, line: int) -> Any:
            path = self.files.get(code.co_filename)
            if path is not None:
                if self._looked_at(code):
                    self.segments[-1].add((path, line))
                    self.look(path, sys._getframe(1))
            elif code is self.test_code:
                self.next_segment()
            else:
                return None if self._is_test(code) else monitoring.DISABLE
            return None

        monitoring.use_tool_id(4, "nightshift")
        monitoring.register_callback(4, monitoring.events.LINE, on_line)
        monitoring.set_events(4, monitoring.events.LINE)

    def _is_test(self, code: Any) -> bool:
        return self.test_code is not None and code.co_filename == self.test_code.co_filename


class Spectrum:
    """Weighted counts per line: how much failing and how much passing work ran it."""

    def __init__(self) -> None:
        self.failed: dict[Line, float] = {}
        self.passed: dict[Line, float] = {}
        self.failures = 0.0

    def add(self, segments: list[set[Line]], failed: bool) -> None:
        """One test's segments; the last one of a failing test holds the failure."""
        lines = set().union(*segments)
        if not failed:
            _count(self.passed, lines, 1.0)
            return
        last = _last_filled(segments)
        self.failures += 1.0
        _count(self.failed, lines - last, 0.5)
        _count(self.failed, last, 1.0)
        for segment in segments[:-1]:
            if segment is not last:
                _count(self.passed, segment, 0.5)

    def suspicion(self) -> dict[str, dict[int, float]]:
        """Ochiai per path and line (Abreu et al. 2007): failed / sqrt(all failures * runs of the line)."""
        found: dict[str, dict[int, float]] = {}
        for (path, line), failed in self.failed.items():
            ran = failed + self.passed.get((path, line), 0.0)
            found.setdefault(path, {})[line] = failed / ((self.failures * ran) ** 0.5 or 1.0)
        return found


def _last_filled(segments: list[set[Line]]) -> set[Line]:
    for segment in reversed(segments):
        if segment:
            return segment
    return segments[-1]


def _count(counts: dict[Line, float], lines: set[Line], weight: float) -> None:
    for line in lines:
        counts[line] = counts.get(line, 0.0) + weight
