"""What was seen and not yet forwarded, on disk. The spool is the monitors' sink: signals and checkpoints are durable in
one transaction, so no offset is ever ahead of what is spooled, whatever kills the process.

SQLite keeps it (write-ahead log, full synchronisation): a file format of our own would have to earn the same trust.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nightshift.daemon.model import Signal
from nightshift.daemon.ports import EnvironmentBroke

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records
  (seq INTEGER PRIMARY KEY AUTOINCREMENT, signals INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_KEPT_REFUSED = 1000
_HEAD_RECORDS = 100


class SpoolFull(EnvironmentBroke):
    """The cap is reached: nothing was taken; monitors wait, and the logs they read are the buffer."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one call of the sink spooled: lines of JSON, one a signal."""

    seq: int
    signals: int
    body: bytes


class Spool:
    """Thread-safe. `limit_bytes` caps what waits; `drop_oldest` makes room instead of refusing, and counts."""

    def __init__(self, path: Path, *, limit_bytes: int, drop_oldest: bool = False) -> None:
        self._limit, self._drop = limit_bytes, drop_oldest
        self._lock = threading.Lock()
        self.added = threading.Event()
        try:
            self._db = _opened(path)
        except sqlite3.Error as error:
            raise EnvironmentBroke(f"the spool {path} can't be used: {error}") from None
        (self.bytes,) = self._db.execute("SELECT coalesce(sum(length(body)), 0) FROM records").fetchone()

    def __call__(self, signals: Sequence[Signal], checkpoints: Mapping[str, str] | None = None) -> None:
        """Port `Sink`. Raises SpoolFull, EnvironmentBroke (the disk fails), having done nothing."""
        body = b"".join(json.dumps(asdict(signal), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
                        for signal in signals)  # fmt: skip
        with self._lock:
            dropped = self._make_room(len(body)) if body else 0
            self._write(lambda: self._add(body, len(signals), checkpoints or {}, dropped))
            self.bytes += len(body) - dropped
        if body:
            self.added.set()

    def _add(self, body: bytes, signals: int, checkpoints: Mapping[str, str], dropped: int) -> None:
        if dropped:
            self._delete_oldest(dropped)
        if body:
            self._db.execute("INSERT INTO records (signals, body) VALUES (?, ?)", (signals, body))
        self._db.executemany("REPLACE INTO checkpoints VALUES (?, ?)", checkpoints.items())

    def _make_room(self, wanted: int) -> int:
        """Bytes of the oldest records that must go. Raises SpoolFull."""
        over = self.bytes + wanted - self._limit
        if over <= 0 or not self.bytes:
            return 0
        if not self._drop:
            self._write(lambda: self._count("held", 1))
            raise SpoolFull(f"the spool holds {self.bytes} bytes of {self._limit}: reading waits")
        total = 0
        sizes = self._db.execute("SELECT length(body) FROM records ORDER BY seq")
        while total < over and (row := sizes.fetchone()) is not None:
            total += row[0]
        sizes.close()
        return total

    def _delete_oldest(self, size: int) -> None:
        gone, signals, last = 0, 0, 0
        oldest = self._db.execute("SELECT seq, signals, length(body) FROM records ORDER BY seq")
        while gone < size and (row := oldest.fetchone()) is not None:
            gone, signals, last = gone + row[2], signals + row[1], row[0]
        oldest.close()
        self._db.execute("DELETE FROM records WHERE seq <= ?", (last,))
        self._count("dropped", signals)

    def _count(self, name: str, more: int) -> None:
        self._db.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?", (name, more, more)
        )

    def _write(self, change: Callable[[], None]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                change()
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise EnvironmentBroke(f"the spool can't be written: {error}") from None

    # ------------------------------------------------------------ forwarding

    def checkpoints(self, prefix: str) -> dict[str, str]:
        """Saved by an earlier life."""
        with self._lock:
            rows = self._db.execute(
                "SELECT key, value FROM checkpoints WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)
            )
            return dict(rows)

    def head(self, limit_bytes: int) -> list[Record]:
        """The oldest records, at least one if there is any, up to so many bytes."""
        found: list[Record] = []
        size = 0
        with self._lock:
            query = "SELECT seq, signals, body FROM records ORDER BY seq LIMIT ?"
            for seq, signals, body in self._db.execute(query, (_HEAD_RECORDS,)).fetchall():
                size += len(body)
                if found and size > limit_bytes:
                    break
                found.append(Record(seq=seq, signals=signals, body=body))
        return found

    def forwarded(self, records: Sequence[Record]) -> None:
        """The daemon has them."""
        self._forget(records, lambda: self._count("forwarded", sum(record.signals for record in records)))

    def refused(self, record: Record, reason: str) -> None:
        """The daemon will never take it: it is set aside, where people can look at it."""

        def change() -> None:
            self._db.execute("REPLACE INTO refused VALUES (?, ?, ?)", (record.seq, record.body, reason))
            self._db.execute("DELETE FROM refused WHERE seq NOT IN (SELECT seq FROM refused ORDER BY seq DESC LIMIT ?)",
                             (_KEPT_REFUSED,))  # fmt: skip
            self._count("refused", record.signals)

        self._forget([record], change)

    def _forget(self, records: Sequence[Record], also: Callable[[], None]) -> None:
        with self._lock:

            def change() -> None:
                span = (records[0].seq, records[-1].seq)
                query = "SELECT coalesce(sum(length(body)), 0) FROM records WHERE seq BETWEEN ? AND ?"
                gone.append(self._db.execute(query, span).fetchone()[0])
                self._db.execute("DELETE FROM records WHERE seq BETWEEN ? AND ?", span)
                also()

            gone: list[int] = []
            self._write(change)
            self.bytes -= gone[0]

    def status(self) -> dict[str, int]:
        """waiting (signals), bytes, limit, and the counters forwarded, held, dropped, refused since the beginning."""
        with self._lock:
            (waiting,) = self._db.execute("SELECT coalesce(sum(signals), 0) FROM records").fetchone()
            counters = dict(self._db.execute("SELECT name, value FROM counters"))
        names = ("forwarded", "held", "dropped", "refused")
        return {"waiting": waiting, "bytes": self.bytes, "limit": self._limit, **{n: counters.get(n, 0) for n in names}}

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-512", "auto_vacuum=INCREMENTAL"):
        db.execute(f"PRAGMA {pragma}")
    db.executescript(_SCHEMA)
    path.chmod(0o600)
    return db
