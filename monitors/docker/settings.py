"""What people may set of the container monitor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Which engine, and which of its containers are services."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = ""
    """Address of the engine (``unix:///…`` or ``tcp://…``); '' takes DOCKER_HOST or the usual socket."""
    certificates: Path | None = None
    """Folder with ``ca.pem``, ``cert.pem`` and ``key.pem`` for an engine behind TLS; None takes DOCKER_CERT_PATH."""
    services: Mapping[str, str] = Field(default_factory=dict)
    """Container name to service name."""
    every_container: bool = False
    """Report containers that belong to no known service too, under their own name."""
    names: tuple[str, ...] = ()
    """Only containers whose name matches one of these patterns (``shop-*``); none means all."""
    labels: tuple[str, ...] = ()
    """Only containers that have all of these labels (``team=shop``, or ``team`` with any value)."""
    commit_labels: tuple[str, ...] = ("nightshift.commit", "org.opencontainers.image.revision")
    """Labels that hold the commit a container's image was built from; the first one set counts."""
    loop_deaths: int = Field(default=3, ge=1)
    """Deaths of one container and cause in `loop_window_s` that are reported one by one; more are a restart loop."""
    loop_window_s: float = Field(default=600.0, gt=0)
    """Seconds after which a death no longer counts for a loop."""
    loop_every_s: float = Field(default=300.0, ge=0)
    """Seconds between two reports of one restart loop; each tells how many deaths there were."""
    log_lines: int = Field(default=200, ge=0)
    """Last lines of the run that died which are read for its exception and the sample; 0 reads none."""
    log_bytes: int = Field(default=65536, ge=1)
    """Cap of what is kept of them, from the end."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds one request to the engine may take (the event stream itself has no end)."""
