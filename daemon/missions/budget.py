"""What a mission may spend; apart from the parts, so that reading a configuration imports no store."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


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
