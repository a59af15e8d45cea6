"""What shipping has to remember: merges and whether they lasted, the kill switch, and effects that happen once however
many daemons try."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import effects, merges, switches

_RECORD = 500
"""Merges of one kind that a track record is made of; older ones weigh next to nothing."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """One merge. `alone`: no person approved it. `reverted_ms` 0: it was not reverted."""

    key: str
    service: str
    fixer: str
    kind: str
    commit: str
    at_ms: int
    alone: bool
    reverted_ms: int = 0
    reverted_by: str = ""


class Merges:
    """The track record."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, merge: Merged) -> None:
        """Write a merge down; done again it changes nothing."""
        with self._db.begin() as c:
            if not c.execute(select(merges.c.key).where(merges.c.key == merge.key)).first():
                c.execute(insert(merges).values(**vars(merge)))

    def revert(self, key: str, at_ms: int, by: str) -> bool:
        """It was reverted; True when that is news."""
        where = (merges.c.key == key) & (merges.c.reverted_ms == 0)
        with self._db.begin() as c:
            return bool(c.execute(update(merges).where(where).values(reverted_ms=at_ms, reverted_by=by)).rowcount)

    def of(self, service: str, fixer: str, kind: str) -> list[Merged]:
        """The newest merges of one kind of change, newest first."""
        where = (merges.c.service == service) & (merges.c.fixer == fixer) & (merges.c.kind == kind)
        query = select(merges).where(where).order_by(merges.c.at_ms.desc()).limit(_RECORD)
        with self._db.begin() as c:
            return [_merged(row) for row in c.execute(query).mappings()]

    def standing(self, service: str, since_ms: int, limit: int = 200) -> list[Merged]:
        """Merges of a service at or after a time that nobody reverted, newest first."""
        where = (merges.c.service == service) & (merges.c.at_ms >= since_ms) & (merges.c.reverted_ms == 0)
        query = select(merges).where(where).order_by(merges.c.at_ms.desc()).limit(limit)
        with self._db.begin() as c:
            return [_merged(row) for row in c.execute(query).mappings()]

    def alone_since(self, service: str, since_ms: int) -> int:
        """How many of a service's merges at or after a time no person had approved."""
        where = (merges.c.service == service) & (merges.c.at_ms >= since_ms) & merges.c.alone
        with self._db.begin() as c:
            return int(c.execute(select(func.count()).select_from(merges).where(where)).scalar_one())


@dataclass(frozen=True, kw_only=True)
class Thrown:
    """The kill switch was thrown: by whom, why, when."""

    actor: str
    reason: str
    at_ms: int


class Switches:
    """The kill switch, in the store: every daemon that shares the store obeys it."""

    NAME = "stop"

    def __init__(self, database: Database) -> None:
        self._db = database

    def throw(self, actor: str, reason: str, at_ms: int) -> None:
        """Stop every effect from now on."""
        self._set(thrown=True, actor=actor[:100], reason=reason, at_ms=at_ms)

    def release(self, actor: str, reason: str, at_ms: int) -> None:
        """Effects may happen again."""
        self._set(thrown=False, actor=actor[:100], reason=reason, at_ms=at_ms)

    def thrown(self) -> Thrown | None:
        """Who stopped everything, or None."""
        with self._db.begin() as c:
            row = c.execute(select(switches).where(switches.c.name == self.NAME)).mappings().first()
        return Thrown(actor=row["actor"], reason=row["reason"], at_ms=row["at_ms"]) if row and row["thrown"] else None

    def _set(self, **values: object) -> None:
        with self._db.begin() as c:
            if not c.execute(update(switches).where(switches.c.name == self.NAME).values(**values)).rowcount:
                c.execute(insert(switches).values(name=self.NAME, **values))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What became of asking for an effect: it is `mine` to do, or it was done (`result`), or `owner` is at it."""

    mine: bool
    result: str | None = None
    owner: str = ""


class Effects:
    """Effects by key. One owner at a time may be at one; what it gave is kept, and the effect never happens again."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def claim(self, key: str, owner: str, now_ms: int, lease_ms: int) -> Claim:
        """Ask to do an effect. The same owner gets it again after a kill, another one when the lease is over."""
        mine = {"owner": owner, "until_ms": now_ms + lease_ms}
        free = (effects.c.owner == owner) | (effects.c.until_ms < now_ms)
        try:
            with self._db.begin() as c:
                row = c.execute(select(effects).where(effects.c.key == key)).mappings().first()
                if row is None:
                    c.execute(insert(effects).values(key=key, **mine))
                    return Claim(mine=True)
                if row["result"] is not None:
                    return Claim(mine=False, result=row["result"])
                where = (effects.c.key == key) & effects.c.result.is_(None) & free
                taken = bool(c.execute(update(effects).where(where).values(**mine)).rowcount)
        except IntegrityError:  # somebody was a moment faster
            return self.claim(key, owner, now_ms, lease_ms)
        return Claim(mine=taken, owner="" if taken else row["owner"])

    def done(self, key: str, owner: str, result: str) -> None:
        """It was done; what it gave."""
        where = (effects.c.key == key) & (effects.c.owner == owner)
        with self._db.begin() as c:
            c.execute(update(effects).where(where).values(result=result))

    def give_up(self, key: str, owner: str) -> None:
        """It was not done; whoever asks next may."""
        where = (effects.c.key == key) & (effects.c.owner == owner) & effects.c.result.is_(None)
        with self._db.begin() as c:
            c.execute(update(effects).where(where).values(until_ms=0))


def _merged(row: RowMapping) -> Merged:
    return Merged(**row)
