"""What a mission may spend; apart from the parts, so that reading a configuration imports no store."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field


class Tournament(BaseModel):
    """How the creators of one mission compete."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rounds: int = Field(default=2, ge=1, le=10)
    """Rounds of drafting at most: another one begins only when the critic refuted everything that had passed."""
    cores: int = Field(default=0, ge=0, le=256)
    """Creators of one mission at work at the same time; 0: as many as this machine has cores."""
    field: int = Field(default=8, ge=1, le=64)
    """Patches the critic compares at once."""

    def creators_at_once(self) -> int:
        """The cores granted, as far as this process may use them."""
        have = len(os.sched_getaffinity(0))
        return min(self.cores, have) if self.cores else have


class Budget(BaseModel):
    """What one mission may spend."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    mission_s: float = Field(default=900.0, gt=0)
    """Seconds of drafting and judging for one mission."""
    candidates: int = Field(default=20_000, gt=0)
    """Candidate edits one fixer may try."""
    patches: int = Field(default=8, gt=0)
    """Patches one fixer may hand to the tester."""
    rounds: int = Field(default=3, gt=0)
    """How often a mission may prove its patch because people moved the branch under it."""
    tournament: Tournament = Tournament()
