"""What one intake batch reads and writes, as sets: a storm of 500 signals costs a dozen statements, not thousands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ClauseElement,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    not_,
    select,
    text,
    update,
)  # fmt: skip

from nightshift.daemon.model import ENDS, Incident, IncidentState, Signal, load
from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import (
    buckets,
    decisions,
    facets,
    firing,
    incidents,
    journal,
    missions,
    releases,
    samples,
    seen,
    ties,
)

Row = Mapping[str, Any]
_CHUNK = 900
_LIVE = (IncidentState.OPEN.value, IncidentState.ESCALATED.value)
_CASE = [column for column in incidents.c if column.name != "signal"]
_FACET = [column for column in facets.c if column.name != "signal"]
_NAMES: Any = bindparam("names", expanding=True)
_BEGUN = incidents.c.first_at_ms.between(bindparam("since"), bindparam("until"))
_newer = facets.alias("newer")
# In the order they were told of: when one was first seen moves back when an older observation of it is heard late.

# Statements are made once: to make one costs more than to run it.
_KNOWN = select(seen.c.key, seen.c.incident).where(seen.c.key.in_(_NAMES))
_LATEST = (
    select(*_FACET, *[column.label(f"i_{column.name}") for column in _CASE])
    .join(incidents, incidents.c.id == facets.c.incident)
    .where(
        facets.c.fingerprint.in_(_NAMES),
        ~select(_newer.c.incident)
        .where(
            _newer.c.fingerprint == facets.c.fingerprint,
            _newer.c.service == facets.c.service,
            literal_column("newer.rowid > facets.rowid"),
        )
        .exists(),
    )
)
_TIED = (
    select(ties)
    .join(incidents, incidents.c.id == ties.c.incident)
    .where(ties.c.token.in_(_NAMES), incidents.c.state.in_(_LIVE), _BEGUN)
)
_TIES_OF = select(ties).where(ties.c.incident.in_(_NAMES))
_CASES = select(*_CASE).where(incidents.c.id.in_(_NAMES))
_FACETS_OF = select(*_FACET).where(facets.c.incident.in_(_NAMES))
_SIGNALS = select(incidents.c.id, incidents.c.signal).where(incidents.c.id.in_(_NAMES))
_GATHERED = select(journal.c.id).where(journal.c.mission == missions.c.id, journal.c.actor == "hand-off").exists()
_MISSIONS_OF = select(
    missions.c.incident, missions.c.id, missions.c.stage, missions.c.updated_at_ms, _GATHERED.label("gathered")
).where(missions.c.incident.in_(_NAMES))
_BEGUN_IN = select(incidents.c.id, incidents.c.service, incidents.c.first_at_ms, incidents.c.held).where(
    incidents.c.service.in_(_NAMES), _BEGUN, incidents.c.joined == ""
)
_STORMS = select(incidents.c.id, incidents.c.service).where(
    incidents.c.service.in_(_NAMES), incidents.c.state == IncidentState.OPEN.value, incidents.c.held == "storm"
)
_FIRING = select(firing).where(firing.c.instance.in_(_NAMES))
_FIRING_OF = (
    select(firing.c.incident, firing.c.service, firing.c.fingerprint, func.count().label("count"))
    .where(firing.c.incident.in_(_NAMES), firing.c.over_ms == 0)
    .group_by(firing.c.incident, firing.c.service, firing.c.fingerprint)
)
_RELEASES = select(releases).where(releases.c.service.in_(_NAMES))
_DEPLOYS = (
    select(missions.c.service, journal.c.mission, journal.c.at_ms)
    .join(missions, missions.c.id == journal.c.mission)
    .where(missions.c.service.in_(_NAMES), journal.c.stage == "deploying", journal.c.at_ms >= bindparam("since"))
)
_ADD = {
    table.name: text(
        f"INSERT INTO {table.name} ({', '.join(c.name for c in table.c)}) "  # noqa: S608 - names of our own tables
        f"VALUES ({', '.join(':' + c.name for c in table.c)}) ON CONFLICT ({key}) DO {action}"
    )
    for table, key, action in (
        (buckets, "incident, at_ms", "UPDATE SET count = buckets.count + excluded.count"),
        (decisions, "subject, action", "UPDATE SET count = decisions.count + excluded.count, "
         "reason = excluded.reason, at_ms = excluded.at_ms"),
        (samples, "incident, slot", "UPDATE SET at_ms = excluded.at_ms, text = excluded.text"),
        (ties, "token, incident", "NOTHING"),
        (firing, "instance", "UPDATE SET service = excluded.service, fingerprint = excluded.fingerprint, "
         "incident = excluded.incident, at_ms = excluded.at_ms, over_ms = excluded.over_ms"),
        (releases, "service, release", "NOTHING"),
    )
}  # fmt: skip
_SEE = insert(seen)
_COUNT_FACET = (
    update(facets)
    .where(
        facets.c.incident == bindparam("b_incident"),
        facets.c.service == bindparam("b_service"),
        facets.c.fingerprint == bindparam("b_fingerprint"),
    )
    .values(
        count=facets.c.count + bindparam("more"), last_at_ms=bindparam("last"), first_at_ms=bindparam("first"),
        severity=bindparam("worst"), turns=bindparam("turned"), why=bindparam("because"),
    )
)  # fmt: skip
_COUNT_INCIDENT = (
    update(incidents)
    .where(incidents.c.id == bindparam("b_id"))
    .values(
        count=incidents.c.count + bindparam("more"), last_at_ms=bindparam("last"), severity=bindparam("worst"),
        held=bindparam("why_held"),
    )
)  # fmt: skip


class Ingest:
    """Set-based reads and writes; every method joins the caller's transaction. Rows are plain mappings."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._compiled: dict[int, Any] = {}

    # ------------------------------------------------------------ reading

    def known(self, keys: Collection[str]) -> dict[str, str]:
        """key → incident, of the observations that were counted before."""
        return {row["key"]: row["incident"] for row in self._all(_KNOWN, keys)}

    def latest(self, fingerprints: Collection[str]) -> list[Row]:
        """The newest facet of each (service, fingerprint), whatever its incident's state, which is `i_*`."""
        return self._all(_LATEST, fingerprints)

    def tied(self, tokens: Collection[str], since_ms: int, until_ms: int) -> list[Row]:
        """Ties (token, incident, at_ms) of open incidents that began in a period."""
        return self._all(_TIED, tokens, since=since_ms, until=until_ms)

    def ties_of(self, ids: Collection[str]) -> list[Row]:
        """All ties of some incidents."""
        return self._all(_TIES_OF, ids)

    def cases(self, ids: Collection[str]) -> list[Row]:
        """Incidents without their signals."""
        return self._all(_CASES, ids)

    def facets_of(self, ids: Collection[str]) -> list[Row]:
        """All facets of some incidents, without their signals."""
        return self._all(_FACETS_OF, ids)

    def signals(self, ids: Collection[str]) -> dict[str, Signal]:
        """incident → the signal to mend from."""
        return {row["id"]: load(Signal, row["signal"]) for row in self._all(_SIGNALS, ids)}

    def missions_of(self, ids: Collection[str]) -> dict[str, Row]:
        """incident → id, stage, updated_at_ms of its mission, and whether it has gathered its evidence."""
        return {row["incident"]: row for row in self._all(_MISSIONS_OF, ids)}

    def begun(self, services: Collection[str], since_ms: int, until_ms: int) -> list[Row]:
        """id, service, first_at_ms, held of the incidents that began in a period."""
        return self._all(_BEGUN_IN, services, since=since_ms, until=until_ms)

    def storms(self, services: Collection[str]) -> list[Row]:
        """id and service of the storm incidents that are open."""
        return self._all(_STORMS, services)

    def counted(self, incident: str, since_ms: int) -> int:
        """How many observations of an incident were at or after a time."""
        query = select(func.coalesce(func.sum(seen.c.count), 0)).where(
            seen.c.incident == incident, seen.c.at_ms >= since_ms
        )
        with self._db.begin() as c:
            return int(c.execute(query).scalar_one())

    def bucketed(self, incident: str, since_ms: int) -> int:
        """The same from the buckets, cheap for a storm."""
        query = select(func.coalesce(func.sum(buckets.c.count), 0)).where(
            buckets.c.incident == incident, buckets.c.at_ms >= since_ms
        )
        with self._db.begin() as c:
            return int(c.execute(query).scalar_one())

    def firing(self, instances: Collection[str]) -> list[Row]:
        """What is known of these instances of alerts."""
        return self._all(_FIRING, instances)

    def firing_of(self, ids: Collection[str]) -> list[Row]:
        """incident, service, fingerprint, count of the instances that still fire in some incidents."""
        return self._all(_FIRING_OF, ids)

    def releases_of(self, services: Collection[str]) -> list[Row]:
        """service, release, first_at_ms."""
        return self._all(_RELEASES, services)

    def deploys(self, services: Collection[str], since_ms: int) -> list[Row]:
        """service, mission, at_ms of our own deploys, from the journal."""
        return self._all(_DEPLOYS, services, since=since_ms)

    def still_firing(self, ended_before_ms: int, fired_since_ms: int) -> list[Row]:
        """Instances that fire on although their incident healed before a time: nobody would hear of them again."""
        ended = func.coalesce(missions.c.updated_at_ms, incidents.c.last_at_ms)
        same = [facets.c[name] == firing.c[name] for name in ("incident", "service", "fingerprint")]
        query = (
            select(firing, facets.c.signal)
            .join(incidents, incidents.c.id == firing.c.incident)
            .join(facets, and_(*same))
            .join(missions, missions.c.incident == incidents.c.id, isouter=True)
            .where(
                firing.c.over_ms == 0, firing.c.at_ms >= fired_since_ms, ended < ended_before_ms,
                incidents.c.state == IncidentState.HEALED.value,
            )
            .limit(1000)
        )  # fmt: skip
        with self._db.begin() as c:
            return [dict(row) for row in c.execute(query).mappings()]

    def due(self, limit: int) -> list[Incident]:
        """Open incidents that are not held and have no mission, oldest first."""
        with_mission = select(missions.c.id).where(missions.c.incident == incidents.c.id).exists()
        query = select(incidents).where(
            incidents.c.state == IncidentState.OPEN.value, incidents.c.held == "", not_(with_mission)
        )
        with self._db.begin() as c:
            rows = c.execute(query.order_by(incidents.c.first_at_ms).limit(limit)).mappings().all()
        return [load(Incident, dict(row)) for row in rows]

    def quiet(self, before_ms: int) -> list[Incident]:
        """Open storms and flapping incidents in which nothing was seen since a time and nothing fires."""
        fires = select(firing.c.instance).where(firing.c.incident == incidents.c.id, firing.c.over_ms == 0).exists()
        query = select(incidents).where(
            incidents.c.state == IncidentState.OPEN.value, incidents.c.held.in_(("storm", "flapping")),
            incidents.c.last_at_ms < before_ms, not_(fires),
        )  # fmt: skip
        with self._db.begin() as c:
            return [load(Incident, dict(row)) for row in c.execute(query.limit(1000)).mappings()]

    def _all(self, query: Select[Any], names: Collection[str], **values: int) -> list[Row]:
        found: list[Row] = []
        if names:
            with self._db.begin() as c:
                for chunk in _chunks(names):
                    found += map(_row, c.execute(query, {"names": chunk, **values}).mappings())
        return found

    # ------------------------------------------------------------ writing

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """New rows of `incidents` or `facets`."""
        if rows:
            with self._db.begin() as c:
                c.execute(_tables[table].insert(), list(rows))

    def see(self, rows: Sequence[Row]) -> None:
        """Signals that were counted just now."""
        self._run(_SEE, rows)

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Rows of the other tables: counts add up, texts are replaced, ties stay."""
        self._run(_ADD[table], rows)

    def count(self, in_incidents: Sequence[Row], in_facets: Sequence[Row]) -> None:
        """More observations of incidents and facets that are there."""
        self._run(_COUNT_INCIDENT, in_incidents)
        self._run(_COUNT_FACET, in_facets)

    def _run(self, statement: ClauseElement, rows: Sequence[Row]) -> None:
        """The hot statements go to the driver as they are: numbers and text need no conversion, and what SQLAlchemy
        does for each execution costs twice what SQLite does."""
        if not rows:
            return
        compiled: Any = self._compiled.get(id(statement))
        if compiled is None:
            compiled = self._compiled[id(statement)] = statement.compile(dialect=self._db.engine.dialect)
        names = compiled.positiontup
        given = [tuple([row[name] for name in names]) for row in rows] if names else [dict(row) for row in rows]
        with self._db.begin() as c:
            c.exec_driver_sql(str(compiled), given if len(given) > 1 else given[0])

    def change(self, incident: str, values: Row) -> None:
        """Overwrite columns of one incident."""
        with self._db.begin() as c:
            c.execute(update(incidents).where(incidents.c.id == incident).values(**values))

    def hand_over(self, incident: str, service: str) -> None:
        """The mission of an incident, if it has one that is not over, now looks after another service."""
        open_one = (missions.c.incident == incident) & missions.c.stage.not_in([s.value for s in ENDS])
        with self._db.begin() as c:
            c.execute(update(missions).where(open_one).values(service=service))

    def merge(self, loser: str, winner: str) -> None:
        """Everything remembered of one incident becomes part of another; the first is dismissed, with a link."""
        with self._db.begin() as c:
            self._merge_facets(loser, winner)
            for table in (facets, seen, firing):
                c.execute(update(table).where(table.c.incident == loser).values(incident=winner))
            for table, key in ((buckets, "incident"), (ties, "incident")):
                rows = [dict(r) for r in c.execute(select(table).where(table.c[key] == loser)).mappings()]
                self.add(table.name, [{**row, key: winner} for row in rows])
                c.execute(delete(table).where(table.c[key] == loser))
            self.change(loser, {"state": IncidentState.DISMISSED.value, "joined": winner})

    def _merge_facets(self, loser: str, winner: str) -> None:
        """A kind that both incidents have is counted in the winner's from now on."""
        other = facets.alias("other")
        same = (other.c.service == facets.c.service) & (other.c.fingerprint == facets.c.fingerprint)
        of_loser = select(other.c.count).where(other.c.incident == loser, same).scalar_subquery()
        both = select(other.c.incident).where(same).correlate(facets)
        with self._db.begin() as c:
            c.execute(
                update(facets)
                .where(facets.c.incident == winner, both.where(other.c.incident == loser).exists())
                .values(count=facets.c.count + of_loser)
            )
            c.execute(delete(facets).where(facets.c.incident == loser, both.where(other.c.incident == winner).exists()))


_tables: dict[str, Table] = {t.name: t for t in (incidents, facets)}


def _row(row: RowMapping) -> Row:
    return row  # type: ignore[return-value]  # its keys are str or columns, and str is all we use


def _chunks(values: Collection[str]) -> Iterable[list[str]]:
    listed = list(values)
    for start in range(0, len(listed), _CHUNK):
        yield listed[start : start + _CHUNK]


__all__ = ["Ingest", "Row"]
