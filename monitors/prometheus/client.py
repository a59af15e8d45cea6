"""Prometheus asked, with time-outs: what comes back is series of numbers, or a reason why not."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.monitors.rules import Sample

if TYPE_CHECKING:
    import requests
    from prometheus_api_client import PrometheusConnect
    from pydantic import SecretStr

    from nightshift.monitors.prometheus import Settings

_log = logging.getLogger(__name__)
T = TypeVar("T")
_STATUS = re.compile(r"HTTP Status Code (\d+)")
MAX_SERIES = 2000
"""Series of one answer that are judged; of more the rest is left out, and that is said once."""


class BadRule(Exception):
    """The server understood the request and refused this expression."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series over time: labels, and (Unix seconds, value) in order, without NaN and infinities."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    def between(self, from_s: float, to_s: float) -> list[float]:
        """Values after `from_s` up to `to_s`."""
        return [value for at_s, value in self.points if from_s < at_s <= to_s]


class Prometheus:
    """A server. Raises BadRule for what it refuses, EnvironmentBroke for anything else."""

    def __init__(self, settings: Settings) -> None:
        self._client = _connect(settings)
        self._told: set[str] = set()

    def now(self, expr: str, at_s: float | None = None) -> list[Sample]:
        """An expression's value now, or at a time."""
        params = None if at_s is None else {"time": f"{at_s:.3f}"}
        return self._asked(lambda: _samples(self._client.custom_query(expr, params=params)), expr)

    def over(self, expr: str, from_s: float, to_s: float, step_s: float) -> list[Series]:
        """An expression's values over a time."""

        def ask() -> list[Series]:
            times = (datetime.fromtimestamp(at_s, UTC) for at_s in (from_s, to_s))
            return _series(self._client.custom_query_range(expr, *times, step=f"{step_s:.0f}s"))

        return self._asked(ask, expr)

    def _asked(self, ask: Callable[[], list[T]], expr: str) -> list[T]:
        return self._few(asked(ask), expr)

    def _few(self, found: list[T], expr: str) -> list[T]:
        if len(found) > MAX_SERIES and expr not in self._told:
            self._told.add(expr)
            _log.warning("%d series, the first %d are judged: %s", len(found), MAX_SERIES, expr[:200])
        return found[:MAX_SERIES]

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def asked(ask: Callable[[], T]) -> T:
    """The client's exceptions as ours."""
    import requests
    from prometheus_api_client.exceptions import PrometheusApiClientException

    try:
        return ask()
    except PrometheusApiClientException as error:
        status = _STATUS.search(str(error))
        if status and status[1] in ("400", "422"):
            raise BadRule(redact(str(error))) from None
        raise EnvironmentBroke(redact(str(error))[:300]) from None
    except requests.RequestException as error:
        raise EnvironmentBroke(redact(str(error))[:300]) from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BadRule(f"the answer is neither vector nor scalar ({type(error).__name__})") from None


def _connect(settings: Settings) -> PrometheusConnect:
    import requests
    from prometheus_api_client import PrometheusConnect
    from urllib3.util.retry import Retry

    session = requests.Session()
    session.verify = str(settings.ca_file) if settings.ca_file else True
    retry = Retry(total=0)  # the loop has its own back-off; the client's would block `stop`
    return PrometheusConnect(
        url=settings.url.rstrip("/"), auth=_auth(settings.token), session=session, retry=retry,
        timeout=settings.timeout_s,
    )  # fmt: skip


def _auth(token: SecretStr | None) -> Callable[[requests.PreparedRequest], requests.PreparedRequest] | None:
    """As `auth`, not as a header: a netrc entry for the host would replace a header."""
    if token is None:
        return None

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        return request

    return sign


def _samples(result: Any) -> list[Sample]:
    """A vector, or a scalar ``[time, "value"]``."""
    if len(result) == 2 and not isinstance(result[0], dict):
        return [Sample(labels={}, value=float(result[1]))]
    return [Sample(labels=_labels(row), value=float(row["value"][1])) for row in result]


def _series(result: Any) -> list[Series]:
    return [Series(labels=_labels(row), points=list(_points(row["values"]))) for row in result]


def _points(values: Any) -> list[tuple[float, float]]:
    pairs = ((float(at_s), float(value)) for at_s, value in values)
    return [(at_s, value) for at_s, value in pairs if math.isfinite(value)]


def _labels(row: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in row["metric"].items() if k != "__name__"}
