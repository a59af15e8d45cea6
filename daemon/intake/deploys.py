"""Is a crash new because something new was shipped? Then others that are new with the same release share its cause.

A release counts as fresh near its first sight only, and only after an older one was seen: otherwise every crash of a
service that names its release would be tied to every other.
"""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.daemon.intake import kinship
from nightshift.daemon.intake.heard import Heard
from nightshift.daemon.store.ingest import Ingest

_MAX_REMEMBERED = 10_000


class Deploys:
    """Releases by their first sight, and our own deploys by the journal. `remembered` outlives batches."""

    def __init__(self, ingest: Ingest, window_ms: int, remembered: set[tuple[str, str]]) -> None:
        self._ingest, self._window_ms, self._remembered = ingest, window_ms, remembered
        self._releases: dict[str, dict[str, int]] = {}
        self._own: dict[str, dict[str, int]] = {}

    def note(self, given: Sequence[Heard]) -> None:
        """Remember the first sight of each release of a batch."""
        first: dict[tuple[str, str], int] = {}
        for h in given:
            if name := kinship.release(h.signal):
                key = (h.signal.service, name)
                first[key] = min(h.at_ms, first.get(key, h.at_ms))
        new = {key: at_ms for key, at_ms in first.items() if key not in self._remembered}
        rows = [{"service": service, "release": name, "first_at_ms": at} for (service, name), at in new.items()]
        self._ingest.add("releases", rows)
        if len(self._remembered) + len(new) > _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered.update(new)

    def recall(self, causes: Sequence[Heard], since_ms: int) -> None:
        """Read what was shipped lately to the services of these."""
        named = {h.signal.service for h in causes if kinship.release(h.signal)}
        for row in self._ingest.releases_of(named):
            self._releases.setdefault(row["service"], {})[row["release"]] = row["first_at_ms"]
        for row in self._ingest.deploys({h.signal.service for h in causes}, since_ms):
            self._own.setdefault(row["service"], {})[row["mission"]] = row["at_ms"]

    def of(self, h: Heard) -> list[str]:
        """The fresh deploys a crash came with."""
        if not h.rank:
            return []
        own = [mission for mission, at_ms in self._own.get(h.signal.service, {}).items()
               if 0 <= h.at_ms - at_ms <= self._window_ms]  # fmt: skip
        known, name = self._releases.get(h.signal.service, {}), kinship.release(h.signal)
        first_ms = known.get(name)
        fresh = first_ms is not None and abs(h.at_ms - first_ms) <= self._window_ms
        older = first_ms is not None and any(at_ms < first_ms for at_ms in known.values())
        return [f"{h.signal.service}@{name}"] * (fresh and older) + own
