"""Listens in a thread of its own, so that the daemon keeps its signals and its end to itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nightshift.daemon.ports import EnvironmentBroke

if TYPE_CHECKING:
    from nightshift.daemon.web.api import Api

_START_S = 20.0
_STOP_S = 10.0


@contextmanager
def listening(
    api: Api, *, host: str, port: int, hosts: Iterable[str] = (), port_file: Path | None = None
) -> Iterator[int]:
    """Serve while the block runs; yields the port (the one that was free, for 0) and keeps it in `port_file`, where
    the command line looks for it. Raises EnvironmentBroke when the address can't be had."""
    import uvicorn

    from nightshift.daemon.web.application import create_app

    with _bound(host, port) as sock:
        config = uvicorn.Config(
            create_app(api, host=host, hosts=hosts), log_config=None, access_log=False, server_header=False,
            lifespan="off", ws="none", timeout_keep_alive=15, limit_concurrency=200,
            h11_max_incomplete_event_size=65536,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="http", daemon=True)
        thread.start()
        try:
            _await_start(server, thread)
            bound = int(sock.getsockname()[1])
            if port_file:
                port_file.write_text(f"{bound}\n")
            yield bound
        finally:
            if port_file:
                port_file.unlink(missing_ok=True)
            server.should_exit = True
            thread.join(_STOP_S)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host.strip("[]"), port))
    except OSError as error:
        sock.close()
        raise EnvironmentBroke(f"can't listen on {host}:{port}: {error.strerror or error}; set http.port") from error
    return sock


def _await_start(server: object, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_S
    while not getattr(server, "started", False):
        if not thread.is_alive() or time.monotonic() > deadline:
            raise EnvironmentBroke("the HTTP server did not start")
        time.sleep(0.01)
