"""When is which check tried, and when is it said? A check that hangs holds up nobody but itself."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from queue import Empty, SimpleQueue
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import register_secret
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Sink
from nightshift.monitors.probes.tries import Stopped, Tried, tried

if TYPE_CHECKING:
    from nightshift.monitors.probes import AnyCheck, Settings

_log = logging.getLogger(__name__)
GRACE_S = 2.0
"""A try that takes so much longer than its time-out (a name that isn't resolved, say) has failed; its thread is left
to itself, and its place is free."""
_PATIENCE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a check has gone: failures and successes in a row, since when it is said to fail (0: it is not), and how long
    the last tries that were well took, in milliseconds."""

    failures: int = 0
    successes: int = 0
    firing_ms: int = 0
    times: tuple[float, ...] = ()


def after(check: AnyCheck, course: Course, found: Tried, now_ms: int) -> tuple[Course, Signal | None]:
    """The course after one more try, and the signal it causes."""
    if not found.wrong:
        course = replace(course, times=(*course.times, round(found.took_ms, 1))[-check.slow_of :])
    if wrong := found.wrong or _slow(check, course):
        course = replace(course, failures=course.failures + 1, successes=0)
        if course.firing_ms or course.failures < check.failures:
            return course, None
        course = replace(course, firing_ms=now_ms)
        message = f"{wrong} ({course.failures} times in a row)" if course.failures > 1 else wrong
        return course, _signal(check, course, now_ms, message, resolved=False)
    course = replace(course, failures=0, successes=course.successes + 1)
    if not course.firing_ms or course.successes < check.successes:
        return course, None
    return Course(times=course.times), _signal(check, course, now_ms, "it answers as it should again", resolved=True)


def _slow(check: AnyCheck, course: Course) -> str:
    if check.slow_ms is None or len(course.times) < check.slow_of or median(course.times) <= check.slow_ms:
        return ""
    several = f", median of {check.slow_of}" if check.slow_of > 1 else ""
    return f"answered after {median(course.times):.0f} ms{several}; {check.slow_ms:.0f} ms are fine"


@dataclass(kw_only=True)
class _Running:
    """A try under way: its thread, when it counts as failed, and whether it did."""

    thread: threading.Thread
    overdue_s: float
    lost: bool = False


def _signal(check: AnyCheck, course: Course, now_ms: int, message: str, *, resolved: bool) -> Signal:
    state = "resolved" if resolved else "firing"
    return Signal(
        key=f"probes:{check.name}:{course.firing_ms}:{state}", source="probes", service=check.service,
        title=f"check failed: {check.name}", at_ms=now_ms, kind="alert", severity=check.severity, message=message,
        labels={"alertname": check.name, "check": check.kind}, resolved=resolved,
    )  # fmt: skip


class ProbeMonitor:
    """Tries every check at its interval, spread over time, so many at once at most. Every try has a thread: one that
    never comes back takes no place from others, and keeps nobody from ending."""

    name = "probes"

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        attempt: Callable[[AnyCheck, Stopped], Tried] = tried,
        random: Random | None = None,
    ) -> None:
        self._settings, self._clock, self._try = settings, clock, attempt
        self._random = random or Random()
        self._checks = {check.name: check for check in settings.checks}
        self._courses: dict[str, Course] = {}
        self._due_s: dict[str, float] = {}
        self._running: dict[str, _Running] = {}
        self._done: SimpleQueue[tuple[str, Tried]] = SimpleQueue()
        for check in settings.checks:
            for secret in getattr(check, "headers", {}).values():
                register_secret(secret.get_secret_value())

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`."""
        now_s = self._clock.monotonic()
        self._courses = {name: _course(checkpoints.get(f"probes:{name}", "")) for name in self._checks}
        self._due_s = {n: now_s + self._random.uniform(0, min(c.interval_s, 5.0)) for n, c in self._checks.items()}
        self._running, self._done = {}, SimpleQueue()
        while not stop.is_set():
            self._begin(stop)
            self._give_up(sink)
            try:
                name, found = self._done.get(timeout=self._pause_s())
            except Empty:
                continue
            if not self._running.pop(name).lost and not stop.is_set():  # what is stopped has not failed
                self._ended(self._checks[name], found, sink)
        for name, running in self._running.items():  # programs are being killed
            running.thread.join(_PATIENCE_S if self._checks[name].kind == "command" else 0.0)

    def _pause_s(self) -> float:
        """Until something is to be done, half a second at most: `stop` is heard by then."""
        waiting = [running.overdue_s for running in self._running.values()]
        if self._room() > 0:
            waiting += [due_s for name, due_s in self._due_s.items() if name not in self._running]
        return max(0.01, min([0.5, *(at_s - self._clock.monotonic() for at_s in waiting)]))

    def _room(self) -> int:
        return self._settings.at_once - sum(not running.lost for running in self._running.values())

    def _begin(self, stop: threading.Event) -> None:
        """Those that have waited longest, as many as there is room for."""
        now_s = self._clock.monotonic()
        due = sorted((at_s, name) for name, at_s in self._due_s.items() if at_s <= now_s and name not in self._running)
        for _, name in due[: max(0, self._room())]:
            check = self._checks[name]
            self._due_s[name] = max(self._due_s[name] + check.interval_s, now_s)
            thread = threading.Thread(target=self._body, args=(check, stop), name=f"probe:{name}", daemon=True)
            self._running[name] = _Running(thread=thread, overdue_s=now_s + check.timeout_s + GRACE_S)
            thread.start()

    def _body(self, check: AnyCheck, stop: threading.Event) -> None:
        done = self._done
        try:
            found = self._try(check, stop.is_set)
        except Exception as error:  # noqa: BLE001 - the edge of a thread: an odd answer is a failed check
            _log.exception("check %s could not be tried", check.name)
            found = Tried(wrong=f"could not be tried: {type(error).__name__}")
        done.put((check.name, found))

    def _give_up(self, sink: Sink) -> None:
        """What is overdue has failed, and once more with every interval it stays away."""
        for name, running in self._running.items():
            now_s = self._clock.monotonic()
            if now_s >= running.overdue_s:
                check = self._checks[name]
                running.lost, running.overdue_s = True, now_s + check.interval_s
                self._ended(check, Tried(wrong=f"nothing came back within {check.timeout_s:g} s"), sink)

    def _ended(self, check: AnyCheck, found: Tried, sink: Sink) -> None:
        course, signal = after(check, self._courses[check.name], found, self._clock.now_ms())
        self._courses[check.name] = course
        if signal is not None:
            _log.info("%s: %s", signal.title, signal.message)
            sink([signal], {f"probes:{check.name}": json.dumps(asdict(course))})


def _course(text: str) -> Course:
    try:
        found = json.loads(text or "{}")
        times = tuple(float(value) for value in found.pop("times", ()))
        return Course(times=times, **{name: int(value) for name, value in found.items()})
    except (ValueError, TypeError, AttributeError):
        return Course()
