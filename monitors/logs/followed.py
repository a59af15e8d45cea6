"""Everything that is followed: paths, generations, descriptors, and who waits for what. State only; the rules of
rotation (`generations`), looking (`files`) and reading (`reading`) work on it."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Severity, Signal
from nightshift.monitors.logs.descriptors import Descriptors
from nightshift.monitors.logs.identity import Mark, Past
from nightshift.monitors.logs.observe import Watches
from nightshift.monitors.logs.patterns import Matcher
from nightshift.monitors.logs.places import Checkpoints, Place
from nightshift.monitors.logs.rotated import is_packed

if TYPE_CHECKING:
    from nightshift.daemon.kit.clock import Clock
    from nightshift.monitors.logs.settings import LogFile, Settings
    from nightshift.monitors.logs.tail import Tail

_log = logging.getLogger(__name__)
_FINISHED = 256
STDIN = "-"
"""The path that means standard input."""


class Followed:
    """Used by one thread.

    `by_file`: the generation of each file on disk, by device and inode. `finished`: generations let go of, in case
    their file turns up under another name. `claims`: where an earlier life stood in each file, until the first look
    at everything is over. `restless`: places with something open. `unsaved`: places that may have moved.
    `siblings`: places beside which a rotated name turned up. `entwined`: places whose checkpoints are right only
    together, as a generation moved from one to the other or is read for it.
    """

    def __init__(self, settings: Settings, clock: Clock, watches: Watches) -> None:
        self.settings, self.clock, self.watches = settings, clock, watches
        self._rules = [(Matcher(os.path.abspath(f.path)), f) for f in settings.files if f.path != STDIN]
        self.places: dict[str, Place] = {}
        self.by_file: dict[int, Tail] = {}
        self.finished: OrderedDict[int, Tail] = OrderedDict()
        self.claims: dict[int, tuple[Place, Mark]] = {}
        self.claimed: set[str] = set()
        self.descriptors = Descriptors(settings.open_files)
        self.checkpoints = Checkpoints()
        self.busy: OrderedDict[Tail, int] = OrderedDict()
        self.restless: dict[Place, None] = {}
        self.unsaved: dict[Place, None] = {}
        self.siblings: set[Place] = set()
        self.entwined: dict[Place, None] = {}
        self.alarms: list[Signal] = []
        self._alarmed: OrderedDict[str, int] = OrderedDict()
        self.floor = 0

    def rule_of(self, path: str) -> LogFile | None:
        """Who wants a path; the first rule counts. Packed files are nobody's: they are read as what they were."""
        if is_packed(path):
            return None
        return next((rule for matches, rule in self._rules if matches(path)), None)

    def concerns(self, path: str) -> bool:
        """Whether a path is one of ours."""
        return path in self.places or self.rule_of(path) is not None

    def stir(self, place: Place) -> None:
        """Something about a place may have changed."""
        self.restless[place] = self.unsaved[place] = None

    def entwine(self, *places: Place) -> None:
        """Save these at once, in one transaction."""
        self.entwined.update(dict.fromkeys(places))

    def attach(self, tail: Tail, fd: int) -> None:
        """A generation is to be read."""
        self.by_file[tail.file] = tail
        self.finished.pop(tail.file, None)
        self.descriptors.hold(tail, fd)
        if not tail.copy:
            self.busy[tail] = 0

    def count(self, tail: Tail) -> None:
        """Have its writes counted, as long as it is not too busy for that."""
        if tail.fd is not None and not tail.copy:
            tail.watch = self.watches.count(tail.fd, tail.place.path)
            tail.counted_from = os.fstat(tail.fd).st_size if tail.watch else -1

    def uncount(self, tail: Tail) -> None:
        """Have its writes counted no longer."""
        if tail.watch:
            self.watches.forget(tail.watch)
        tail.watch, tail.counted_from = 0, -1

    def let_go(self, tail: Tail, *, rewritten: bool = False) -> None:
        """A generation is behind us."""
        self.descriptors.drop(tail)
        self.busy.pop(tail, None)
        self.uncount(tail)
        tail.sleep()
        tail.place.remember(Past(inode=tail.inode, head=tail.head, size=tail.seen, rewritten=rewritten))
        if self.by_file.get(tail.file) is tail:
            del self.by_file[tail.file]
            self.finished[tail.file] = tail
            if len(self.finished) > _FINISHED:
                self.finished.popitem(last=False)

    # ------------------------------------------------------------ alarms

    def lost(self, path: str, offset: int) -> None:
        """A generation is gone; whether it held more than was read, nobody can tell."""
        _log.warning("an older generation of %s is gone; lines it held behind offset %d are lost", path, offset)

    def outrun(self, place: Place) -> None:
        """Rotation is faster than reading, or the store too slow: said while there is still something to do."""
        name = os.path.basename(place.path)
        self._alarm(place, place.older[0].id, f"rotation of {name} outruns reading",
                    f"{place.path}: {len(place.older)} rotated files are not read to their end")  # fmt: skip

    def _alarm(self, place: Place, key: str, title: str, message: str) -> None:
        if key in self._alarmed:
            return
        self._alarmed[key] = 0
        if len(self._alarmed) > _FINISHED:
            self._alarmed.popitem(last=False)
        _log.warning("%s", message)
        self.alarms.append(
            Signal(key=stable_id("alarm", key), source=f"logs:{place.path}", service=place.rule.service, title=title,
                   at_ms=self.clock.now_ms(), kind="blind", severity=Severity.WARNING, message=message,
                   labels={"log": place.path})
        )  # fmt: skip
