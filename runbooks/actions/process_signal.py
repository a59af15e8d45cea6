"""Send a signal to the process a pid file names. The process is held by a handle while it is looked at, so the signal
can't reach a stranger that got its number; a pid file may only name processes of the user who owns the file."""

from __future__ import annotations

import os
import signal
import stat
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.ports import Refused

from ..action import Action, Evidence
from ..context import Context
from ..errors import ActionFailed
from .cluster import paced

_MOST_BYTES = 64
_MOST_PID = 1 << 22


class Arguments(BaseModel):
    """Which process, and which signal."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    pid_file: str = Field(min_length=2, max_length=4096)
    """The file that names it; must be among `runbooks.limits.pid_files`."""
    signal: Literal["HUP", "USR1", "USR2", "INT", "TERM"] = "HUP"
    """The signal. There is no KILL: what has to be killed needs a person, or its service manager."""
    gone_within_s: float = Field(default=0.0, ge=0, le=600)
    """Wait until the process is gone; 0 does not wait."""


class ProcessSignal(Action):
    """`process.signal`."""

    name: ClassVar[str] = "process.signal"
    accepts: ClassVar[type[BaseModel]] = Arguments

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"send {arguments.signal} to the process of {arguments.pid_file}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The process and when it was born."""
        del timeout_s
        if Path(arguments.pid_file) not in context.limits.pid_files:
            raise Refused(f"{arguments.pid_file} is not among runbooks.limits.pid_files")
        pid = _pid(arguments.pid_file)
        return {"pid": pid, "born": _born(pid)}

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str:
        """Sends it, unless that process is gone. One that was cut off sends again: these signals bear that."""
        del key, repeated, timeout_s
        pid, born = evidence["pid"], evidence["born"]
        handle = _handle(pid)
        if handle is None or not born:
            return self._gone(arguments, pid)
        try:
            if _born(pid) != born:
                return self._gone(arguments, pid)
            signal.pidfd_send_signal(handle, signal.Signals[f"SIG{arguments.signal}"])
        except ProcessLookupError:
            return self._gone(arguments, pid)
        except PermissionError:
            raise ActionFailed(f"the process {pid} may not be signalled by the user Nightshift runs as") from None
        finally:
            os.close(handle)
        if arguments.gone_within_s:
            self._wait(arguments, context, pid, born)
        return f"sent {arguments.signal} to {pid}"

    def _gone(self, arguments: Arguments, pid: int) -> str:
        if arguments.gone_within_s or arguments.signal in ("TERM", "INT"):
            return f"the process {pid} is gone"
        raise ActionFailed(f"the process {pid} is gone")

    def _wait(self, arguments: Arguments, context: Context, pid: int, born: str) -> None:
        for _ in paced(context, arguments.gone_within_s):
            if _born(pid) != born:
                return
        raise ActionFailed(f"the process {pid} is still there after {arguments.gone_within_s:g} s")


def _pid(path: str) -> int:
    """The process a pid file names, if the file's owner may speak for it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ActionFailed(f"{path} can't be read: {error.strerror}") from None
    try:
        found, data = os.fstat(handle), os.read(handle, _MOST_BYTES)
    finally:
        os.close(handle)
    text = data.decode("ascii", "replace").strip()
    if (
        not stat.S_ISREG(found.st_mode)
        or not text.isdigit()
        or not 1 < int(text) < _MOST_PID
        or int(text) == os.getpid()
    ):
        raise ActionFailed(f"{path} names no process that may be signalled")
    with suppress(FileNotFoundError, ProcessLookupError):
        owner = os.stat(f"/proc/{text}").st_uid
        if found.st_uid not in (0, owner):
            raise Refused(f"{path} belongs to the user {found.st_uid}, the process {text} to {owner}")
    return int(text)


def _handle(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _born(pid: int) -> str:
    """When a process started, in the kernel's ticks; '' when it isn't there."""
    with suppress(OSError, IndexError):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if after_name[0] == "Z" else after_name[19]
    return ""
