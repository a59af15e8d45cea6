"""Keep new pods from a node, or let them come again. Whether it was closed before is noted first, for the undo."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from ..action import Action, Evidence
from ..context import Context
from .cluster import Name, cluster


class Arguments(BaseModel):
    """Which node."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    node: Name
    """Name of the node."""


class Cordon(Action):
    """`kubernetes.cordon`."""

    name: ClassVar[str] = "kubernetes.cordon"
    accepts: ClassVar[type[BaseModel]] = Arguments
    can_undo: ClassVar[bool] = True
    closed: ClassVar[bool] = True

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"{'cordon' if self.closed else 'uncordon'} the node {arguments.node}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """Whether the node is closed."""
        context.limits.check_node(arguments.node)
        with cluster(context, timeout_s) as api:
            return {"closed": bool(api.read("node", arguments.node)["spec"].get("unschedulable"))}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str:
        """Closes it."""
        del key, repeated
        self._set(arguments, context, self.closed, timeout_s)
        before = " already" if evidence["closed"] == self.closed else ""
        return f"node {arguments.node} is{before} {'closed' if self.closed else 'open'} to new pods"

    def undo(self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """As it was before."""
        del key
        self._set(arguments, context, evidence["closed"], timeout_s)
        return f"node {arguments.node} is {'closed' if evidence['closed'] else 'open'} again"

    def _set(self, arguments: Arguments, context: Context, closed: bool, timeout_s: float) -> None:
        with cluster(context, timeout_s) as api:
            api.patch("node", arguments.node, "", {"spec": {"unschedulable": closed}})


class Uncordon(Cordon):
    """`kubernetes.uncordon`."""

    name: ClassVar[str] = "kubernetes.uncordon"
    closed: ClassVar[bool] = False
