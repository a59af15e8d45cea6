"""Runs the tests once on base and writes down which calls they make: of what a test calls itself ("entry"), and of the
functions that patches change, with the arguments as they were before the call.

Started as ``python -c <texts> <fd of orders> <fd of records>``. Only a few calls of each function are written down.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightshift.sandboxes.critic.inside.values import encode

EACH, TEST_S = 60, 1.5


class Overtime(BaseException):
    """A test took more processor time than watching it is worth."""


def impatient() -> None:
    """Interrupt tests that hang: one that is still running at two ticks in a row."""
    last = [""]

    def tick(*_: Any) -> None:
        now = os.environ.get("PYTEST_CURRENT_TEST", "")
        before, last[0] = last[0], now
        if now and now == before:
            raise Overtime

    signal.signal(signal.SIGPROF, tick)
    signal.setitimer(signal.ITIMER_PROF, TEST_S / 2, TEST_S / 2)


class Recorder:
    """A profile function. `changed` maps files to the first lines of functions that some patch changes."""

    def __init__(self, orders: dict[str, Any], send: Callable[[Any], None]) -> None:
        self.root = os.getcwd() + os.sep
        self.changed = {(self.root + path, line) for path, line in orders["changed"]}
        self.tests = {self.root + path for path in orders["tests"]}
        self.send = send
        self.counts: dict[Any, float] = {}
        self.seen: set[Any] = set()
        self.known: dict[Any, Any] = {}
        self.entry: list[Any] = []
        self.begun: set[Any] = set()

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        if event == "call":
            place = self._place(frame.f_code)
            if place is None or (frame.f_code.co_flags & 0x2A0 and self._resumed(frame)):
                return
            outermost = not self.entry
            hit = place[2]
            if outermost:
                self.entry.append(frame)
                self._write(frame, place)
            elif hit and not (frame.f_back and frame.f_back.f_code is frame.f_code):  # of a recursion the outermost
                self._write(frame, place)
            if hit:
                self._reached()
        elif event == "return" and self.entry and self.entry[0] is frame:
            self.entry.clear()

    def _place(self, code: Any) -> Any:
        """(path, first line, changed?) of a function of the tree that is no test, else None."""
        known = self.known.get(code, 0)
        if known == 0:
            path = code.co_filename
            ours = path.startswith(self.root) and path not in self.tests
            ours = ours and not os.path.basename(path).startswith("conftest")
            plain = ours and not code.co_name.startswith("<")
            known = (path, code.co_firstlineno, (path, code.co_firstlineno) in self.changed) if plain else None
            self.known[code] = known
        return known

    def _resumed(self, frame: Any) -> bool:
        """Whether a generator or coroutine went on: its arguments were told when it began."""
        known = frame in self.begun
        if len(self.begun) < 500:
            self.begun.add(frame)
        return known

    def _reached(self) -> None:
        code = self.entry[0].f_code
        key = ("reached", code)
        if key not in self.seen:
            self.seen.add(key)
            self.send({"k": "reached", "path": code.co_filename[len(self.root) :], "line": code.co_firstlineno})

    def _write(self, frame: Any, place: Any) -> None:
        code = frame.f_code
        count = self.counts.get(code, 0)
        if count >= EACH:
            return
        star, double = bool(code.co_flags & 4), bool(code.co_flags & 8)
        spec = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + star + double]
        sys.setprofile(None)
        try:
            values = {name: encode(frame.f_locals[name]) for name in spec if name in frame.f_locals}
            if len(values) == len(spec):
                row = {
                    "k": "call", "path": place[0][len(self.root) :], "line": place[1], "name": code.co_name,
                    "module": str(frame.f_globals.get("__name__", "")), "args": values, "order": list(spec),
                    "changed": place[2],
                    "shape": [code.co_argcount, code.co_kwonlyargcount, star, double],
                    "test": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0],
                }  # fmt: skip
                text = json.dumps(row, sort_keys=True)
                if text not in self.seen:
                    self.counts[code] = count + 1
                    self.seen.add(text)
                    self.send(row)
        except Exception:  # noqa: BLE001 - arguments that can't be told are left out, whatever they raise
            self.counts[code] = count + 0.25
        finally:
            sys.setprofile(self)


def main() -> None:
    """Record one pytest session."""
    orders_fd, out = int(sys.argv[1]), int(sys.argv[2])
    with os.fdopen(orders_fd, "rb") as pipe:
        orders = json.loads(pipe.read().decode())

    def send(row: Any) -> None:
        os.write(out, json.dumps(row).encode() + b"\n")

    if orders["module"]:
        sys.path.insert(0, os.getcwd())
    import pytest

    sys.argv = ["pytest", *orders["args"]]
    recorder = Recorder(orders, send)

    class Watching:
        """Watches the tests themselves; collecting and plugins would only be slowed down."""

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_call(self) -> Any:
            sys.setprofile(recorder)
            yield
            sys.setprofile(None)
            recorder.entry.clear()

    impatient()
    try:
        code = int(pytest.main(orders["args"], plugins=[Watching()]))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.setprofile(None)
    root = os.getcwd()
    paths = [path for path in sys.path if path == root or path.startswith(root + os.sep)]
    send({"k": "paths", "paths": [os.path.relpath(path, root) for path in paths], "code": code})


if __name__ == "__main__":
    main()
