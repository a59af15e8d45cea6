"""How git is let into somebody else's repository, without the secret ever being where others can read it.

A token in a URL or in `-c http.extraHeader=` stands in every process list; in the environment it reaches every child
and its core dumps; on disk it outlives the push. Here it lies in a sealed file in memory that git and its children
inherit open, and git's credential helper is `cat` on that descriptor.
"""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What one git command gets: `flags` before its name, `env` besides its own, `fds` that stay open."""

    flags: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    fds: tuple[int, ...] = ()


class Access(Protocol):
    """A way into repositories."""

    def granted(self, source: str) -> AbstractContextManager[Grant]:
        """What a command that talks to `source` gets, for as long as it runs."""
        ...


class Nobody:
    """No credential at all."""

    @contextmanager
    def granted(self, source: str) -> Iterator[Grant]:  # noqa: ARG002 - the port's signature
        """Nothing."""
        yield Grant()


@dataclass(frozen=True, kw_only=True)
class Login:
    """User name and password for one origin (``https://host[:port]``), asked for anew by each command.

    Redirected elsewhere, git gets nothing; over plain HTTP it only does on this machine.
    """

    origin: str
    login: Callable[[], tuple[str, str]]

    @contextmanager
    def granted(self, source: str) -> Iterator[Grant]:
        """The credential, readable by the command and its children, when the source is of this origin."""
        if origin_of(source) != self.origin or not safe_to_tell(self.origin):
            yield Grant()
            return
        with _in_memory("username={}\npassword={}\n".format(*map(_one_line, self.login()))) as fd:
            helper = f'!f() {{ test "$1" != get || cat /proc/self/fd/{fd}; }}; f'
            flags = ("-c", "credential.helper=", "-c", f"credential.{self.origin}.helper={helper}")
            yield Grant(flags=flags, fds=(fd,))


@dataclass(frozen=True, kw_only=True)
class SshKey:
    """A key file that ssh reads by itself (None: the agent's), and the known hosts; unknown ones are refused."""

    key: Path | None = None
    known_hosts: Path | None = None
    timeout_s: int = 20

    @contextmanager
    def granted(self, source: str) -> Iterator[Grant]:  # noqa: ARG002 - the port's signature
        """ssh's own options; there is no secret in them."""
        options = {"BatchMode": "yes", "StrictHostKeyChecking": "yes", "ConnectTimeout": str(self.timeout_s)}
        if self.known_hosts:
            options["UserKnownHostsFile"] = str(self.known_hosts)
        if self.key:
            options |= {"IdentitiesOnly": "yes", "IdentityFile": str(self.key)}
        words = ["ssh", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
        yield Grant(env={"GIT_SSH_COMMAND": shlex.join(words), "GIT_SSH_VARIANT": "ssh"})


def origin_of(source: str) -> str:
    """``scheme://host[:port]`` of an HTTP address, in lower case, without user; '' for anything else."""
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port and parts.port != {"http": 80, "https": 443}[parts.scheme] else ""
    return f"{parts.scheme}://{host}{port}"


def safe_to_tell(origin: str) -> bool:
    """Whether a secret may be sent there: encrypted, or not leaving this machine."""
    parts = urlsplit(origin)
    return parts.scheme == "https" or (parts.hostname or "") in ("127.0.0.1", "localhost", "::1")


def _one_line(text: str) -> str:
    if any(sign in text for sign in "\n\r\0"):
        raise ValueError("a credential has a line break or a NUL in it")
    return text


@contextmanager
def _in_memory(text: str) -> Iterator[int]:
    fd = os.memfd_create("nightshift", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(fd, text.encode())
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        yield fd
    finally:
        os.close(fd)
