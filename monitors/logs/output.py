"""One stream of log bytes that has no file behind it: a program's output, standard input, one service's journal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Signal
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.rules import compiled
from nightshift.monitors.logs.scan import Prefilter, Scanner

if TYPE_CHECKING:
    from nightshift.daemon.kit.clock import Clock
    from nightshift.monitors.logs.settings import Settings


class Output:
    """Bytes in, signals out, with the rules of silence that files have."""

    def __init__(
        self, settings: Settings, prefilter: Prefilter, clock: Clock, *, service: str, source: str, identity: str,
        labels: Mapping[str, str], form: str = "auto",
    ) -> None:  # fmt: skip
        self._settings, self._clock = settings, clock
        self._grouper = Grouper(service=service, source=source, identity=identity, clock=clock, labels=labels,
                                form=form, errors=settings.errors, max_lines=settings.event_lines)  # fmt: skip
        self.scanner = Scanner(self._grouper, prefilter, position=0, line_bytes=settings.line_bytes)
        self._grown_s = clock.monotonic()

    @property
    def idle(self) -> bool:
        """Nothing is open."""
        return self._grouper.idle

    def feed(self, data: bytes, *, whole: bool = False) -> None:
        """More bytes. `whole`: they are everything the writer had to say at once."""
        start, buffer = self.scanner.read_at(), bytearray(self.scanner.carry)
        buffer += data
        self.scanner.scan(buffer, len(buffer))
        self._grown_s = self._clock.monotonic()
        if whole and not self.idle and self._grouper.ended and self.scanner.resume_at() >= start:
            self.scanner.settle()

    def due_s(self) -> float:
        """When silence closes something."""
        if self.idle:
            return math.inf
        if self.scanner.partial:
            return self._grown_s + self._settings.flush_s
        return self._grown_s + (self._settings.quiet_s if self._grouper.ended else self._settings.abandon_s)

    def settle(self, *, over: bool = False) -> None:
        """Close what silence has ended, or everything."""
        if over:
            self.scanner.finish_line()
            self.scanner.settle()
        elif self._clock.monotonic() >= self.due_s():
            self.scanner.finish_line() if self.scanner.partial else self.scanner.settle()

    def take(self) -> list[Signal]:
        """What was found since the last call."""
        found, self._grouper.out = self._grouper.out, []
        return found


class Program:
    """What a program prints, or what comes in on standard input (`argv` is empty). Nothing is kept across restarts:
    such a stream can't be read twice."""

    def __init__(
        self, settings: Settings, clock: Clock, *, name: str, argv: Sequence[str], service: str, form: str
    ) -> None:
        self._argv, self._name = list(argv), name
        self._settings, self._clock, self._service, self._form = settings, clock, service, form
        self._prefilter = Prefilter(errors=settings.errors, rules=compiled(settings.rules, clock))
        self._output = self._new()
        self._left: list[Signal] = []

    def _new(self) -> Output:
        identity = stable_id("log", self._name, f"{self._clock.now_ms()}", f"{self._clock.monotonic()}")
        return Output(
            self._settings, self._prefilter, self._clock, service=self._service, source=f"logs:{self._name}",
            identity=identity, labels={"log": self._name}, form=self._form,
        )  # fmt: skip

    def argv(self) -> Sequence[str]:
        """A new life of the program: a new stream."""
        self._left += self._output.take()
        self._output = self._new()
        return self._argv

    def feed(self, data: bytes) -> None:
        """Bytes that came."""
        self._output.feed(data)

    def due_s(self) -> float:
        """When silence next closes something."""
        return self._output.due_s()

    def settle(self, *, over: bool = False) -> None:
        """Close what silence has ended."""
        self._output.settle(over=over)

    def take(self) -> list[Signal]:
        """What was found since the last call."""
        found, self._left = [*self._left, *self._output.take()], []
        return found

    def checkpoints(self) -> dict[str, str]:
        """None: it begins anew with every life."""
        return {}
