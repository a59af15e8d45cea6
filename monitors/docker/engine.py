"""The container engine through its SDK: one connection, its events, its containers and the ends of their logs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nightshift.daemon.ports import EnvironmentBroke

if TYPE_CHECKING:
    from docker import DockerClient

    from nightshift.monitors.docker.settings import Settings

EVENTS = ("die", "kill", "oom", "health_status", "start", "destroy")
_MOST_BYTES = 8 << 20


def troubles() -> tuple[type[Exception], ...]:
    """What a request raises when the engine, or the way to it, fails."""
    from docker.errors import DockerException
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    return (EnvironmentBroke, DockerException, RequestException, HTTPError, OSError)


@contextlib.contextmanager
def connected(settings: Settings) -> Iterator[DockerClient]:
    """A client of its own. Raises EnvironmentBroke for certificates that can't be read, and what `troubles` names."""
    import docker

    timeout = round(settings.timeout_s) or 1
    url = settings.url or os.environ.get("DOCKER_HOST", "")
    try:
        tls = _tls(settings)
    except (docker.errors.TLSParameterError, OSError) as error:
        raise EnvironmentBroke(f"the engine's certificates can't be used: {error}") from None
    if tls is not None:
        made = docker.DockerClient(base_url=url, tls=tls, timeout=timeout)
    elif settings.url:
        made = docker.DockerClient(base_url=url, timeout=timeout)
    else:
        made = docker.from_env(timeout=timeout)
    with contextlib.closing(made):
        yield made


def _tls(settings: Settings) -> Any:
    from docker.tls import TLSConfig

    folder = settings.certificates
    if folder is None:
        return None
    paths = [str(folder / name) for name in ("cert.pem", "key.pem", "ca.pem")]
    for path in paths:
        open(path, "rb").close()
    return TLSConfig(client_cert=(paths[0], paths[1]), ca_cert=paths[2], verify=True)


def events(engine: DockerClient, after_ns: int, until_ns: int = 0) -> Any:
    """What happened to containers after a time of the engine's clock, up to another one or without end."""
    return engine.events(
        since=_stamp(after_ns + 1), until=_stamp(until_ns) if until_ns else None, decode=True,
        filters={"type": "container", "event": list(EVENTS)},
    )  # fmt: skip


def inspected(engine: DockerClient, container: str) -> Mapping[str, Any]:
    """What the engine knows of a container; nothing when it is gone."""
    from docker.errors import NotFound

    try:
        found = engine.api.inspect_container(container)
    except NotFound:
        return {}
    return found if isinstance(found, dict) else {}


def log_of(
    engine: DockerClient, container: str, settings: Settings, since_ms: int, until_ms: int, *, only_errors: bool = False
) -> bytes:
    """The end of what one run of a container wrote, or b'' where it can't be had."""
    if not settings.log_lines:
        return b""
    times = {name: ms / 1000 for name, ms in (("since", since_ms), ("until", until_ms)) if ms > 0}
    kept, read = bytearray(), 0
    with contextlib.suppress(*troubles()):  # removed in the meantime, a log driver that can't be read, a cut line
        chunks = engine.api.logs(
            container, stdout=not only_errors, stderr=True, stream=True, follow=False, tail=settings.log_lines, **times
        )
        for chunk in chunks:
            kept += chunk
            read += len(chunk)
            del kept[: -settings.log_bytes]
            if read > _MOST_BYTES:
                break
    return bytes(kept)


def _stamp(at_ns: int) -> str:
    return f"{at_ns // 10**9}.{at_ns % 10**9:09d}"
