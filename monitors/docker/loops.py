"""Restart loops: many deaths of one container by one cause are told now and then with a count, not one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Severity, Signal, dump, load
from nightshift.monitors.docker.memory import Loop, Memory

if TYPE_CHECKING:
    from nightshift.monitors.docker.settings import Settings

_SAMPLE_CHARS = 4000
_TIMES = 1000


class Loops:
    """Keeps the loops in a memory; the same cause stays the same incident, whether told alone or counted."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    def add(self, memory: Memory, container: str, signal: Signal) -> list[Signal]:
        """A death (or a kill for memory): itself while there are few, a loop's signal when that is due, or nothing."""
        loop = memory.loops.setdefault(f"{container}|{_cause(signal)}", Loop())
        oldest = signal.at_ms - round(self._settings.loop_window_s * 1000)
        loop.times = [*[at_ms for at_ms in loop.times if at_ms > oldest][-_TIMES:], signal.at_ms]
        if len(loop.times) <= self._settings.loop_deaths:
            loop.told_ms = self._clock.now_ms()
            return [signal]
        loop.first_ms = loop.first_ms if loop.waiting else signal.at_ms
        loop.waiting, loop.last_ms = loop.waiting + 1, signal.at_ms
        loop.signal = dump(replace(signal, sample=signal.sample[-_SAMPLE_CHARS:]))
        return self._told(loop) if self._is_due(loop) else []

    def due(self, memory: Memory, *, all_of_them: bool = False) -> list[Signal]:
        """What has waited long enough; `all_of_them`: or not."""
        ripe = [loop for loop in memory.loops.values() if loop.waiting and (all_of_them or self._is_due(loop))]
        return [signal for loop in ripe for signal in self._told(loop)]

    def of(self, memory: Memory, container: str) -> list[Signal]:
        """What waits of one container, which is gone."""
        loops = [loop for key, loop in memory.loops.items() if key.startswith(f"{container}|") and loop.waiting]
        return [signal for loop in loops for signal in self._told(loop)]

    def _is_due(self, loop: Loop) -> bool:
        return self._clock.now_ms() - loop.told_ms >= self._settings.loop_every_s * 1000

    def _told(self, loop: Loop) -> list[Signal]:
        signal: Signal = load(Signal, loop.signal)
        said = f"restarts in a loop: {len(loop.times)} deaths within {self._settings.loop_window_s:.0f} s"
        made = replace(
            signal, at_ms=loop.first_ms, last_at_ms=loop.last_ms, count=loop.waiting, severity=Severity.CRITICAL
        )
        loop.told_ms, loop.waiting, loop.signal = self._clock.now_ms(), 0, {}
        if made.exception:  # its message says which crash it is
            return [replace(made, labels={**made.labels, "state": said})]
        return [replace(made, message=f"{made.message}; {said}")]


def _cause(signal: Signal) -> str:
    if signal.exception:
        last = signal.frames[-1] if signal.frames else None
        return f"{signal.exception}@{last.path}:{last.function}" if last else signal.exception
    return f"{signal.kind}:{signal.labels.get('exit_code', '')}"
