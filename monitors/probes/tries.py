"""One try of each kind of check: what is wrong, and how long it took. None outlasts its time-out."""

from __future__ import annotations

import re
import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.monitors.probes.deadline import Deadline

if TYPE_CHECKING:
    from nightshift.monitors.probes import AnyCheck, CommandCheck, HttpCheck, TcpCheck

_BODY_BYTES = 64 << 10
_OUTPUT_BYTES = 1 << 20
_DAY_S = 86_400
Stopped = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """How one try went: `wrong` is '' when all was well."""

    wrong: str = ""
    took_ms: float = 0.0


def tried(check: AnyCheck, stopped: Stopped = lambda: False) -> Tried:
    """Try once; never raises for what the other side does. `stopped` ends a program early."""
    if check.kind == "http":
        import httpx  # noqa: F401 - loaded before the watch starts, or the first try would be slow
    begun_s = time.monotonic()
    wrong = _TRIES[check.kind](check, stopped)
    return Tried(wrong=redact(wrong)[:500], took_ms=(time.monotonic() - begun_s) * 1000)


def _http(check: HttpCheck, _: Stopped) -> str:
    import httpx

    from nightshift.monitors.probes.deadline import trusted

    # Asked for as it is: a few hundred bytes of some encodings unpack to gigabytes.
    headers = {
        "Accept-Encoding": "identity",
        **{name: value.get_secret_value() for name, value in check.headers.items()},
    }
    begun, deadline = False, Deadline(check.timeout_s)
    try:
        with (
            deadline,
            httpx.Client(timeout=check.timeout_s, trust_env=False, verify=trusted(check.ca_file)) as client,
            client.stream(check.method, check.url, headers=headers, extensions={"trace": deadline.trace}) as answer,
        ):
            begun = True
            expires = _expires(check, answer)  # now: once the body is read the connection may be gone
            return _wrong(check, answer.status_code, _beginning(answer, deadline)) or expires
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, zlib.error) as error:
        if deadline.passed or isinstance(error, httpx.TimeoutException):
            return f"no {'whole ' * begun}answer within {check.timeout_s:g} s"
        return f"{type(error).__name__}: {error}"


def _beginning(answer: Any, deadline: Deadline) -> bytes:
    """The first bytes of a body, unpacked if they were packed all the same."""
    body = bytearray()
    for piece in answer.iter_raw(8192):
        body += piece
        if len(body) >= _BODY_BYTES:
            break
    if deadline.passed:
        raise TimeoutError
    if answer.headers.get("content-encoding", "").lower() in ("gzip", "deflate"):
        return zlib.decompressobj(47).decompress(bytes(body), _BODY_BYTES)
    return bytes(body[:_BODY_BYTES])


def _wrong(check: HttpCheck, status: int, body: bytes) -> str:
    if (check.status and status not in check.status) or (not check.status and not 200 <= status < 400):
        return f"answered {status}"
    if check.contains and check.contains.encode() not in body:
        return f"the answer does not contain {check.contains[:60]!r}"
    if check.matches and not re.search(check.matches, body.decode("utf-8", "replace")):
        return f"nothing in the answer matches {check.matches[:60]!r}"
    return ""


def _expires(check: HttpCheck, answer: Any) -> str:
    stream = answer.extensions.get("network_stream")
    wire = stream.get_extra_info("ssl_object") if stream is not None and check.certificate_days else None
    if wire is None:
        return ""
    import ssl

    left_days = (ssl.cert_time_to_seconds(str(wire.getpeercert()["notAfter"])) - time.time()) / _DAY_S
    return f"its certificate ends in {left_days:.1f} days" if left_days < check.certificate_days else ""


def _tcp(check: TcpCheck, _: Stopped) -> str:
    deadline_s, error = time.monotonic() + check.timeout_s, OSError("no address")
    try:
        addresses = socket.getaddrinfo(check.host, check.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as unknown:
        return f"no address: {unknown}"
    for family, kind, protocol, _name, address in addresses:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            break
        try:
            with socket.socket(family, kind, protocol) as wire:
                wire.settimeout(left_s)
                wire.connect(address)
                return ""
        except OSError as failed:
            error = failed
    if isinstance(error, TimeoutError):
        return f"no connection within {check.timeout_s:g} s"
    return f"no connection: {error.strerror or error}"


def _command(check: CommandCheck, stopped: Stopped) -> str:
    from nightshift.daemon.kit.run import run

    try:
        done = run(list(check.argv), timeout_s=check.timeout_s, max_output=_OUTPUT_BYTES,
                   stop=lambda: "stopped" if stopped() else "")  # fmt: skip
    except (EnvironmentBroke, OSError, ValueError) as broke:
        return str(broke)
    if done.ended == "timeout":
        return f"did not end within {check.timeout_s:g} s"
    if done.ended == "output":
        return f"wrote more than {_OUTPUT_BYTES >> 10} KiB"
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    ended = f"killed by signal {-done.code}" if done.code < 0 else f"exit status {done.code}"
    return f"{ended}{': ' + said[-1][:300] if said else ''}" if done.code else ""


_TRIES: dict[str, Callable[[Any, Stopped], str]] = {"http": _http, "tcp": _tcp, "command": _command}
