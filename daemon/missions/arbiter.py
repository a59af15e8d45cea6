"""Chooses among accepted patches, or abstains: proof says a patch works, not that it is the one people want."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nightshift.daemon.model import Critique, Reproduction, Verdict

SURVIVORS_UNTELLABLE = 8


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The verdict chosen, or None with the reason for abstaining."""

    verdict: Verdict | None
    reason: str


def posterior(tally: Mapping[str, int]) -> float:
    """Probability that a fixer's patch lasts: mean of Beta(1 + healed, 1 + bad), Laplace's rule of succession."""
    good = tally.get("healed", 0)
    bad = tally.get("rolled_back", 0) + tally.get("rejected", 0)
    return (1 + good) / (2 + good + bad)


def order(fixers: Sequence[str], tally: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Fixers by track record for this kind of incident; without history the configured order stands."""
    weight = {name: posterior(tally.get(name, {})) for name in fixers}
    settled = {name: sum(tally.get(name, {}).values()) >= 5 for name in fixers}
    return sorted(fixers, key=lambda name: -weight[name] if settled[name] else -0.5)


def choose(
    accepted: Sequence[Verdict], plausible: int, reproduction: Reproduction, critique: Critique | None = None
) -> Choice:
    """The first accepted patch in search order, unless the evidence can't tell it from its rivals.

    A synthesised test knows only that nothing crashes; when very many different edits achieve that, none of
    them is evidence of what the code should do. (Measured: the more survivors, the lower the precision.)
    """
    if not accepted:
        return Choice(verdict=None, reason="no patch passed every gate")
    best = accepted[0]
    if critique and critique.abstain:
        return Choice(verdict=None, reason=critique.abstain)
    weak = reproduction.kind == "synthesised" and best.patch.kind not in ("revert", "partial-revert")
    if weak and plausible >= SURVIVORS_UNTELLABLE:
        reason = f"{plausible} different edits stop the crash and no test tells which is right"
        return Choice(verdict=None, reason=reason)
    return Choice(verdict=best, reason=f"best ranked of {len(accepted)} accepted, {plausible} plausible")
