"""One try of each kind of check: '' when all is well, else what is wrong."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke

if TYPE_CHECKING:
    from nightshift.monitors.probes import AnyCheck, CommandCheck, HttpCheck, TcpCheck

_BODY_BYTES = 64 << 10
_DAY_S = 86_400


def tried(check: AnyCheck) -> str:
    """Try once; never raises for what the other side does."""
    begun_s = time.monotonic()
    wrong = _TRIES[check.kind](check)
    took_ms = (time.monotonic() - begun_s) * 1000
    if not wrong and check.slow_ms is not None and took_ms > check.slow_ms:
        return f"answered after {took_ms:.0f} ms; {check.slow_ms:.0f} ms are fine"
    return redact(wrong)[:500]


def _http(check: HttpCheck) -> str:
    import httpx

    headers = {name: value.get_secret_value() for name, value in check.headers.items()}
    deadline_s = time.monotonic() + check.timeout_s
    try:
        with (
            httpx.Client(timeout=check.timeout_s, follow_redirects=False, trust_env=False) as client,
            client.stream(check.method, check.url, headers=headers) as answer,
        ):
            body = _beginning(answer, deadline_s)
            return _wrong(check, answer.status_code, body) or _expires(check, answer)
    except TimeoutError:
        return f"no whole answer within {check.timeout_s:g} s"
    except httpx.TimeoutException:
        return f"no answer within {check.timeout_s:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def _beginning(answer: Any, deadline_s: float) -> bytes:
    """The first bytes of a body; a body that drips is not waited for."""
    body = bytearray()
    for piece in answer.iter_bytes(8192):
        body += piece
        if len(body) >= _BODY_BYTES:
            break
        if time.monotonic() > deadline_s:
            raise TimeoutError
    return bytes(body[:_BODY_BYTES])


def _wrong(check: HttpCheck, status: int, body: bytes) -> str:
    if (check.status and status not in check.status) or (not check.status and not 200 <= status < 400):
        return f"answered {status}"
    if check.contains and check.contains.encode() not in body:
        return f"the answer does not contain {check.contains[:60]!r}"
    return ""


def _expires(check: HttpCheck, answer: Any) -> str:
    stream = answer.extensions.get("network_stream")
    wire = stream.get_extra_info("ssl_object") if stream is not None and check.certificate_days else None
    if wire is None:
        return ""
    import ssl

    left_days = (ssl.cert_time_to_seconds(str(wire.getpeercert()["notAfter"])) - time.time()) / _DAY_S
    return f"its certificate ends in {left_days:.1f} days" if left_days < check.certificate_days else ""


def _tcp(check: TcpCheck) -> str:
    try:
        socket.create_connection((check.host, check.port), check.timeout_s).close()
    except TimeoutError:
        return f"no connection within {check.timeout_s:g} s"
    except OSError as error:
        return f"no connection: {error.strerror or error}"
    return ""


def _command(check: CommandCheck) -> str:
    from nightshift.daemon.kit.run import run

    try:
        done = run(list(check.argv), timeout_s=check.timeout_s)
    except (EnvironmentBroke, OSError) as broke:
        return str(broke)
    if done.ended == "timeout":
        return f"did not end within {check.timeout_s:g} s"
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return f"exit status {done.code}{': ' + said[-1][:300] if said else ''}" if done.code else ""


_TRIES: dict[str, Callable[[Any], str]] = {"http": _http, "tcp": _tcp, "command": _command}
