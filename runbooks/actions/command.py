"""Run a program of the host: the way out where no typed action exists, so only what a person listed, word for word."""

from __future__ import annotations

import os
import shlex
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.kit.run import run
from nightshift.daemon.ports import EnvironmentBroke, Refused

from ..action import Action, Evidence
from ..context import Context
from ..errors import ActionFailed

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST")
_MAX_OUTPUT = 64 * 1024


class Arguments(BaseModel):
    """What to run."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    argv: tuple[str, ...] = Field(min_length=1, max_length=100)
    """Program and arguments; must be on the allow-list exactly like this. There is no shell."""
    exit_codes: tuple[int, ...] = (0,)
    """Exit codes that mean success."""
    repeat: bool = False
    """Whether it may run once more when a run was killed in the middle of it and nobody knows whether it worked."""


class Command(Action):
    """`command`."""

    name: ClassVar[str] = "command"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        refused = "" if arguments.argv in context.commands else " (refused: not on the allow-list)"
        return f"run: {shlex.join(arguments.argv)}{refused}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """Refuses here already what isn't on the allow-list."""
        del timeout_s
        if arguments.argv not in context.commands:
            raise Refused(f"the command is not on the allow-list: {shlex.join(arguments.argv)}")
        return {}

    def run(
        self,
        arguments: Arguments,
        context: Context,
        *,
        key: str,
        evidence: Evidence,
        repeated: bool,
        timeout_s: float,
    ) -> str:
        """Standard output, redacted, at most 64 KiB. The program finds the key in NIGHTSHIFT_RUN_KEY."""
        del evidence
        self.before(arguments, context, timeout_s=timeout_s)
        if repeated and not arguments.repeat:
            raise ActionFailed("it was interrupted before; nobody knows whether it worked, and `repeat` is not set")
        env = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"NIGHTSHIFT_RUN_KEY": key}
        try:
            done = run(arguments.argv, timeout_s=timeout_s, env=env, max_output=_MAX_OUTPUT)
        except FileNotFoundError:
            raise ActionFailed(f"there is no program {arguments.argv[0]}") from None
        except PermissionError:
            raise ActionFailed(f"{arguments.argv[0]} may not be executed") from None
        except OSError as error:
            raise EnvironmentBroke(f"no process can be started: {error.strerror}") from error
        if done.ended == "timeout":
            raise ActionFailed(f"it took longer than {timeout_s:g} s")
        if done.ended == "output":
            raise ActionFailed(f"it wrote more than {_MAX_OUTPUT} bytes")
        if done.code not in arguments.exit_codes:
            raise ActionFailed(f"exit code {done.code}: {redact(done.why())[:500]}")
        return redact(done.text())
