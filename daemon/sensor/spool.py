"""What was seen and not yet forwarded, on disk. The spool is the monitors' sink: signals and checkpoints are durable in
one transaction, so no offset is ever ahead of what is spooled, whatever kills the process.

SQLite keeps it (write-ahead log, full synchronisation): a file format of our own would have to earn the same trust, see
docs/decisions/sensor.md.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TypeVar

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Severity, Signal
from nightshift.daemon.ports import EnvironmentBroke

T = TypeVar("T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS signals
  (seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused
  (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lost
  (service TEXT NOT NULL, why TEXT NOT NULL, signals INTEGER NOT NULL, PRIMARY KEY (service, why)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_COUNTERS = ("forwarded", "held", "dropped", "refused", "acknowledged_ms")
_KEPT_REFUSED = 1000
_HEAD_SIGNALS = 5_000
_FREE_PAGES = 256
_SHRINK_PAGES = 1_000
_LOST = "sensor:lost:"
FULL, REFUSED = "the sensor's spool was full", "the daemon refused them"


class SpoolFull(EnvironmentBroke):
    """The cap is reached: nothing was taken; monitors wait, and the logs they read are the buffer."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One spooled signal as a line of JSON."""

    seq: int
    body: bytes


class Spool:
    """Thread-safe; one process at a time. `limit_bytes` caps what waits; `drop_oldest` makes room instead of refusing,
    and counts. `added` is set when there is something new to forward."""

    def __init__(self, path: Path, clock: Clock, *, limit_bytes: int, drop_oldest: bool = False) -> None:
        self._clock, self._limit, self._drop = clock, limit_bytes, drop_oldest
        self._lock = threading.Lock()
        self.added = threading.Event()
        self._owner = _owned(path)
        try:
            self._db = _opened(path)
            (self.bytes,) = self._db.execute("SELECT coalesce(sum(length(body)), 0) FROM signals").fetchone()
            self._lost = self._db.execute("SELECT 1 FROM lost").fetchone() is not None
        except sqlite3.Error as error:
            self._owner.close()
            raise EnvironmentBroke(f"the spool {path} can't be used: {error}") from None

    def __call__(self, signals: Sequence[Signal], checkpoints: Mapping[str, str] | None = None) -> None:
        """Port `Sink`. Raises SpoolFull, EnvironmentBroke (the disk fails), having done nothing."""
        bodies = [_line(signal) for signal in signals]
        wanted = sum(map(len, bodies))
        with self._lock:
            over = self.bytes + wanted - self._limit if self.bytes and bodies else 0
            if over > 0 and not self._drop:
                with self._changing():
                    self._count("held", 1)
                raise SpoolFull(f"the spool holds {self.bytes} bytes of {self._limit}: reading waits")
            with self._changing():
                freed = self._drop_oldest(over) if over > 0 else 0
                self._append(bodies)
                self._db.executemany("REPLACE INTO checkpoints VALUES (?, ?)", (checkpoints or {}).items())
            self.bytes += wanted - freed
            self._lost = self._lost or freed > 0
        if bodies:
            self.added.set()

    def _append(self, bodies: Sequence[bytes]) -> None:
        now_ms = self._clock.now_ms()
        self._db.executemany("INSERT INTO signals (at_ms, body) VALUES (?, ?)", ((now_ms, body) for body in bodies))

    def _drop_oldest(self, wanted: int) -> int:
        """Bytes that were freed."""
        freed, last, bodies = 0, 0, list[bytes]()
        oldest = self._db.execute("SELECT seq, body FROM signals ORDER BY seq")
        while freed < wanted and (row := oldest.fetchone()) is not None:
            last, freed = row[0], freed + len(row[1])
            bodies.append(row[1])
        oldest.close()
        self._db.execute("DELETE FROM signals WHERE seq <= ?", (last,))
        for body in bodies:
            self._dropped(body, 1)
        return freed

    def _dropped(self, body: bytes, times: int) -> None:
        """One signal more was dropped, or (-1) one less; of one that says what was lost, that is lost again."""
        signal = json.loads(body)
        if signal["key"].startswith(_LOST):
            self._lose(signal["service"], signal["labels"]["why"], times * int(signal["labels"]["lost"]))
            return
        self._count("dropped", times)
        self._lose(signal["service"], FULL, times)

    def _lose(self, service: str, why: str, count: int) -> None:
        self._db.execute(
            "INSERT INTO lost VALUES (?, ?, ?) ON CONFLICT (service, why) DO UPDATE SET signals = signals + ?",
            (service, why, count, count),
        )

    def _count(self, name: str, more: int) -> None:
        self._db.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?", (name, more, more)
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One durable step, or none. The lock must be held."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
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
        query = "SELECT key, value FROM checkpoints WHERE substr(key, 1, ?) = ?"
        with self._lock:
            return _read(lambda: dict(self._db.execute(query, (len(prefix), prefix))))

    def head(self, limit_bytes: int) -> list[Record]:
        """The oldest signals, at least one if there is any, up to so many bytes."""
        with self._lock:
            return _read(lambda: self._head(limit_bytes))

    def _head(self, limit_bytes: int) -> list[Record]:
        found: list[Record] = []
        rows = self._db.execute("SELECT seq, body FROM signals ORDER BY seq LIMIT ?", (_HEAD_SIGNALS,))
        for seq, body in rows:
            limit_bytes -= len(body)
            if found and limit_bytes < 0:
                break
            found.append(Record(seq=seq, body=body))
        rows.close()
        return found

    def forwarded(self, records: Sequence[Record]) -> None:
        """The daemon has them. What was lost before is said now that somebody listens."""
        with self._lock:
            with self._changing():
                self._take_back(records)
                freed = self._delete(records)
                self._count("forwarded", len(records))
                self._db.execute("REPLACE INTO counters VALUES ('acknowledged_ms', ?)", (self._clock.now_ms(),))
                said = self._confess(records[-1].seq) if self._lost and records else 0
            self.bytes += said - freed
            self._lost = self._lost and not records
        if said:
            self.added.set()

    def refused(self, record: Record, reason: str) -> None:
        """The daemon will never take it: it is set aside, where people can look at it."""
        signal = json.loads(record.body)
        with self._lock:
            with self._changing():
                aside = (record.seq, self._clock.now_ms(), record.body, reason)
                self._db.execute("REPLACE INTO refused VALUES (?, ?, ?, ?)", aside)
                newest = "(SELECT seq FROM refused ORDER BY seq DESC LIMIT ?)"
                self._db.execute(f"DELETE FROM refused WHERE seq NOT IN {newest}", (_KEPT_REFUSED,))  # noqa: S608
                self._count("refused", 1)
                if sayable := not signal["key"].startswith(_LOST):
                    self._lose(signal["service"], REFUSED, 1)
                freed = self._delete([record])
            self.bytes -= freed
            self._lost = self._lost or sayable

    def _take_back(self, records: Sequence[Record]) -> None:
        """What was dropped to make room while it was on its way is not lost."""
        if not records:
            return
        query = "SELECT seq FROM signals WHERE seq BETWEEN ? AND ?"
        here = {seq for (seq,) in self._db.execute(query, (records[0].seq, records[-1].seq))}
        for record in records:
            if record.seq not in here:
                self._dropped(record.body, -1)

    def _delete(self, records: Sequence[Record]) -> int:
        """Bytes; nothing for what has been dropped in the meantime."""
        if not records:
            return 0
        span = (records[0].seq, records[-1].seq)
        query = "SELECT coalesce(sum(length(body)), 0) FROM signals WHERE seq BETWEEN ? AND ?"
        (freed,) = self._db.execute(query, span).fetchone()
        self._db.execute("DELETE FROM signals WHERE seq BETWEEN ? AND ?", span)
        return int(freed)

    def _confess(self, after: int) -> int:
        """Bytes of the signals that say what was lost; `after` makes their keys their own."""
        rows = self._db.execute(
            "SELECT service, why, signals FROM lost WHERE signals > 0 ORDER BY service, why"
        ).fetchall()
        now_ms = self._clock.now_ms()
        bodies = [_line(_confession(service, why, count, after, now_ms)) for service, why, count in rows]
        self._append(bodies)
        self._db.execute("DELETE FROM lost")
        return sum(map(len, bodies))

    # ------------------------------------------------------------ upkeep

    def shrink(self) -> None:
        """Give space that is free back to the disk, a little at a time."""
        while True:
            with self._lock:
                (free,) = _read(lambda: self._db.execute("PRAGMA freelist_count").fetchone())
                if free <= _FREE_PAGES:
                    return
                _read(lambda: self._db.execute(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})").fetchall())

    def status(self) -> dict[str, int]:
        """waiting (signals), bytes, limit, oldest_ms (when the oldest was spooled; 0: none waits), acknowledged_ms (0:
        never) and the counters forwarded, held, dropped, refused since the beginning."""
        with self._lock:
            return _read(lambda: _status(self._db, self._limit))

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()
            self._owner.close()


def status_of(path: Path, limit_bytes: int) -> dict[str, int]:
    """A spool's `status`, whoever is using it; changes nothing. Raises EnvironmentBroke."""
    if not path.exists():
        raise EnvironmentBroke(f"there is no spool at {path}: no sensor has run with this configuration")
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            return _status(db, limit_bytes)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise EnvironmentBroke(f"the spool {path} can't be read: {error}") from None


def _status(db: sqlite3.Connection, limit: int) -> dict[str, int]:
    query = "SELECT count(*), coalesce(sum(length(body)), 0), coalesce(min(at_ms), 0) FROM signals"
    waiting, size, oldest_ms = db.execute(query).fetchone()
    counters = dict(db.execute("SELECT name, value FROM counters"))
    return {"waiting": waiting, "bytes": size, "limit": limit, "oldest_ms": oldest_ms,
            **{name: counters.get(name, 0) for name in _COUNTERS}}  # fmt: skip


def _confession(service: str, why: str, count: int, after: int, now_ms: int) -> Signal:
    text = f"{count} signals were lost: {why}"
    return Signal(
        key=f"{_LOST}{now_ms}:{after}:{service}:{why}", source="sensor", service=service,
        title=f"signals were lost: {why}", at_ms=now_ms, kind="blind", severity=Severity.ERROR, message=text,
        labels={"lost": str(count), "why": why},
    )  # fmt: skip


def _line(signal: Signal) -> bytes:
    return json.dumps(asdict(signal), ensure_ascii=False).encode("utf-8", "replace")


def _read(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except sqlite3.Error as error:
        raise EnvironmentBroke(f"the spool can't be read: {error}") from None


def _owned(path: Path) -> IO[str]:
    """The spool is this process's until the file is closed. Raises EnvironmentBroke."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_suffix(".lock").open("w")
    except OSError as error:
        raise EnvironmentBroke(f"the spool {path} can't be used: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise EnvironmentBroke(f"another sensor uses the spool {path}; each needs a state_dir of its own") from None
    return file


def _opened(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    pragmas = ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL", "cache_size=-512",
               "journal_size_limit=4194304")  # fmt: skip
    for pragma in pragmas:
        db.execute(f"PRAGMA {pragma}")
    db.executescript(_SCHEMA)
    return db
