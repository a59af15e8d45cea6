"""When is which check tried, and when is it said? A check that hangs holds up nobody but itself."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import register_secret
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Sink
from nightshift.monitors.probes.tries import tried

if TYPE_CHECKING:
    from nightshift.monitors.probes import AnyCheck, Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a check has gone: failures and successes in a row, and since when it is said to fail (0: it is not)."""

    failures: int = 0
    successes: int = 0
    firing_ms: int = 0


def after(check: AnyCheck, course: Course, wrong: str, now_ms: int) -> tuple[Course, Signal | None]:
    """The course after one more try, and the signal it causes."""
    if wrong:
        course = replace(course, failures=course.failures + 1, successes=0)
        if course.firing_ms or course.failures < check.failures:
            return course, None
        course = replace(course, firing_ms=now_ms)
        message = f"{wrong} ({course.failures} times in a row)" if course.failures > 1 else wrong
        return course, _signal(check, course, now_ms, message, resolved=False)
    course = replace(course, failures=0, successes=course.successes + 1)
    if not course.firing_ms or course.successes < check.successes:
        return course, None
    return Course(), _signal(check, course, now_ms, "it answers as it should again", resolved=True)


def _signal(check: AnyCheck, course: Course, now_ms: int, message: str, *, resolved: bool) -> Signal:
    state = "resolved" if resolved else "firing"
    return Signal(
        key=f"probes:{check.name}:{course.firing_ms}:{state}", source="probes", service=check.service,
        title=f"check failed: {check.name}", at_ms=now_ms, kind="alert", severity=check.severity, message=message,
        labels={"alertname": check.name, "check": check.kind}, resolved=resolved,
    )  # fmt: skip


class ProbeMonitor:
    """Tries every check at its interval, spread over time, so many at once at most."""

    name = "probes"

    def __init__(
        self, settings: Settings, clock: Clock, attempt: Callable[[AnyCheck], str] = tried, random: Random | None = None
    ) -> None:
        self._settings, self._clock, self._try = settings, clock, attempt
        self._random = random or Random()
        self._courses: dict[str, Course] = {}
        for check in settings.checks:
            for secret in getattr(check, "headers", {}).values():
                register_secret(secret.get_secret_value())

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`."""
        self._courses = {c.name: _course(checkpoints.get(f"probes:{c.name}", "")) for c in self._settings.checks}
        now_s = self._clock.monotonic()
        due = {c.name: now_s + self._random.uniform(0, min(c.interval_s, 5.0)) for c in self._settings.checks}
        running: dict[Future[str], AnyCheck] = {}
        pool = ThreadPoolExecutor(self._settings.at_once, thread_name_prefix="probe")
        try:
            while not stop.is_set():
                self._begin(pool, due, running)
                done, _ = wait(running, timeout=0.05) if running else (set(), None)
                for future in done:
                    self._ended(running.pop(future), future.result(), sink)
                if not running:
                    stop.wait(max(0.01, min(0.5, min(due.values()) - self._clock.monotonic())))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, pool: ThreadPoolExecutor, due: dict[str, float], running: dict[Future[str], AnyCheck]) -> None:
        now_s, busy = self._clock.monotonic(), {check.name for check in running.values()}
        for check in self._settings.checks:
            if due[check.name] <= now_s and check.name not in busy:
                due[check.name] = max(due[check.name] + check.interval_s, now_s)
                running[pool.submit(self._guarded, check)] = check

    def _guarded(self, check: AnyCheck) -> str:
        try:
            return self._try(check)
        except Exception as error:  # noqa: BLE001 - the edge of a thread: an odd answer is a failed check
            _log.exception("check %s could not be tried", check.name)
            return f"could not be tried: {type(error).__name__}"

    def _ended(self, check: AnyCheck, wrong: str, sink: Sink) -> None:
        before = self._courses[check.name]
        course, signal = after(check, before, wrong, self._clock.now_ms())
        self._courses[check.name] = course
        if signal is not None:
            _log.info("%s: %s", signal.title, signal.message)
            sink([signal], {f"probes:{check.name}": json.dumps(asdict(course))})


def _course(text: str) -> Course:
    try:
        found = json.loads(text or "{}")
        return Course(**{name: int(value) for name, value in found.items()})
    except (ValueError, TypeError, AttributeError):
        return Course()
