"""For how long a server's certificate is still good, as it is shown to whoever connects. Whether it can be trusted is
not asked: a certificate that has run out can't be, and its date is what is wanted. Changes nothing."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.ports import EnvironmentBroke

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .calling import of_host

_DAY_S = 86_400
_SEQUENCE, _UTC_TIME, _LONG_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0


class Arguments(BaseModel):
    """Which server."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: str = Field(min_length=1, max_length=253)
    """Its name; must be among `runbooks.limits.hosts`."""
    port: int = Field(default=443, ge=1, le=65535)
    """Its port."""
    server_name: str = Field(default="", max_length=253)
    """The name asked for (SNI); empty: the host."""
    at_least_days: float = Field(default=0.0, ge=0, le=3650)
    """Fail when it is good for less."""


class TlsExpiry(Action):
    """`tls.expiry`."""

    name: ClassVar[str] = "tls.expiry"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("days", "not_after")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"look at the certificate of {arguments.host}:{arguments.port}"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `days` left and `not_after`; raises ActionFailed when it is less than asked."""
        del key, evidence, repeated
        ends = not_after(_certificate(arguments, context, timeout_s))
        days = (ends.timestamp() - context.clock.now_ms() / 1000) / _DAY_S
        text = f"the certificate of {arguments.host}:{arguments.port} is good until {ends:%Y-%m-%d %H:%M} UTC"
        if days < arguments.at_least_days:
            raise ActionFailed(f"{text}: {days:.1f} days, at least {arguments.at_least_days:g} are wanted")
        return Output(text=f"{text}, {days:.1f} days", values={"days": round(days, 3), "not_after": ends.isoformat()})


def _certificate(arguments: Arguments, context: Context, timeout_s: float) -> bytes:
    """In DER, as the server shows it."""
    called = of_host(context, arguments.host.lower(), arguments.port, usual=443)
    asking = ssl.create_default_context()
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((called.address, called.port), timeout=timeout_s) as plain,
            asking.wrap_socket(plain, server_hostname=arguments.server_name or called.host) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except (OSError, ssl.SSLError) as error:
        raise EnvironmentBroke(f"{arguments.host}:{arguments.port} shows no certificate: {error}") from None
    if not shown:
        raise EnvironmentBroke(f"{arguments.host}:{arguments.port} shows no certificate")
    return shown


def not_after(certificate: bytes) -> datetime:
    """When a certificate (X.509 in DER) ends. Raises ActionFailed for bytes that are none.

    RFC 5280, 4.1: Certificate → tbsCertificate → [version], serial, algorithm, issuer, validity → (begin, end).
    """
    try:
        _, outer, _ = _part(certificate)
        _, signed, _ = _part(outer)
        tag, _, rest = _part(signed)
        if tag == _VERSION:
            _, _, rest = _part(rest)
        for _ in range(2):
            _, _, rest = _part(rest)
        tag, validity, _ = _part(rest)
        _, _, last = _part(validity)
        kind, text, _ = _part(last)
        if tag != _SEQUENCE or kind not in (_UTC_TIME, _LONG_TIME):
            raise ValueError("no validity")
        form = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
        return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC)
    except (ValueError, IndexError) as error:
        raise ActionFailed(f"the server shows something that is no certificate: {error}") from None


def _part(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, content and what follows of the first DER element."""
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
    if at + length > len(data):
        raise ValueError("cut off")
    return tag, data[at : at + length], data[at + length :]
