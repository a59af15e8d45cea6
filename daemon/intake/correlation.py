"""Which open incident does the first observation of a new kind belong to? Conservative, explained, order-free.

A symptom joins what it is near to; a cause takes over an incident of mere symptoms whose mission has not gathered its
evidence yet, and joins another cause on hard evidence only. When a signal ties several incidents of mere symptoms
together they become one, so that the result does not depend on who was heard first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightshift.daemon.intake import kinship
from nightshift.daemon.intake.live import Live
from nightshift.daemon.intake.memory import Memory

_CLOSED = frozenset({"known", "storm", "flapping"})
"""Held incidents that nothing joins: they are not about one fault."""
_NEAR = frozenset({"container", "pod", "service"})


@dataclass(frozen=True, kw_only=True)
class Joiner:
    """The first observation of a new kind: where it comes from and what it has in common with others."""

    service: str
    rank: int
    at_ms: int
    tokens: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Match:
    """An incident it may join, why, and whether it would be its root (a dependency behind its dependants)."""

    live: Live
    why: str
    order: int
    root: bool = False


class Correlation:
    """The rules over one batch's memory."""

    def __init__(self, memory: Memory, window_ms: int, topology: Mapping[str, Sequence[str]]) -> None:
        self._memory, self._window_ms, self._topology = memory, window_ms, topology
        self._dependants = kinship.dependants(topology)

    def lookups(self, service: str, tokens: Sequence[str]) -> Iterator[str]:
        """The ties to look for in the store."""
        yield from tokens
        if tokens:
            for other in (*self._topology.get(service, ()), *self._dependants.get(service, ())):
                yield f"service:{other}"

    def matches(self, joiner: Joiner) -> list[Match]:
        """Incidents it may join, best first: those with a cause, then by strength of evidence, then the older one."""
        if not self._window_ms or not joiner.tokens:
            return []
        found: dict[str, Match] = {}
        for match in self._all(joiner):
            if match.live.id not in found:
                found[match.live.id] = match
        order = lambda m: (not m.live.rank, m.order, m.live.first_at_ms, m.live.id)  # noqa: E731  one line says it
        return sorted(found.values(), key=order)

    def absorbed(self, others: Iterable[Match]) -> list[Match]:
        """Those of the other incidents that become part of the best one: mere symptoms nobody works on."""
        return [m for m in others if not m.live.rank and self._memory.mission(m.live) is None]

    def _all(self, joiner: Joiner) -> Iterator[Match]:
        for order, token in enumerate(joiner.tokens):
            for live in self._open(token, joiner):
                if self._may(joiner, live, token):
                    yield Match(live=live, why=kinship.said(token, abs(joiner.at_ms - live.first_at_ms)), order=order)
        yield from self._along(joiner)

    def _open(self, token: str, joiner: Joiner) -> list[Live]:
        return [
            live for live in self._memory.by_token.get(token, {}).values()
            if live.alive and not live.joined and live.held not in _CLOSED
            and abs(joiner.at_ms - live.first_at_ms) <= self._window_ms
        ]  # fmt: skip

    def _may(self, joiner: Joiner, live: Live, token: str) -> bool:
        if not joiner.rank:
            return token.partition(":")[0] != "exception"
        if joiner.rank > live.rank and not self._memory.promotable(live):
            return False
        kind = kinship.kind_of(token)
        if kinship.is_hard(token):
            return kind != "exception" or all(facet.service != joiner.service for facet in live.facets.values())
        return not live.rank and kind in _NEAR

    def _along(self, joiner: Joiner) -> Iterator[Match]:
        """Along the topology: to what the service needs (symptoms only), and from what needs the service."""
        late = len(joiner.tokens)
        for need in () if joiner.rank else self._topology.get(joiner.service, ()):
            for live in self._open(f"service:{need}", joiner):
                if live.tokens[f"service:{need}"] <= joiner.at_ms + kinship.GRACE_MS:
                    why = f"joined because {joiner.service} depends on {need}, {_apart(joiner, live)}"
                    yield Match(live=live, why=why, order=late)
        for other in sorted(self._dependants.get(joiner.service, ())):
            for live in self._open(f"service:{other}", joiner):
                if self._leads_to(joiner, live, other):
                    why = f"joined because {other} depends on {joiner.service}, {_apart(joiner, live)}"
                    yield Match(live=live, why=why, order=late + 1, root=not live.rank)

    def _leads_to(self, joiner: Joiner, live: Live, other: str) -> bool:
        """Whether an incident holds a symptom of a dependant that may come from the joiner."""
        if joiner.at_ms > live.first_at_ms + kinship.GRACE_MS:
            return False
        if joiner.rank and (live.rank or not self._memory.promotable(live)):
            return False
        return any(facet.service == other and not facet.rank for facet in live.facets.values())


def _apart(joiner: Joiner, live: Live) -> str:
    return f"{abs(joiner.at_ms - live.first_at_ms) / 1000:.0f} s apart"
