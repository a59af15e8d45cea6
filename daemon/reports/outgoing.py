"""Where a webhook may go. The name is resolved once, every address is judged, and the judged one is connected to:
a name that answers differently the second time (DNS rebinding) gains nothing."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from nightshift.daemon.ports import EnvironmentBroke, Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, kw_only=True)
class Target:
    """A URL that may be called, and the one address it may be called at."""

    url: str
    scheme: str
    host: str
    port: int
    address: str

    @property
    def pinned_url(self) -> str:
        """The URL with the host replaced by the judged address."""
        literal = f"[{self.address}]" if ":" in self.address else self.address
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{literal}:{self.port}").geturl()

    @property
    def host_header(self) -> str:
        """What the server is told it was called."""
        usual = {"https": 443, "http": 80}[self.scheme]
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == usual else f"{name}:{self.port}"


def target(url: str, *, allow_private: bool) -> Target:
    """Judge a URL. Raises `Refused` with the reason, `EnvironmentBroke` when the name can't be resolved now.

    Link-local (cloud metadata), multicast, reserved and unspecified addresses are never called; loopback and private
    ones, and plain http, only with `allow_private`.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError as error:
        raise Refused(f"webhook address is no URL: {error}") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise Refused("webhook address must be http:// or https:// with a host")
    if parts.username is not None or parts.password is not None:
        raise Refused("webhook address must not hold a user name or password")
    if parts.scheme == "http" and not allow_private:
        raise Refused("webhook address is plain http: use https, or set allow_private")
    addresses = _resolve(host, port)
    for address in addresses:
        if why := _forbidden(address, allow_private=allow_private):
            raise Refused(f"webhook address {host} is {why} ({address})")
    return Target(url=url, scheme=parts.scheme, host=host, port=port, address=str(addresses[0]))


def _resolve(host: str, port: int) -> list[Address]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EnvironmentBroke(f"webhook host {host} can't be resolved: {error}") from None
    return [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]


def _forbidden(address: Address, *, allow_private: bool) -> str:
    """Why an address may not be called; '' when it may. Addresses inside IPv6 wrappings count as themselves."""
    inner = _inner(address)
    if inner.is_link_local:
        return "link-local"
    if inner.is_multicast or inner.is_unspecified or (inner.is_reserved and not inner.is_loopback):
        return "reserved"
    if allow_private or inner.is_global:
        return ""
    return "loopback" if inner.is_loopback else "private"


def _inner(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address
