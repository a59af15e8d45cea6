"""What all detectors may be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.model import Severity

BY_CONTAINER = ("nightshift_service", "app", "container", "service", "job")
"""Of metrics that cAdvisor serves, `service` and `job` are the kubelet's."""


class Base(BaseModel):
    """One detector."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    severity: Severity = Severity.WARNING
    """Severity of its signals."""
    for_s: float = Field(default=120.0, ge=0)
    """Seconds something must be bad before it is said."""
    clear_s: float = Field(default=300.0, ge=0)
    """Seconds it must be fine before it is over; twice as long after each return within six hours, up to 16 times."""
    service_labels: tuple[str, ...] = ()
    """Labels that name the service here; none: those of the monitor."""
