"""What healed this service before, for creators that learn from it: patches of missions that ended healed."""

from __future__ import annotations

from dataclasses import replace

from nightshift.daemon.missions.policy.rules import NEVER_ALONE
from nightshift.daemon.model import Case, Precedent, Service
from nightshift.daemon.store.store import Store

_MOST, _MOST_CHARACTERS = 12, 8000
_NO_PATTERN = ("revert", "partial-revert", "dependency", *NEVER_ALONE)
"""Kinds that say nothing of how code is mended."""


def with_precedents(store: Store, service: Service, case: Case) -> Case:
    """The case with the newest small patches that healed. Raises as the store does."""
    found = [patch for mission in store.memory.healed(service.name, 2 * _MOST) if (patch := _patch(store, mission))]
    return replace(case, precedents=tuple(found[:_MOST]))


def _patch(store: Store, mission: str) -> Precedent | None:
    verdicts = [event.data["verdict"] for event in store.journal.of(mission) if event.data.get("verdict")]
    accepted = [v["patch"] for v in verdicts if v["judgement"] == "accepted"]
    if not accepted or accepted[-1]["kind"] in _NO_PATTERN or len(accepted[-1]["diff"]) > _MOST_CHARACTERS:
        return None
    return Precedent(mission=mission, base=accepted[-1]["base"], diff=accepted[-1]["diff"])
