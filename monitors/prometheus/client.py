"""Prometheus asked, with time-outs: what comes back is series of numbers, or a reason why not."""

from __future__ import annotations

import logging
import math
import re
from base64 import b64encode
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
    """A server. Raises BadRule for what it refuses, EnvironmentBroke for anything else. `$by` in an expression stands
    for the labels that name a service, so that sums keep them."""

    def __init__(self, settings: Settings) -> None:
        self._client = _connect(settings)
        self._by = ", ".join(dict.fromkeys((*settings.service_labels, "job", "namespace")))
        self._limit = {"timeout": f"{settings.timeout_s:g}s"}  # the server drops the work too
        self._told: set[str] = set()

    def now(self, expr: str, at_s: float | None = None) -> list[Sample]:
        """An expression's value now, or at a time."""
        params = self._limit if at_s is None else {**self._limit, "time": f"{at_s:.3f}"}
        return self._asked(lambda query: _samples(self._client.custom_query(query, params=params)), expr)

    def over(self, expr: str, from_s: float, to_s: float, step_s: float) -> list[Series]:
        """An expression's values over a time; a value at `to_s` if the steps lead there. Whole seconds."""

        def ask(query: str) -> list[Series]:
            times = (datetime.fromtimestamp(math.floor(at_s), UTC) for at_s in (from_s, to_s))
            return _series(self._client.custom_query_range(query, *times, step=f"{step_s:.0f}s", params=self._limit))

        return self._asked(ask, expr)

    def answers(self) -> None:
        """Ask for the least there is; raises EnvironmentBroke unless that comes back."""
        try:
            found = [sample.value for sample in self.now("vector(1)")]
        except BadRule as bad:
            raise EnvironmentBroke(f"this is no Prometheus: {bad}") from None
        if found != [1.0]:
            raise EnvironmentBroke(f"this is no Prometheus: it says that 1 is {found[:3]}")

    def _asked(self, ask: Callable[[str], list[T]], expr: str) -> list[T]:
        return self._few(asked(lambda: ask(expr.replace("$by", self._by))), expr)

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

    from nightshift.monitors.prometheus.bounded import TooLong

    try:
        return ask()
    except TooLong as error:
        raise BadRule(str(error)) from None
    except PrometheusApiClientException as error:
        status = _STATUS.search(str(error))
        if status and status[1] in ("400", "422"):
            raise BadRule(redact(str(error))) from None
        raise EnvironmentBroke(redact(str(error))[:300]) from None
    except requests.RequestException as error:
        raise EnvironmentBroke(redact(str(error))[:300]) from None
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadRule(f"the answer is neither vector nor scalar ({type(error).__name__})") from None


def _connect(settings: Settings) -> PrometheusConnect:
    from prometheus_api_client import PrometheusConnect
    from urllib3.util.retry import Retry

    from nightshift.monitors.prometheus.bounded import bounded_session

    session = bounded_session()
    session.verify = str(settings.ca_file) if settings.ca_file else True
    retry = Retry(total=0)  # the loop has its own back-off; the client's would block `stop`
    return PrometheusConnect(
        url=settings.url.rstrip("/"), auth=_auth(settings), session=session, retry=retry, timeout=settings.timeout_s,
    )  # fmt: skip


def _auth(settings: Settings) -> Callable[[requests.PreparedRequest], requests.PreparedRequest] | None:
    """As `auth`, not as a header: a netrc entry for the host would replace a header."""
    header = authorization(settings)
    if not header:
        return None

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = header
        return request

    return sign


def authorization(settings: Settings) -> str:
    """The `Authorization` header, '' for none."""
    if settings.token is not None:
        return f"Bearer {settings.token.get_secret_value()}"
    if settings.password is not None:
        pair = f"{settings.username}:{settings.password.get_secret_value()}"
        return f"Basic {b64encode(pair.encode()).decode()}"
    return ""


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
