"""Guard metrics: what must be no worse after a deploy than before it. Read from a metrics server through a port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.missions.comparison import Figure, compared
from nightshift.daemon.ports import EnvironmentBroke, Note

Metrics = Callable[[str, float, float, float], Sequence[float]]
"""(PromQL, from, to in Unix seconds, step in seconds) → the values of its one series. Raises EnvironmentBroke."""


class Guard(BaseModel):
    """A metric that must be no worse after a deploy than before."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=80)]
    """What it is called."""
    query: Annotated[str, Field(min_length=1, max_length=4000)]
    """PromQL that gives one series; `$service` is the service's name, `$window` the service's `guard_window_s`."""
    worse: Literal["higher", "lower"] = "higher"
    """Which way is worse."""
    tolerance: Annotated[float, Field(ge=0, le=10)] = 0.1
    """The share of the value before by which it may be worse."""
    floor: Annotated[float, Field(ge=0)] = 0.0
    """A change that does not matter, in the metric's unit, on top of that."""
    unit: str = ""
    """Its unit, for people."""


Standard = Literal["latency", "errors", "memory", "restarts"]
STANDARD: dict[Standard, Guard] = {
    "latency": Guard(
        name="p95 latency", unit="s", tolerance=0.2, floor=0.005,
        query='histogram_quantile(0.95, sum by (le) '
              '(rate(http_request_duration_seconds_bucket{job="$service"}[$window])))',
    ),
    "errors": Guard(
        name="error rate", tolerance=0.0, floor=0.005,
        query='(sum(rate(http_requests_total{job="$service",code=~"5.."}[$window]))'
              ' or sum(rate(http_requests_total{job="$service",status=~"5.."}[$window])) or vector(0))'
              ' / sum(rate(http_requests_total{job="$service"}[$window]))',
    ),
    "memory": Guard(
        name="memory", unit="B", tolerance=0.25,
        query='sum(container_memory_working_set_bytes{container!="",pod=~"$service-.+"})'
              ' or sum(process_resident_memory_bytes{job="$service"})',
    ),
    "restarts": Guard(
        name="restarts", unit="per window", tolerance=0.0, floor=0.5,
        query='sum(increase(kube_pod_container_status_restarts_total{pod=~"$service-.+"}[$window]))'
              ' or sum(changes(process_start_time_seconds{job="$service"}[$window]))',
    ),
}  # fmt: skip
"""Guards by name, over the metrics that the usual client libraries, cAdvisor and kube-state-metrics give."""

AnyGuard = Standard | Guard


class GuardReader:
    """The guards of one service over a metrics server. `window_s` is what rates are taken over, and how long after a
    deploy nothing is compared, because rates still have the time before in them."""

    def __init__(
        self,
        service: str,
        guards: Sequence[AnyGuard],
        metrics: Metrics,
        *,
        window_s: float,
        step_s: float,
        before_s: float,
    ) -> None:
        self.guards = [guard if isinstance(guard, Guard) else STANDARD[guard] for guard in guards]
        self._service, self._metrics = service, metrics
        self._window_s, self._step_s, self._before_s = window_s, step_s, before_s

    def read(self, began_ms: int, deployed_ms: int, now_ms: int, note: Note = lambda _: None) -> list[Figure]:
        """Every guard, before a deploy began and since it was done."""
        return [self._one(guard, began_ms / 1000, deployed_ms / 1000, now_ms / 1000, note) for guard in self.guards]

    def _one(self, guard: Guard, began_s: float, deployed_s: float, now_s: float, note: Note) -> Figure:
        before = self._values(guard, began_s - self._before_s, began_s, note)
        since = deployed_s + self._window_s
        after = self._values(guard, since, now_s, note) if now_s > since else []
        return compared(guard.name, before, after, tolerance=guard.tolerance, floor=guard.floor, worse=guard.worse,
                        unit=guard.unit, overlap=self._window_s / self._step_s)  # fmt: skip

    def _values(self, guard: Guard, from_s: float, to_s: float, note: Note) -> Sequence[float]:
        query = guard.query.replace("$service", self._service).replace("$window", f"{self._window_s:.0f}s")
        try:
            return self._metrics(query, from_s, to_s, self._step_s)
        except EnvironmentBroke as error:
            note(f"guard {guard.name}: {error}")
            return []


def worse(figures: Sequence[Figure]) -> str:
    """The guards that are worse, in words; '' when none is."""
    return ", ".join(figure.name for figure in figures if figure.verdict == "worse")
