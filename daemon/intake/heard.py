"""A signal made ready to be decided on: everything that needs no store, worked out before the transaction begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nightshift.daemon.intake import kinship
from nightshift.daemon.intake.cleaning import storable
from nightshift.daemon.intake.fingerprint import fingerprint
from nightshift.daemon.intake.live import Key
from nightshift.daemon.intake.matching import Rules
from nightshift.daemon.model import Signal

_OLDEST_MS = 366 * 86_400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """A signal with its fingerprint, its believable times, its rank and, for the first of a kind, its ties."""

    signal: Signal
    key: str
    mark: str
    at_ms: int
    last_at_ms: int
    times: int
    rank: int
    instance: str = ""
    """Which of several of its kind fires, when it is a state that holds."""
    tokens: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        """Whether it is a state that lasts until it is resolved."""
        return bool(self.instance)

    @property
    def stream(self) -> Key:
        """What it is deduplicated by."""
        return self.signal.service, self.mark


def heard(signal: Signal, rules: Rules, now_ms: int) -> Heard:
    """The signal, rated by the rules, with its own time unless that is absurd: a source's clock is not trusted."""
    service, source = storable(signal.service[:200]), storable(signal.source[:200])
    if (service, source) != (signal.service, signal.source):
        signal = replace(signal, service=service, source=source)
    mark = fingerprint(signal)
    signal = rules.rated(signal, mark)
    at_ms = signal.at_ms if now_ms - _OLDEST_MS < signal.at_ms <= now_ms else now_ms
    last_ms = signal.last_at_ms if at_ms <= signal.last_at_ms <= now_ms else at_ms
    rank = kinship.rank(signal)
    which = kinship.instance(signal, mark) if kinship.holds(signal, rank) else ""
    return Heard(signal=signal, key=storable(signal.key[:300]), mark=mark, at_ms=at_ms, last_at_ms=last_ms,
                 times=max(1, signal.count), rank=rank, instance=which)  # fmt: skip
