"""What requests are called: the names that client libraries and OpenTelemetry give their counters and histograms."""

from __future__ import annotations

STATUS = {
    "http_requests_total": ("code", "status"),
    "http_server_requests_seconds_count": ("status",),  # Micrometer
    "http_server_request_duration_seconds_count": ("http_response_status_code",),  # OpenTelemetry
}
"""Counter of requests → labels that may hold the status code."""
HISTOGRAMS = (
    "http_request_duration_seconds",
    "http_server_requests_seconds",
    "http_server_request_duration_seconds",
)
"""Histograms of seconds."""


def failed(range_: str) -> str:
    """PromQL: requests answered with 5xx within a time, by service."""
    parts = (f'increase({name}{{{label}=~"5.."}}[{range_}])' for name, labels in STATUS.items() for label in labels)
    return f"sum by ($by) ({' or '.join(parts)})"


def counted(function: str, range_: str) -> str:
    """PromQL: `increase` or `rate` of all requests, by service."""
    return f"sum by ($by) ({' or '.join(f'{function}({name}[{range_}])' for name in STATUS)})"


def quantile(share: float, range_: str, least: int) -> str:
    """PromQL: the quantile of latency, by service, where there were at least so many requests."""
    return " or ".join(
        f"(histogram_quantile({share}, sum by (le, $by) (rate({name}_bucket[{range_}])))"
        f' and on ($by) sum by ($by) (increase({name}_bucket{{le="+Inf"}}[{range_}])) >= {least})'
        for name in HISTOGRAMS
    )
