"""From the spool to the daemon: in order, compressed, again until it is acknowledged.

What a daemon takes it stores before it answers, and it knows signals by their keys: sending twice counts once.
"""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.sensor.spool import Record, Spool
from nightshift.daemon.sensor.wire import Connection

if TYPE_CHECKING:
    from nightshift.daemon.sensor.lean import Target

_log = logging.getLogger(__name__)
VERSION = 1
_RETRY_MOST_S = 60.0
_REMIND_TRIES = 20
_NOT_UNDERSTOOD = (400, 413, 422)
_FIXES = {
    200: "; what answers there is no nightshift daemon: see sensor.url",
    401: "; set sensor.token to the one monitors.sensors has for this name there",
    404: "; turn on monitors.sensors there",
    415: "; run the same version on both sides",
    421: "; add the name this sensor calls it by to http.hosts there",
    **dict.fromkeys((301, 302, 307, 308), "; set sensor.url to where it leads"),
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the daemon said; status 0: nothing, and `text` says why. `taken`: it has stored that many signals."""

    status: int
    text: str = ""
    retry_s: float = 0.0
    taken: int = -1


class Forwarder:
    """Runs in a thread of its own until `stop`. Whoever sets `stop` sets `spool.added` too, so that it is seen."""

    def __init__(self, spool: Spool, target: Target, clock: Clock, random: Random | None = None) -> None:
        self._spool, self._target, self._clock = spool, target, clock
        self._random = random or Random()
        self._backoff = Backoff(first_s=0.5, most_s=_RETRY_MOST_S, random=self._random)
        self._batch, self._quiet_since_s = target.batch_bytes, -target.heartbeat_s
        self._wire = Connection(target.url, timeout_s=target.timeout_s, ca_file=target.ca_file)

    def run(self, stop: threading.Event) -> None:
        """Forward what there is, then wait for more."""
        while not stop.is_set():
            try:
                wait_s = self.turn(stop)
            except Exception:  # noqa: BLE001 - the loop's edge: else a full disk would end forwarding for good
                _log.exception("forwarding failed; it goes on in a moment")
                wait_s = self._backoff.next_s()
            if wait_s:
                stop.wait(wait_s)
            elif not stop.is_set():
                self._spool.added.wait(self._target.heartbeat_s)
        self._wire.close()

    def turn(self, stop: threading.Event | None = None) -> float:
        """Send until the spool is empty (0) or sending must wait (seconds); after silence, say that we are there."""
        self._spool.added.clear()
        while not (stop and stop.is_set()):
            records = self._spool.head(self._batch)
            if not records and self._clock.monotonic() < self._quiet_since_s + self._target.heartbeat_s:
                return 0.0
            answer = self._send(records)
            if answer.taken == len(records):
                self._taken(records)
            elif answer.status in _NOT_UNDERSTOOD and len(records) > 1:
                self._batch = max(1, sum(len(record.body) for record in records[: len(records) // 2]))
            elif answer.status in _NOT_UNDERSTOOD and records:
                empty = self._send([])
                if empty.taken != 0:
                    return self._later(empty)
                self._set_aside(records[0], answer)
            else:
                return self._later(answer)
        return 0.0

    def _taken(self, records: list[Record]) -> None:
        if records:
            self._spool.forwarded(records)
        else:
            self._spool.shrink()
        if self._backoff.tries:
            _log.info("the daemon takes signals again after %d tries", self._backoff.tries)
        self._backoff.reset()
        self._batch = min(self._target.batch_bytes, self._batch * 2)

    def _set_aside(self, record: Record, answer: Said) -> None:
        """Alone it is refused, while an empty batch is taken: it is the signal's fault, and the next may pass."""
        _log.error("the daemon refuses a signal, it is set aside: %s", answer.text)
        self._spool.refused(record, answer.text)
        self._batch = self._target.batch_bytes

    def _later(self, answer: Said) -> float:
        if self._backoff.tries % _REMIND_TRIES == 0:
            _log.warning("the daemon at %s does not take signals (%s)%s; they wait in the spool, %d bytes",
                         redact(self._target.url), answer.text, hint(answer), self._spool.bytes)  # fmt: skip
        return max(self._backoff.next_s(), answer.retry_s * self._random.uniform(1.0, 1.25))

    def _send(self, records: Sequence[Record]) -> Said:
        said = send(self._wire, self._target, records)
        if said.status:
            self._quiet_since_s = self._clock.monotonic()
        return said


# ---------------------------------------------------------------- the wire


def ask(target: Target) -> Said:
    """An empty batch, to see whether anything would be taken."""
    wire = Connection(target.url, timeout_s=target.timeout_s, ca_file=target.ca_file)
    try:
        return send(wire, target, [])
    finally:
        wire.close()


def send(wire: Connection, target: Target, records: Sequence[Record]) -> Said:
    """One batch; none says only that we are there. Never raises for what the network does."""
    head = json.dumps({"version": VERSION, "signals": len(records)}).encode()
    body = gzip.compress(b"\n".join([head, *(record.body for record in records)]), 5)
    headers = {
        "content-type": "application/x-ndjson",
        "content-encoding": "gzip",
        "x-nightshift-sensor": target.name,
        "authorization": f"Bearer {target.token}",
    }
    try:
        answer = wire.post("/api/signals", headers, body)
    except (OSError, ValueError) as error:
        return Said(status=0, text=f"{type(error).__name__}: {redact(str(error))}"[:300])
    text = f"{answer.status} {answer.body.decode('utf-8', 'replace')}"[:300]
    taken = _stored(answer.body) if answer.status == 200 else -1
    return Said(status=answer.status, text=text, retry_s=_seconds(answer.headers), taken=taken)


def hint(answer: Said) -> str:
    """What people can do about it."""
    return _FIXES.get(answer.status, "")


def _stored(body: bytes | bytearray) -> int:
    """A proxy's or another server's 200 is no acknowledgement."""
    try:
        found = json.loads(body)
    except ValueError:
        return -1
    stored = found.get("signals") if isinstance(found, dict) else None
    return stored if isinstance(stored, int) else -1


def _seconds(headers: Mapping[str, str]) -> float:
    given = headers.get("retry-after", "")
    return min(300.0, float(given)) if given.isdecimal() else 0.0
