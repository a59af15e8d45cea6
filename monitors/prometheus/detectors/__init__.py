"""What is looked for without any rule. One detector, one module with `Settings` and `look(settings, server, now_s)`."""

from __future__ import annotations

from collections.abc import Mapping

DETECTORS: Mapping[str, str] = {
    name: f"nightshift.monitors.prometheus.detectors.{name}"
    for name in ("absent", "error_rate", "latency", "leak", "saturation", "seasonal")
}
