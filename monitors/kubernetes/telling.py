"""From a finding to a signal: the words and labels people see, and the end of the dead container's log."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import quote

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.monitors.kubernetes.api import Api, Expired, Missing, Right
from nightshift.monitors.kubernetes.finding import Finding, Subject
from nightshift.monitors.lastwords import LastWords, last_words, with_last_words

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

_log = logging.getLogger(__name__)
_READ_S = 15.0
_MOST_BYTES = 4 << 20
_WORKLOADS = 4096
_ASK_AGAIN_S = 600.0
_AT_ONCE = 10


class Teller:
    """Makes signals; reads logs as long as it may, and not more of them per workload than it should."""

    def __init__(self, settings: Settings, api: Api, clock: Clock) -> None:
        self._settings, self._api, self._clock = settings, api, clock
        self._read_at: dict[tuple[str, str], deque[float]] = {}
        self._refused: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, subject: Subject, finding: Finding, key: str, at_ms: int) -> Signal:
        """The signal. Never raises for a log that can't be had."""
        signal = Signal(
            key=key, source="kubernetes", service=subject.service, title=finding.title, kind=finding.kind,
            severity=finding.severity, message=finding.message, at_ms=at_ms,
            labels={**subject.labels, **finding.labels},
        )  # fmt: skip
        if not finding.dead:
            return signal
        return with_last_words(signal, self._log_of(subject, finding), blame=finding.blames_code)

    def _log_of(self, subject: Subject, finding: Finding) -> LastWords:
        raw = self._raw(subject, finding) if self._may(subject) else b""
        name = f"{subject.namespace}/{subject.name}/{finding.dead}"
        most = self._settings.log_bytes
        return last_words(raw[-most:], service=subject.service, clock=self._clock, name=name, most=most)

    def _may(self, subject: Subject) -> bool:
        """Whether this workload's logs weren't read too often in the last minute."""
        now = self._clock.monotonic()
        if not self._settings.log_lines or now < self._refused.get(subject.namespace, now):
            return False
        with self._lock:
            if len(self._read_at) > _WORKLOADS:
                self._read_at.clear()
            owner = (subject.namespace, subject.labels.get("workload", subject.name))
            most = self._settings.logs_per_minute
            own, all_ = self._recent(owner, now), self._recent(("", ""), now)
            if len(own) >= most or len(all_) >= _AT_ONCE * most:
                return False
            own.append(now)
            all_.append(now)
            return True

    def _recent(self, owner: tuple[str, str], now: float) -> deque[float]:
        recent = self._read_at.setdefault(owner, deque())
        while recent and recent[0] <= now - 60:
            recent.popleft()
        return recent

    def _raw(self, subject: Subject, finding: Finding) -> bytes:
        """The tail of the dead container's log, or b'' where it can't be had.

        `limitBytes` would cut the end off, which is the part that counts: the cap is kept here.
        """
        from urllib3.exceptions import HTTPError

        right = Right(verb="get", group="", resource="pods/log", namespace=subject.namespace)
        try:
            response = self._api.get(
                f"/api/v1/namespaces/{quote(subject.namespace)}/pods/{quote(subject.name)}/log", right, read_s=_READ_S,
                container=finding.dead, previous="true" if finding.previous else "false",
                tailLines=self._settings.log_lines,
            )  # fmt: skip
            with response:
                return _tail(response, self._settings.log_bytes)
        except Refused as refused:
            self._said(subject.namespace, str(refused))
        except (EnvironmentBroke, Expired, Missing, HTTPError, OSError):
            _log.debug("no log of %s/%s %s", subject.namespace, subject.name, finding.dead, exc_info=True)
        return b""

    def _said(self, namespace: str, why: str) -> None:
        """Once for each namespace; whether the right was granted since is tried every ten minutes."""
        with self._lock:
            known = namespace in self._refused
            self._refused[namespace] = self._clock.monotonic() + _ASK_AGAIN_S
        if not known:
            _log.warning("kubernetes: reports from %s come without logs: %s", namespace, why)


def _tail(response: object, most: int) -> bytes:
    kept, read = bytearray(), 0
    for chunk in response.stream(65536, decode_content=True):  # type: ignore[attr-defined]
        kept += chunk
        read += len(chunk)
        del kept[:-most]
        if read > _MOST_BYTES + most:
            break
    return bytes(kept)
