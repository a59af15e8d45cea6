"""Incidents and the signals already counted in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, or_, select, update

from nightshift.daemon.model import Incident, IncidentState, Severity, dump, load
from nightshift.daemon.store.database import Database
from nightshift.daemon.store.filter import Filter, place_of
from nightshift.daemon.store.schema import buckets, decisions, facets, incidents, samples, seen

_WORST = case({severity.value: rank for rank, severity in enumerate(Severity)}, value=incidents.c.severity)
SORTS: dict[str, ColumnElement[Any]] = {
    "last": incidents.c.last_at_ms, "first": incidents.c.first_at_ms, "count": incidents.c.count, "severity": _WORST,
}  # fmt: skip
"""What a list may be sorted by, the greatest first."""


# Named here, because the class has a `list` of its own.
Found: TypeAlias = list[Incident]
Names: TypeAlias = list[str]
Rows: TypeAlias = list[dict[str, Any]]
Counts: TypeAlias = list[tuple[int, int]]


class Incidents:
    """Reads and writes incidents; every method is one transaction or joins the caller's."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, incident: str) -> Incident | None:
        """One incident by id; a unique prefix of at least 4 characters is enough."""
        with self._db.begin() as c:
            found = list(c.execute(select(incidents).where(incidents.c.id == incident)).mappings())
            if not found and len(incident) >= 4:  # after the exact look, which an index answers
                starts = incidents.c.id.startswith(incident, autoescape=True)
                found = list(c.execute(select(incidents).where(starts)).mappings().fetchmany(2))
        return _incident(found[0]) if len(found) == 1 else None

    def latest(self, service: str, fingerprint: str) -> Incident | None:
        """The newest incident that has a facet with this fingerprint, open or not."""
        query = (
            select(incidents)
            .join(facets, facets.c.incident == incidents.c.id)
            .where(facets.c.service == service, facets.c.fingerprint == fingerprint)
            .order_by(facets.c.first_at_ms.desc())
            .limit(1)
        )
        with self._db.begin() as c:
            row = c.execute(query).mappings().first()
        return _incident(row) if row else None

    def add(self, incident: Incident) -> None:
        """Write a new incident with its signal as the only facet."""
        row = dump(incident)
        signal = incident.signal
        facet = {name: row[name] for name in ("service", "fingerprint", "title", "severity", "first_at_ms",
                                              "last_at_ms", "count", "signal")}  # fmt: skip
        facet |= {"incident": incident.id, "source": signal.source, "kind": signal.kind, "why": "", "turns": ""}
        with self._db.begin() as c:
            c.execute(incidents.insert().values(**row))
            c.execute(facets.insert().values(**facet, rank=3 if signal.frames else 0))

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
        """How often what an incident is mended from was seen at or after a time, in it and in those that recur after
        it; alerts that joined it don't count: they decay slowly."""
        mended = select(incidents.c.fingerprint).where(incidents.c.id == incident).scalar_subquery()
        heirs = select(incidents.c.id).where((incidents.c.id == incident) | (incidents.c.previous == incident))
        query = select(func.count()).where(
            seen.c.incident.in_(heirs),
            seen.c.at_ms >= at_ms,
            or_(seen.c.fingerprint == "", seen.c.fingerprint == mended),
        )
        with self._db.begin() as c:
            return int(c.execute(query).scalar_one())

    # ------------------------------------------------------------ lists

    def list(
        self, *, since_ms: int = 0, until_ms: int = 2**62, state: str = "", limit: int = 200, joined: bool = False
    ) -> list[Incident]:
        """Incidents active in a period, newest first; those that others took over only when `joined`."""
        return self.find(Filter(since_ms=since_ms, until_ms=until_ms, state=state, limit=limit, joined=joined))

    def find(self, wanted: Filter) -> Found:
        """The incidents of a filter. Raises ValueError for a cursor that is none."""
        by = SORTS[wanted.sort]
        query = _filtered(select(incidents), wanted).order_by(by.desc(), incidents.c.id.desc()).limit(wanted.limit)
        if wanted.after:
            value, name = place_of(wanted.after)
            query = query.where(or_(by < value, and_(by == value, incidents.c.id < name)))
        with self._db.begin() as c:
            return [_incident(r) for r in c.execute(query).mappings().all()]

    def heirs(self, incident: str) -> Names:
        """The incidents that recur after one, or that it took over, oldest first."""
        query = select(incidents.c.id).where((incidents.c.previous == incident) | (incidents.c.joined == incident))
        with self._db.begin() as c:
            return list(c.execute(query.order_by(incidents.c.first_at_ms)).scalars())

    def totals(self) -> dict[tuple[str, str], int]:
        """(service, state) → how many incidents there are."""
        query = select(incidents.c.service, incidents.c.state, func.count()).group_by(
            incidents.c.service, incidents.c.state
        )
        with self._db.begin() as c:
            return {(service, state): count for service, state, count in c.execute(query)}

    # ------------------------------------------------------------ details

    def facets(self, incident: str) -> Rows:
        """The kinds of signals in an incident, the first one first, each with why it is there; without signals."""
        columns = [column for column in facets.c if column.name not in ("signal", "turns", "incident")]
        query = select(*columns).where(facets.c.incident == incident)
        return self._rows(query.order_by(facets.c.first_at_ms, facets.c.fingerprint))

    def samples(self, incident: str) -> Rows:
        """slot (first, last, s0…), at_ms and text of the samples kept, oldest first."""
        columns = (samples.c.slot, samples.c.at_ms, samples.c.text)
        query = select(*columns).where(samples.c.incident == incident)
        return self._rows(query.order_by(samples.c.at_ms, samples.c.slot))

    def buckets(self, incident: str) -> Counts:
        """(beginning of the minute or hour, count), in order."""
        return self.buckets_of([incident]).get(incident, [])

    def buckets_of(self, names: Names) -> dict[str, Counts]:
        """The same of several incidents."""
        found: dict[str, Counts] = {}
        for start in range(0, len(names), 900):
            query = select(buckets).where(buckets.c.incident.in_(names[start : start + 900]))
            for row in self._rows(query.order_by(buckets.c.at_ms)):
                found.setdefault(row["incident"], []).append((row["at_ms"], row["count"]))
        return found

    def decisions(self, subject: str) -> Rows:
        """action, count, last reason and when, of an incident's id or `service:NAME` for what began none."""
        columns = (decisions.c.action, decisions.c.count, decisions.c.reason, decisions.c.at_ms)
        query = select(*columns).where(decisions.c.subject == subject)
        return self._rows(query.order_by(decisions.c.count.desc(), decisions.c.action))

    def _rows(self, query: Select[Any]) -> Rows:
        with self._db.begin() as c:
            return [dict(row) for row in c.execute(query).mappings()]

    def forget_signals(self, before_ms: int) -> int:
        """Retention: drop the memory of signals older than a time; returns how many."""
        with self._db.begin() as c:
            return c.execute(seen.delete().where(seen.c.at_ms < before_ms)).rowcount


def _filtered(query: Select[Any], wanted: Filter) -> Select[Any]:
    query = query.where(incidents.c.last_at_ms >= wanted.since_ms, incidents.c.first_at_ms < wanted.until_ms)
    for name in ("service", "state", "severity"):
        if value := getattr(wanted, name):
            query = query.where(incidents.c[name] == value)
    if not wanted.joined:
        query = query.where(incidents.c.joined == "")
    here = facets.c.incident == incidents.c.id
    named = [facets.c[name] == getattr(wanted, name) for name in ("kind", "fingerprint") if getattr(wanted, name)]
    if wanted.source:
        named.append(
            or_(facets.c.source == wanted.source, facets.c.source.startswith(f"{wanted.source}:", autoescape=True))
        )
    if named:
        query = query.where(select(facets.c.incident).where(here, *named).exists())
    if wanted.grep:
        sampled = select(samples.c.incident).where(
            samples.c.incident == incidents.c.id, samples.c.text.icontains(wanted.grep, autoescape=True)
        )
        titled = select(facets.c.incident).where(here, facets.c.title.icontains(wanted.grep, autoescape=True))
        query = query.where(
            or_(incidents.c.title.icontains(wanted.grep, autoescape=True), titled.exists(), sampled.exists())
        )
    return query


def _incident(row: RowMapping) -> Incident:
    return load(Incident, dict(row))


__all__ = ["SORTS", "Filter", "Incidents"]
