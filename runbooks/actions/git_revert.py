"""Undo a commit of a service's repository: as a change request, which people or policy merge, not as a push."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context, Repositories
from ..errors import ActionFailed


class Arguments(BaseModel):
    """Which commit."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    service: str = Field(min_length=1, max_length=100)
    """The service whose repository it is in."""
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$")
    """The commit to undo; it must be part of the branch that is deployed."""
    merge: bool = False
    """Merge it at once when a person started or approved the run, and policy lets it; else it waits for a person:
    nothing proves that undoing a commit is right."""


class GitRevert(Action):
    """`git.revert`."""

    name: ClassVar[str] = "git.revert"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("url", "branch", "head", "merged")
    can_undo: ClassVar[bool] = True

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        how = "and merge it if a person asked for this run" if arguments.merge else "for a person to merge"
        return f"propose the undoing of {arguments.commit[:12]} in {arguments.service}, {how}"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `url`, `branch`, `head` and `merged` ('' while it waits)."""
        del evidence, repeated, timeout_s
        merge = arguments.merge and bool(context.person)
        made = _repositories(context).revert(arguments.service, arguments.commit, key=key, merge=merge)
        state = f"merged as {made['merged'][:12]}" if made.get("merged") else f"proposed on {made.get('branch', '')}"
        return Output(text=f"the undoing of {arguments.commit[:12]} is {state}", values=dict(made))

    def undo(self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """Closes the proposal; what is merged stays, another revert takes it back."""
        del evidence, timeout_s
        return _repositories(context).take_back(arguments.service, key=key)


def _repositories(context: Context) -> Repositories:
    if context.repositories is None:
        raise ActionFailed("repositories are only known to the daemon")
    return context.repositories
