"""How requests are opened and merged: settings that mean the same on every kind of server."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["squash", "merge", "rebase"]


class Shipping(BaseModel):
    """How requests are opened and merged; the same for every kind of server."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    merge: Method = "merge"
    """How requests are merged: `merge` (a merge commit), `squash` or `rebase`."""
    merge_by_repository: dict[str, Method] = Field(default_factory=dict)
    """The same for single repositories (`owner/name`)."""
    max_open: int = Field(default=5, ge=1)
    """How many requests of Nightshift's may be open in one repository; more wait. Rollbacks never wait."""
    reviewers: int = Field(default=3, ge=0, le=15)
    """How many owners of the changed files (CODEOWNERS) are asked for a review; 0: nobody is."""
    required_checks: tuple[str, ...] = ()
    """Checks that have to be green before a merge, besides those the forge itself requires."""
    required_approvals: int = Field(default=0, ge=0)
    """How many people have to approve on the forge before a merge, if the forge itself does not ask for more."""
    timeout_s: float = Field(default=20.0, gt=0)
    """Seconds one call may take."""
    patience_s: float = Field(default=60.0, gt=0)
    """Seconds in which a call that was turned away or got no answer is tried again; then the mission waits."""
