"""Restart a systemd unit. The id of its invocation, noted first, tells a repeated run whether it was restarted."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.kit.run import Completed, run
from nightshift.daemon.ports import EnvironmentBroke, Refused

from ..action import Action, Evidence
from ..context import Context
from ..errors import ActionFailed
from .cluster import paced

_MOST_BYTES = 64 * 1024


class Arguments(BaseModel):
    """Which unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    unit: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9@:_.\\-]{0,200}$")
    """Name of the unit; must be among `runbooks.limits.units`."""
    user: bool = False
    """A unit of the user Nightshift runs as."""
    active_within_s: float = Field(default=30.0, ge=0, le=600)
    """How long it may take until it is active, and stays so for a second."""


class ProcessRestart(Action):
    """`process.restart`."""

    name: ClassVar[str] = "process.restart"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"restart the unit {arguments.unit}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The unit's present invocation."""
        if arguments.unit not in context.limits.units:
            raise Refused(f"the unit {arguments.unit} is not among runbooks.limits.units")
        shown = _shown(arguments, timeout_s)
        if shown.get("LoadState") != "loaded":
            raise ActionFailed(f"there is no unit {arguments.unit} ({shown.get('LoadState', 'unknown')})")
        return {"invocation": shown.get("InvocationID", "")}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str:
        """Restarts it unless it has been since; waits until it is active."""
        del key, repeated
        if _shown(arguments, timeout_s).get("InvocationID", "") == evidence["invocation"]:
            done = _systemctl(arguments, timeout_s, "restart", "--", arguments.unit)
            if not done.ok:
                raise ActionFailed(f"systemctl restart {arguments.unit}: {redact(done.why())[:300]}")
        active, state = 0, ""
        for _ in paced(context, arguments.active_within_s):
            state = _shown(arguments, timeout_s).get("ActiveState", "")
            active = active + 1 if state == "active" else 0
            if active > 1:
                return f"{arguments.unit} is active"
        raise ActionFailed(f"{arguments.unit} is {state or 'unknown'} after {arguments.active_within_s:g} s")


def _shown(arguments: Arguments, timeout_s: float) -> dict[str, str]:
    properties = "--property=LoadState,ActiveState,InvocationID"
    done = _systemctl(arguments, timeout_s, "show", properties, "--", arguments.unit)
    if not done.ok:
        raise EnvironmentBroke(f"systemctl show {arguments.unit}: {redact(done.why())[:300]}")
    rows = (line.partition("=") for line in done.text().splitlines())
    return {name: value for name, _, value in rows}


def _systemctl(arguments: Arguments, timeout_s: float, *words: str) -> Completed:
    argv = ["systemctl", *(["--user"] if arguments.user else []), "--no-pager", "--no-ask-password", *words]
    try:
        return run(argv, timeout_s=timeout_s, max_output=_MOST_BYTES)
    except FileNotFoundError:
        raise ActionFailed("there is no systemctl on this machine") from None
    except OSError as error:
        raise EnvironmentBroke(f"no process can be started: {error.strerror}") from error
