"""From the spool to the daemon: in order, compressed, again until it is acknowledged.

What a daemon takes it stores before it answers, and it knows signals by their keys: sending twice counts once.
"""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.sensor.spool import Record, Spool
from nightshift.daemon.sensor.wire import Connection

if TYPE_CHECKING:
    from nightshift.daemon.sensor.lean import Target

_log = logging.getLogger(__name__)
VERSION = 1
_RETRY_MOST_S = 60.0
_REMIND_TRIES = 20


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What the daemon said; status 0: nothing, and `text` says why."""

    status: int
    text: str = ""
    retry_s: float = 0.0


class Forwarder:
    """Runs in a thread of its own until `stop`."""

    def __init__(self, spool: Spool, target: Target, backoff: Backoff | None = None) -> None:
        self._spool, self._target = spool, target
        self._backoff = backoff or Backoff(first_s=0.5, most_s=_RETRY_MOST_S)
        self._batch = target.batch_bytes
        self._wire = Connection(target.url, timeout_s=target.timeout_s, ca_file=target.ca_file)

    def run(self, stop: threading.Event) -> None:
        """Forward what there is, then wait for more."""
        while not stop.is_set():
            wait_s = self.turn()
            if wait_s:
                stop.wait(wait_s)
            else:
                self._wait(stop)
        self._wire.close()

    def _wait(self, stop: threading.Event) -> None:
        while not stop.is_set() and not self._spool.added.wait(0.5):
            pass

    def turn(self) -> float:
        """Send until the spool is empty (0) or sending must wait (seconds)."""
        self._spool.added.clear()
        while records := self._spool.head(self._batch):
            answer = self._send(records)
            if answer.status == 200:
                self._taken(records)
            elif answer.status in (400, 413, 422):
                self._not_understood(records, answer)
            else:
                return self._later(answer)
        return 0.0

    def _taken(self, records: list[Record]) -> None:
        self._spool.forwarded(records)
        if self._backoff.tries:
            _log.info("the daemon takes signals again after %d tries", self._backoff.tries)
        self._backoff.reset()
        self._batch = min(self._target.batch_bytes, self._batch * 2)

    def _not_understood(self, records: list[Record], answer: _Said) -> None:
        """Send less at once until the record that is not understood stands alone; it is set aside."""
        if len(records) > 1:
            self._batch = max(1, sum(len(record.body) for record in records[: len(records) // 2]))
            return
        _log.error("the daemon refuses %d signal(s), they are set aside: %s", records[0].signals, answer.text)
        self._spool.refused(records[0], answer.text)
        self._batch = self._target.batch_bytes

    def _later(self, answer: _Said) -> float:
        if self._backoff.tries % _REMIND_TRIES == 0:
            fix = {401: "; set sensor.token to one of monitors.sensors there",
                   404: "; turn on monitors.sensors there"}.get(answer.status, "")  # fmt: skip
            _log.warning("the daemon at %s does not take signals (%s)%s; they wait in the spool, %d bytes",
                         redact(self._target.url), answer.text, fix, self._spool.bytes)  # fmt: skip
        return max(self._backoff.next_s(), answer.retry_s)

    # ------------------------------------------------------------ the wire

    def _send(self, records: list[Record]) -> _Said:
        head = json.dumps({"version": VERSION, "signals": sum(record.signals for record in records)}).encode()
        body = gzip.compress(b"\n".join([head, *(record.body.rstrip(b"\n") for record in records)]), 5)
        headers = {
            "content-type": "application/x-ndjson",
            "content-encoding": "gzip",
            "x-nightshift-sensor": self._target.name,
            "authorization": f"Bearer {self._target.token}",
        }
        try:
            answer = self._wire.post("/api/signals", headers, body)
        except (OSError, ValueError) as error:
            return _Said(status=0, text=f"{type(error).__name__}: {redact(str(error))}"[:300])
        text = answer.body.decode("utf-8", "replace")[:300]
        return _Said(status=answer.status, text=f"{answer.status} {text}", retry_s=_seconds(answer.headers))


def _seconds(headers: Mapping[str, str]) -> float:
    given = headers.get("retry-after", "")
    return min(300.0, float(given)) if given.isdecimal() else 0.0
