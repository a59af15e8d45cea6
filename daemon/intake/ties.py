"""What the first of a kind has in common with others, worked out for a batch at once and late for who turns out to need
it: whether one is the first of its kind may depend on what the batch said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nightshift.daemon.intake import kinship
from nightshift.daemon.intake.correlation import Correlation
from nightshift.daemon.intake.deploys import Deploys
from nightshift.daemon.intake.heard import Heard
from nightshift.daemon.intake.memory import Memory
from nightshift.daemon.intake.storms import Storms


class Ties:
    """Over one batch's memory."""

    def __init__(
        self, memory: Memory, correlation: Correlation, storms: Storms, deploys: Deploys, window_ms: int
    ) -> None:
        self._memory, self._correlation, self._storms, self._deploys = memory, correlation, storms, deploys
        self._window_ms = window_ms
        self._tied: dict[int, Heard] = {}

    def prepare(self, new: Sequence[Heard]) -> None:
        """Read the incidents to which the ties of these lead, and the storms they may be part of."""
        if not new:
            return
        begin, end = min(h.at_ms for h in new), max(h.at_ms for h in new)
        self._deploys.recall([h for h in new if h.rank], begin - self._window_ms)
        # By identity: what comes twice under one key is not always equal, and the first one counts.
        tied = {id(h): replace(h, tokens=kinship.tokens(h.signal, self._deploys.of(h))) for h in new}
        self._tied.update(tied)
        lookups = {t for h in tied.values() for t in self._correlation.lookups(h.signal.service, h.tokens)}
        if self._window_ms:
            self._memory.candidates(lookups, begin - self._window_ms, end + self._window_ms)
        self._storms.recall({h.signal.service for h in new}, begin, end)

    def of(self, h: Heard) -> Heard:
        """The same with its ties."""
        if id(h) not in self._tied:
            self.prepare([h])
        return self._tied[id(h)]
