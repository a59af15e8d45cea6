"""The container engine through its SDK: one connection, its events, its containers and the ends of their logs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nightshift.daemon.ports import EnvironmentBroke

if TYPE_CHECKING:
    from docker import APIClient

    from nightshift.monitors.docker.settings import Settings

EVENTS = ("die", "kill", "oom", "health_status", "start", "destroy")
_MOST_BYTES = 8 << 20


def troubles() -> tuple[type[Exception], ...]:
    """What a request raises when the engine, or the way to it, fails."""
    from docker.errors import DockerException, StreamParseError
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    return (EnvironmentBroke, DockerException, StreamParseError, RequestException, HTTPError, OSError)


@contextlib.contextmanager
def connected(settings: Settings) -> Iterator[APIClient]:
    """A client of its own. Raises EnvironmentBroke for certificates that can't be read, and what `troubles` names."""
    from docker.utils import kwargs_from_env

    asked = {"base_url": settings.url} if settings.url else kwargs_from_env()
    if (tls := _tls(settings)) is not None:
        asked["tls"] = tls
    client = _private() if asked.get("tls") else _plain()
    with contextlib.closing(client(version="auto", timeout=round(settings.timeout_s) or 1, **asked)) as made:
        yield made


def _plain() -> Any:
    from docker import APIClient

    return APIClient


def _private() -> Any:
    """A client that trusts the engine's own authority only.

    requests lets REQUESTS_CA_BUNDLE of the environment win over the authority a session was given.
    """

    class Client(_plain()):  # type: ignore[misc]
        @property
        def trust_env(self) -> bool:
            return False

        @trust_env.setter
        def trust_env(self, _: bool) -> None: ...

    return Client


def _tls(settings: Settings) -> Any:
    from docker.errors import TLSParameterError
    from docker.tls import TLSConfig

    folder = settings.certificates
    if folder is None:
        return None
    certificate, key, authority = (str(folder / name) for name in ("cert.pem", "key.pem", "ca.pem"))
    try:
        return TLSConfig(client_cert=(certificate, key), ca_cert=authority, verify=True)
    except TLSParameterError as error:
        raise EnvironmentBroke(f"the engine's certificates can't be used: {error}") from None


def events(engine: APIClient, after_ns: int, until_ns: int = 0) -> Any:
    """What happened to containers after a time of the engine's clock, up to another one or without end."""
    return engine.events(
        since=_stamp(after_ns + 1), until=_stamp(until_ns) if until_ns else None, decode=True,
        filters={"type": "container", "event": list(EVENTS)},
    )  # fmt: skip


def inspected(engine: APIClient, container: str) -> Mapping[str, Any]:
    """What the engine knows of a container; nothing when it is gone."""
    from docker.errors import NotFound

    try:
        found = engine.inspect_container(container)
    except NotFound:
        return {}
    return found if isinstance(found, dict) else {}


def log_of(
    engine: APIClient, container: str, settings: Settings, since_ms: int, until_ms: int, *, only_errors: bool = False
) -> bytes:
    """The end of what one run of a container wrote, or b'' where it can't be had."""
    if not settings.log_lines:
        return b""
    times = {name: ms / 1000 for name, ms in (("since", since_ms), ("until", until_ms)) if ms > 0}
    kept, read = bytearray(), 0
    with contextlib.suppress(*troubles()):  # removed in the meantime, a log driver that can't be read, a cut line
        chunks = engine.logs(
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
