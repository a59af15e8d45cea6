"""Many forges as one: the requests of a service go to the forge it names. Its parts are imported when it is named."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from nightshift.daemon.forges.all_forges import ALL_FORGES
from nightshift.daemon.forges.dialect import Dialect
from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.forges.shipping import Shipping
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import ChangeDraft, ChangeRequest, Health, Readiness, Service
from nightshift.daemon.ports import Forge, Refused


def remote(name: str, settings: Shipping, root: Path, clock: Clock) -> RemoteForge:
    """The forge of one entry of `forges`; its repositories lie in a folder of its own, ``root/NAME``."""
    kind: str = getattr(settings, "kind", "")
    module, _, make = ALL_FORGES[kind].partition(":")
    dialect: Dialect = getattr(import_module(module), make)(settings, clock)
    return RemoteForge(name, dialect, root / name, clock, settings)


class Routed:
    """Port `Forge` over several, by `Service.forge`."""

    name = "forges"

    def __init__(self, forges: Mapping[str, Forge]) -> None:
        self._forges = dict(forges)

    def of(self, service: Service) -> Forge:
        """The forge of a service; raises Refused when the configuration has none of that name."""
        if service.forge not in self._forges:
            raise Refused(f"{service.name} names the forge {service.forge!r}, which is not configured")
        return self._forges[service.forge]

    def path(self, service: Service) -> Path:
        """Port `Forge`."""
        return self.of(service).path(service)

    def sync(self, service: Service) -> str:
        """Port `Forge`."""
        return self.of(service).sync(service)

    def head(self, service: Service) -> str:
        """Port `Forge`."""
        return self.of(service).head(service)

    def propose(self, service: Service, draft: ChangeDraft) -> ChangeRequest:
        """Port `Forge`."""
        return self.of(service).propose(service, draft)

    def find(self, service: Service, key: str) -> ChangeRequest | None:
        """Port `Forge`."""
        return self.of(service).find(service, key)

    def list(self, service: Service) -> tuple[ChangeRequest, ...]:
        """Port `Forge`."""
        return self.of(service).list(service)

    def readiness(self, service: Service, key: str) -> Readiness:
        """Port `Forge`."""
        return self.of(service).readiness(service, key)

    def merge(self, service: Service, key: str, *, head: str, base: str) -> ChangeRequest:
        """Port `Forge`."""
        return self.of(service).merge(service, key, head=head, base=base)

    def comment(self, service: Service, key: str, once: str, text: str) -> None:
        """Port `Forge`."""
        self.of(service).comment(service, key, once, text)

    def close(self, service: Service, key: str, reason: str) -> ChangeRequest:
        """Port `Forge`."""
        return self.of(service).close(service, key, reason)

    def revert(self, service: Service, key: str) -> str:
        """Port `Forge`."""
        return self.of(service).revert(service, key)

    def may_steer(self, service: Service, person: str) -> bool:
        """Port `Forge`."""
        return self.of(service).may_steer(service, person)

    def pushed_by_people(self, service: Service, key: str, commit: str) -> bool:
        """Port `Forge`."""
        return self.of(service).pushed_by_people(service, key, commit)

    def probe(self, service: Service) -> Health:
        """Port `Forge`."""
        return self.of(service).probe(service)
