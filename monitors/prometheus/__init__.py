"""Metrics as a source: rules of one's own, and detectors that need none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Monitor
from nightshift.monitors.prometheus.detectors.absent import Settings as Absent
from nightshift.monitors.prometheus.detectors.error_rate import Settings as ErrorRate
from nightshift.monitors.prometheus.detectors.latency import Settings as Latency
from nightshift.monitors.prometheus.detectors.leak import Settings as Leak
from nightshift.monitors.prometheus.detectors.saturation import Settings as Saturation
from nightshift.monitors.prometheus.detectors.seasonal import Settings as Seasonal
from nightshift.monitors.rules import Rule

Label = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class Detectors(BaseModel):
    """What is looked for without any rule; `null` turns a detector off. Where a metric is missing it sees nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    absent: Absent | None = Absent()
    """Targets that can't be scraped, jobs that are gone."""
    error_rate: ErrorRate | None = ErrorRate()
    """Steps in the share of failing requests."""
    latency: Latency | None = Latency()
    """Steps in latency."""
    leak: Leak | None = Leak()
    """Memory that only grows."""
    saturation: Saturation | None = Saturation()
    """Disks, descriptors, memory and quotas that are nearly used up."""
    seasonal: Seasonal | None = Seasonal()
    """Traffic that is not what it is at this time of the week."""


class Settings(BaseModel):
    """Where Prometheus answers and what is looked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str = "http://127.0.0.1:9090"
    """Base address of the server."""
    rules: tuple[Rule, ...] = ()
    """Conditions of your own; names must differ."""
    detectors: Detectors = Detectors()
    """What is looked for without any rule."""
    interval_s: float = Field(default=15.0, gt=0)
    """Seconds between evaluations of the rules."""
    detect_interval_s: float = Field(default=60.0, gt=0)
    """Seconds between rounds of the detectors."""
    timeout_s: float = Field(default=10.0, gt=0)
    """Seconds one query may take (the client's own default is forever)."""
    blind_s: float = Field(default=120.0, ge=0)
    """After so many seconds without an answer that is an incident itself."""
    service_labels: tuple[Label, ...] = Field(
        default=("nightshift_service", "service", "app", "container", "job"), min_length=1
    )
    """Labels that name the service of what a detector finds: the first whose value is a service you configured, else
    the first one set. `$by` in a detector's PromQL stands for them, `job` and `namespace`."""
    token: SecretStr | None = None
    """Bearer token, if the server wants one."""
    username: str = ""
    """User name, if the server wants a password."""
    password: SecretStr | None = None
    """The password that goes with `username`."""
    ca_file: Path | None = None
    """Certificates to verify the server with instead of the system's; verification is never off."""

    @model_validator(mode="after")
    def _one_secret(self) -> Settings:
        if self.token and self.password:
            raise ValueError("set token, or username and password, not both")
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password go together")
        return self

    @field_validator("rules")
    @classmethod
    def _names_differ(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are called {twice[0]!r}")
        return rules


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:
    """The monitor; of labels that could name the service, one that names a configured one is preferred."""
    from nightshift.monitors.prometheus.monitor import PrometheusMonitor

    return PrometheusMonitor(settings, clock, services=frozenset(services))


__all__ = ["Detectors", "Rule", "Settings", "create"]
