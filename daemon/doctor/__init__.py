"""Looks at the world around a configuration, one row each, with what to do about every red one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.daemon.model import Health


def checks(config: Config) -> Iterator[Health]:
    """Every check there is for this configuration, as they finish. Changes nothing. A row that is ok but has a `fix`
    is a warning."""
    from nightshift.daemon.doctor import machine, outside, runbooks, services

    yield from machine.checks(config)
    for service in config.services:
        yield from services.checks(service, config.forges.get(service.forge))
    yield from runbooks.checks(config)
    yield from outside.checks(config)
