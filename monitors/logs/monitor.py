"""The log monitor: what is looked at when, and what is durable.

At-least-once: a checkpoint never lies behind the start of an event that is still open, and travels in the same
transaction as the signals found before it. Signal keys (generation and offset) make reading twice count once.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import Sink
from nightshift.monitors.interrupt import Interrupt
from nightshift.monitors.logs.delivery import Delivery
from nightshift.monitors.logs.files import Files
from nightshift.monitors.logs.followed import STDIN
from nightshift.monitors.logs.inotify import Inotify
from nightshift.monitors.logs.observe import Watches
from nightshift.monitors.logs.places import Place
from nightshift.monitors.logs.rounds import Rounds
from nightshift.monitors.logs.walk import Walk
from nightshift.monitors.logs.watched import Watchdog, native

if TYPE_CHECKING:
    from nightshift.monitors.logs.feeds import Feed, Reader
    from nightshift.monitors.logs.settings import Settings

_log = logging.getLogger(__name__)


class LogMonitor:
    """Follows files, patterns, journals and commands until told to stop; nothing a log holds makes it fail."""

    name = "logs"

    def __init__(self, settings: Settings, clock: Clock, kernel: Callable[[], Inotify | Watchdog] = native) -> None:
        self._settings, self._clock, self._kernel = settings, clock, kernel

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`; then saves offsets and leaves."""
        feeds = _feeds(self._settings, self._clock, sink, checkpoints, stop)
        run = Life(self._settings, self._clock, sink, stop, self._kernel)
        try:
            run.files.load(checkpoints)
            del checkpoints
            for feed in feeds:
                feed.start()
            run.loop()
        finally:
            run.close()
            for feed in feeds:
                feed.join()


def _feeds(
    settings: Settings, clock: Clock, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event
) -> list[Feed]:
    """What is read besides files; each in a thread of its own."""
    if not (settings.journals or settings.commands or any(file.path == STDIN for file in settings.files)):
        return []
    from nightshift.monitors.logs.feeds import Feed
    from nightshift.monitors.logs.journal import JournalReader
    from nightshift.monitors.logs.output import Program

    readers: list[tuple[str, Reader]] = []
    for file in settings.files:
        if file.path == STDIN:
            program = Program(settings, clock, name="stdin", argv=(), service=file.service, form=file.format)
            readers.append(("stdin", program))
    for command in settings.commands:
        name = os.path.basename(command.argv[0])
        program = Program(settings, clock, name=name, argv=command.argv, service=command.service, form=command.format)
        readers.append((name, program))
    for journal in settings.journals:
        reader = JournalReader(settings, journal, clock)
        reader.load(checkpoints)
        readers.append(("journal", reader))
    return [Feed(name, reader, sink, stop, clock, settings.reconcile_s) for name, reader in readers]


class Life:
    """One life of the monitor."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        sink: Sink,
        stop: threading.Event,
        kernel: Callable[[], Inotify | Watchdog],
    ) -> None:
        self._clock, self._stop = clock, stop
        walk = Walk(os.path.abspath(f.path) for f in settings.files if f.path != STDIN)
        self._watches = Watches(walk, kernel)
        self.files = Files(settings, clock, self._watches)
        self._rounds = Rounds(settings, clock, self.files, self._watches, walk)
        self._delivery = Delivery(sink, stop, clock)
        self._first = False

    def loop(self) -> None:
        """Until `stop`."""
        with Interrupt(self._stop, "logs").guarding(self._watches.wake):
            self.begin()
            while not self._stop.is_set():
                self.step()
                if not self.files.busy:
                    self._watches.wait(self._idle_s())

    def begin(self) -> None:
        """The first look at everything; what lies there already is old from then on."""
        for _ in self._rounds.first():
            self._turn()
            if self._stop.is_set():
                return
        self._first = True
        self._turn(save=True)

    def step(self) -> None:
        """Do what there is to do now; never waits, unless the store is away."""
        self._turn(save=self._rounds.slice())

    def _turn(self, *, save: bool = False) -> None:
        """Every changed and every busy file is read once; what silence ended is closed; signals are delivered."""
        for path, writes in self._watches.take().items():
            self.files.visit(path, writes=writes)
        self.files.queue_older()
        self.files.read_busy()
        self.files.settle()
        self._deliver(self.files.moved() if save else [])

    def _deliver(self, moved: list[Place]) -> None:
        """Hand over what was found, with the offsets of where it was found and of `moved`."""
        signals, places = self.files.take_signals()
        self._delivery.add(signals)
        wanted = dict.fromkeys((*places, *moved))
        if not wanted and not self._delivery.pending and not self._first:
            return
        self._first = False
        if self._delivery.hand_over(self.files.checkpoints(wanted)):
            self.files.saved(wanted)

    def _idle_s(self) -> float:
        return max(0.0, min(self._rounds.due_s(), self.files.due_s()) - self._clock.monotonic())

    def close(self) -> None:
        """Save offsets, if the store takes them, and give everything back."""
        try:
            while moved := self.files.moved():
                self._deliver(moved)
                if self._delivery.failed:
                    break
            self._deliver([])
        finally:
            self.files.close()
            self._watches.close()
