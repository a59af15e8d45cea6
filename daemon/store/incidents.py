"""Incidents and the signals already counted in them."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import RowMapping, func, select, update

from nightshift.daemon.model import Incident, IncidentState, dump, load
from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import incidents, seen


class Incidents:
    """Reads and writes incidents; every method is one transaction or joins the caller's."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, incident: str) -> Incident | None:
        """One incident by id; a unique prefix of at least 4 characters is enough."""
        with self._db.begin() as c:
            rows = c.execute(select(incidents).where(incidents.c.id.startswith(incident, autoescape=True))).mappings()
            found = list(rows.fetchmany(2))
        exact = [r for r in found if r["id"] == incident]
        chosen = exact or (found if len(found) == 1 and len(incident) >= 4 else [])
        return _incident(chosen[0]) if chosen else None

    def latest(self, service: str, fingerprint: str) -> Incident | None:
        """The newest incident with this fingerprint, open or not."""
        query = (
            select(incidents)
            .where(incidents.c.service == service, incidents.c.fingerprint == fingerprint)
            .order_by(incidents.c.first_at_ms.desc())
            .limit(1)
        )
        with self._db.begin() as c:
            row = c.execute(query).mappings().first()
        return _incident(row) if row else None

    def add(self, incident: Incident) -> None:
        """Write a new incident."""
        with self._db.begin() as c:
            c.execute(incidents.insert().values(**dump(incident)))

    def count_again(self, incident: Incident, at_ms: int, times: int = 1) -> Incident:
        """One more occurrence (or `times`)."""
        newer = replace(incident, count=incident.count + times, last_at_ms=max(at_ms, incident.last_at_ms))
        with self._db.begin() as c:
            c.execute(
                update(incidents)
                .where(incidents.c.id == incident.id)
                .values(count=incidents.c.count + times, last_at_ms=newer.last_at_ms)
            )
        return newer

    def set_state(self, incident: str, state: IncidentState) -> None:
        """Move an incident to a state."""
        with self._db.begin() as c:
            c.execute(update(incidents).where(incidents.c.id == incident).values(state=state.value))

    def see(self, key: str, at_ms: int, incident: str) -> bool:
        """Remember that a signal was counted; False when it had been already."""
        with self._db.begin() as c:
            if self.known(key):
                return False
            c.execute(seen.insert().values(key=key[:300], at_ms=at_ms, incident=incident))
        return True

    def known(self, key: str) -> bool:
        """Whether a signal was counted before."""
        with self._db.begin() as c:
            return c.execute(select(seen.c.key).where(seen.c.key == key[:300])).first() is not None

    def occurrences_since(self, incident: str, at_ms: int) -> int:
        """How many signals of an incident, and of those that recur after it, were seen at or after a time."""
        with self._db.begin() as c:
            heirs = select(incidents.c.id).where((incidents.c.id == incident) | (incidents.c.previous == incident))
            query = select(func.count()).select_from(seen).where(seen.c.incident.in_(heirs), seen.c.at_ms >= at_ms)
            return int(c.execute(query).scalar_one())

    def list(self, *, since_ms: int = 0, until_ms: int = 2**62, state: str = "", limit: int = 200) -> list[Incident]:
        """Incidents active in a period, newest first."""
        query = select(incidents).where(incidents.c.last_at_ms >= since_ms, incidents.c.first_at_ms < until_ms)
        if state:
            query = query.where(incidents.c.state == state)
        with self._db.begin() as c:
            rows = c.execute(query.order_by(incidents.c.last_at_ms.desc()).limit(limit)).mappings().all()
        return [_incident(r) for r in rows]

    def totals(self) -> dict[tuple[str, str], int]:
        """(service, state) → how many incidents there are."""
        query = select(incidents.c.service, incidents.c.state, func.count()).group_by(
            incidents.c.service, incidents.c.state
        )
        with self._db.begin() as c:
            return {(service, state): count for service, state, count in c.execute(query)}

    def forget_signals(self, before_ms: int) -> int:
        """Retention: drop the memory of signals older than a time; returns how many."""
        with self._db.begin() as c:
            return c.execute(seen.delete().where(seen.c.at_ms < before_ms)).rowcount


def _incident(row: RowMapping) -> Incident:
    return load(Incident, dict(row))
