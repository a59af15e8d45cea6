"""Questions to the Prometheus server of the configuration, for the actions and matches that ask it."""

from __future__ import annotations

import math
from typing import Any

from nightshift.daemon.ports import EnvironmentBroke, Refused

from ..errors import ActionFailed

_MOST_BYTES = 1 << 20
Rows = list[tuple[dict[str, str], float]]


def asked(server: str, promql: str, timeout_s: float) -> Rows:
    """Labels and value of each series of an instant query. Raises Refused (no server is configured), ActionFailed
    (the query is wrong), EnvironmentBroke (the server does not answer)."""
    import httpx

    if not server:
        raise Refused("no Prometheus server is configured (runbooks.limits.prometheus)")
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False) as client:
            answer = client.post(f"{server.rstrip('/')}/api/v1/query", data={"query": promql})
            if answer.status_code >= 500 or len(answer.content) > _MOST_BYTES:
                raise EnvironmentBroke(f"Prometheus answered {answer.status_code}, {len(answer.content)} bytes")
            told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise EnvironmentBroke(f"Prometheus can't be asked: {type(error).__name__}") from None
    if told.get("status") != "success":
        raise ActionFailed(f"Prometheus refuses the query: {str(told.get('error'))[:300]}")
    return _rows(told["data"])


def _rows(data: dict[str, Any]) -> Rows:
    if data["resultType"] == "scalar":
        return [({}, float(data["result"][1]))]
    if data["resultType"] != "vector":
        raise ActionFailed(f"the query gives a {data['resultType']}; ask for the values of one moment")
    return [(dict(row["metric"]), float(row["value"][1])) for row in data["result"]]


def holds(rows: Rows) -> bool:
    """Whether a query's answer means yes: there is one, and not only zeros."""
    return any(value != 0 and not math.isnan(value) for _, value in rows)


def shown(rows: Rows) -> str:
    """An answer for people."""
    if not rows:
        return "no series"
    listed = [f"{{{', '.join(f'{k}={v}' for k, v in labels.items())}}} {value:g}" for labels, value in rows[:5]]
    return "; ".join(listed) + (f"; … {len(rows) - 5} more" if len(rows) > 5 else "")


def plain(rows: Rows) -> list[dict[str, Any]]:
    """As JSON, which has no infinity."""
    return [{"labels": labels, "value": value if math.isfinite(value) else str(value)} for labels, value in rows[:100]]
