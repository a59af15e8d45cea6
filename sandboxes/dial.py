"""Engines on other machines: ssh, TLS and the docker program's contexts, each behind a socket file of our own.

Every connection to that file is one program (`ssh … docker system dial-stdio`, or `docker --context … system
dial-stdio`) that gets the connection as its standard input and output, which is how the docker program itself reaches
such engines. So keys, certificates, known hosts and agents are those programs' business, half-closed streams work (an
SDK's own TLS and SSH sockets lose them, and a tar that is sent would never end), and everything above stays as it is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.ports import EnvironmentBroke

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

_SSH = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15", "-o", "LogLevel=ERROR",
        "-o", "ControlMaster=auto", "-o", "ControlPersist=60")  # fmt: skip
_TLS = {"--tlscacert": "ca.pem", "--tlscert": "cert.pem", "--tlskey": "key.pem"}


class Dial:
    """A socket file whose connections go to a program. Close it; it leaves no process, file or thread."""

    def __init__(self, argv: Sequence[str], farewell: Sequence[str] = (), folder: str = "") -> None:
        self._argv, self._farewell = list(argv), list(farewell)
        self._folder = folder or private_folder()
        self._server = socket.socket(socket.AF_UNIX)
        self.path = f"{self._folder}/engine.sock"
        self._server.bind(self.path)
        self._server.listen(32)
        self._children: list[Any] = []
        self._errors = open(f"{self._folder}/errors", "w+b")  # noqa: SIM115 - closed by `close`
        self._thread = threading.Thread(target=self._accept, name="engine-dial", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                with near:
                    self._children = [child for child in self._children if child.poll() is None]
                    self._children.append(spawn(self._argv, stdin=near.fileno(), stdout=near.fileno(),
                                                stderr=self._errors))  # fmt: skip

    def said(self) -> str:
        """The last thing a program complained about."""
        self._errors.flush()
        size = os.fstat(self._errors.fileno()).st_size
        lines = os.pread(self._errors.fileno(), 4096, max(0, size - 4096)).decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Take no more connections, end the programs, remove the file."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(timeout=10)
        if self._farewell:
            run(self._farewell, timeout_s=10, cwd="/")
        for child in self._children:
            child.kill()
            child.wait()
        self._errors.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def private_folder() -> str:
    """A folder that only this user may enter; its path is short, as socket files need it."""
    return tempfile.mkdtemp(prefix="nightshift-dial-", dir="/tmp")


def over_ssh(address: str, options: Sequence[str]) -> APIClient:
    """A client of the engine at ``ssh://[user@]host[:port][/path/of/its.sock]``; `options` are words for ssh."""
    parts = urlsplit(address)
    if not parts.hostname:
        raise EnvironmentBroke(f"{address} names no host: write ssh://user@host")
    folder = private_folder()
    words = ["ssh", *_SSH, "-o", f"ControlPath={folder}/%C", *options]
    words += ["-l", parts.username] if parts.username else []
    words += ["-p", str(parts.port)] if parts.port else []
    there = ["docker", *(["-H", f"unix://{parts.path}"] if parts.path.strip("/") else []), "system", "dial-stdio"]
    argv = [_program("ssh"), *words[1:], "--", parts.hostname, *there]
    return _client(Dial(argv, [*argv[: argv.index("--")], "-O", "exit", "--", parts.hostname], folder), address)


def over_docker(*flags: str) -> APIClient:
    """A client of the engine that the docker program reaches with these flags."""
    return _client(Dial([_program("docker"), *flags, "system", "dial-stdio"]), " ".join(flags))


def tls_flags(address: str, folder: str) -> list[str]:
    """The docker program's flags for an address with the certificates in a folder."""
    lacking = [name for name in _TLS.values() if not os.path.exists(f"{folder}/{name}")]
    if lacking:
        raise EnvironmentBroke(f"{folder} has no {', '.join(lacking)}: docker_tls names the folder that holds them")
    return ["-H", address, "--tlsverify", *(word for flag, name in _TLS.items() for word in (flag, f"{folder}/{name}"))]


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        fix = {"ssh": "openssh-client", "docker": "docker.io (or docker-cli)"}[name]
        raise EnvironmentBroke(f"the program {name} is needed to reach that engine: apt-get install {fix}")
    return found


def _client(dial: Dial, where: str) -> APIClient:
    import docker
    from docker.errors import DockerException

    class Dialled(docker.APIClient):  # type: ignore[misc]
        """Closes what it is reached through."""

        elsewhere = True

        def close(self) -> None:
            super().close()
            dial.close()

    try:
        return Dialled(base_url=f"unix://{dial.path}", version="auto", timeout=60)
    except (DockerException, OSError) as error:
        said = dial.said() or str(error)
        dial.close()
        raise EnvironmentBroke(f"the engine at {where} does not answer: {said}") from error


def chosen(settings: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, str, str]:
    """Address, context and certificate folder: the settings' own, else what the docker program's variables say."""
    if settings["docker_host"] or settings["docker_context"]:
        return settings["docker_host"], settings["docker_context"], settings["docker_tls"]
    if host := environ.get("DOCKER_HOST", ""):
        verify = environ.get("DOCKER_TLS_VERIFY", "")
        folder = environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
        return host, "", settings["docker_tls"] or (folder if verify else "")
    return "", environ.get("DOCKER_CONTEXT", ""), ""
