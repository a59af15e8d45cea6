"""Where actions may call: hosts the configuration lists, at an address that was judged, never where a redirect leads.

The name is resolved once and the judged address is called, so a name that answers differently the second time (DNS
rebinding) gains nothing. Cloud metadata (link-local addresses) is out of reach unless it is listed as an address.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from nightshift.daemon.ports import EnvironmentBroke, Refused

from ..context import Context

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, kw_only=True)
class Called:
    """A host that may be called, and the one address to call it at."""

    host: str
    port: int
    address: str

    def pinned(self, url: str) -> str:
        """A URL of the host with its address in place of the name."""
        literal = f"[{self.address}]" if ":" in self.address else self.address
        return urlsplit(url)._replace(netloc=f"{literal}:{self.port}").geturl()

    def header(self, scheme: str) -> str:
        """What the server is told it was called."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[scheme] else f"{name}:{self.port}"


def of_url(context: Context, url: str) -> Called:
    """Judge a URL. Raises Refused with the reason, EnvironmentBroke when the name can't be resolved now."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise Refused(f"the address is no URL: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Refused("the address must be http:// or https:// with a host")
    if parts.username is not None or parts.password is not None or not url.isprintable() or " " in url:
        raise Refused("the address must hold no user name, no password and no blanks")
    return of_host(context, parts.hostname, port, usual=_PORTS[parts.scheme])


def of_host(context: Context, host: str, port: int, *, usual: int) -> Called:
    """Judge a host and port; `usual` is the port a bare name in `runbooks.limits.hosts` stands for."""
    named = f"[{host}]" if ":" in host else host
    listed = {entry.lower() for entry in context.limits.hosts}
    if f"{named}:{port}" not in listed and not (named in listed and port == usual):
        raise Refused(f"{named}:{port} is not among runbooks.limits.hosts")
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EnvironmentBroke(f"the host {host} can't be resolved: {error}") from None
    addresses = [str(row[4][0]).partition("%")[0] for row in rows]
    for address in addresses:
        if address != host and _unfit(address):
            raise Refused(f"the host {host} leads to {address}, which is no server's address")
    return Called(host=host, port=port, address=addresses[0])


def called_here(url: str) -> bool:
    """Whether a URL names this machine by its loopback address or name."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unfit(address: str) -> bool:
    judged = ipaddress.ip_address(address)
    if isinstance(judged, ipaddress.IPv6Address):
        judged = judged.ipv4_mapped or judged.sixtofour or judged
    return judged.is_link_local or judged.is_multicast or judged.is_unspecified
