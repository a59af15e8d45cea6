"""Missions: get-or-create per incident, and the one table of legal moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.exc import IntegrityError

from nightshift.daemon.model import ENDS, Mission, Stage, dump, load
from nightshift.daemon.store.database import Database
from nightshift.daemon.store.schema import missions

S = Stage
_ALWAYS = {S.ESCALATED, S.DISMISSED}
MOVES: dict[Stage, set[Stage]] = {
    S.QUEUED: {S.GATHERING, S.OPERATING, S.AWAITING_APPROVAL},
    S.GATHERING: {S.REPRODUCING, S.AWAITING_APPROVAL},
    S.REPRODUCING: {S.DRAFTING, S.AWAITING_APPROVAL, S.GATHERING},
    S.DRAFTING: {S.JUDGING, S.AWAITING_APPROVAL, S.GATHERING},
    S.JUDGING: {S.DRAFTING, S.PROPOSING, S.AWAITING_APPROVAL, S.GATHERING},
    S.PROPOSING: {S.AWAITING_APPROVAL, S.MERGING, S.GATHERING},
    S.AWAITING_APPROVAL: {S.MERGING, S.OPERATING, S.HEALED, S.ROLLING_BACK, S.GATHERING},
    S.OPERATING: {S.AWAITING_APPROVAL, S.GATHERING, S.WATCHING, S.HEALED, S.ROLLED_BACK},
    S.MERGING: {S.DEPLOYING, S.GATHERING, S.AWAITING_APPROVAL, S.ROLLING_BACK},
    S.DEPLOYING: {S.WATCHING, S.ROLLING_BACK},
    S.WATCHING: {S.HEALED, S.ROLLING_BACK, S.GATHERING, S.AWAITING_APPROVAL},
    S.ROLLING_BACK: {S.ROLLED_BACK},
}


class IllegalMove(Exception):
    """A mission was asked to go where it can't go from where it stands."""


class Missions:
    """Reads and writes missions."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def ensure(self, mission: Mission) -> Mission:
        """Get the incident's mission or create this one."""
        try:
            with self._db.begin() as c:
                row = c.execute(select(missions).where(missions.c.incident == mission.incident)).mappings().first()
                if row is None:
                    c.execute(missions.insert().values(**dump(mission)))
        except IntegrityError:
            return self.ensure(mission)
        return _mission(row) if row else mission

    def get(self, name: str) -> Mission | None:
        """One mission by its id or its incident's; a unique prefix of at least 4 characters is enough."""
        whole = (missions.c.id == name) | (missions.c.incident == name)
        starts = missions.c.id.startswith(name, autoescape=True) | missions.c.incident.startswith(name, autoescape=True)
        with self._db.begin() as c:
            rows = c.execute(select(missions).where(whole)).mappings().fetchmany(2)
            if not rows and len(name) >= 4:  # after the exact look, which an index answers
                rows = c.execute(select(missions).where(starts)).mappings().fetchmany(2)
        return _mission(rows[0]) if len(rows) == 1 else None

    def of_incidents(self, names: Sequence[str]) -> dict[str, Mission]:
        """incident → its mission, of those that have one."""
        found: dict[str, Mission] = {}
        with self._db.begin() as c:
            for start in range(0, len(names), 900):
                query = select(missions).where(missions.c.incident.in_(names[start : start + 900]))
                found |= {row["incident"]: _mission(row) for row in c.execute(query).mappings()}
        return found

    def move(self, name: str, to: Stage, reason: str, at_ms: int) -> Mission:
        """Move to a stage; moving to where it stands is a no-op (a resumed step). Raises IllegalMove, KeyError."""
        with self._db.begin() as c:
            row = c.execute(select(missions).where(missions.c.id == name)).mappings().first()
            if row is None:
                raise KeyError(name)
            mission = _mission(row)
            if mission.stage != to and to not in MOVES.get(mission.stage, set()) | (
                set() if mission.stage in ENDS else _ALWAYS
            ):
                raise IllegalMove(f"{name}: {mission.stage} → {to}")
            newer = replace(mission, stage=to, reason=reason, updated_at_ms=at_ms)
            c.execute(
                update(missions).where(missions.c.id == name).values(stage=to.value, reason=reason, updated_at_ms=at_ms)
            )
        return newer

    def set(self, name: str, **values: object) -> None:
        """Change `paused` or `round`."""
        with self._db.begin() as c:
            c.execute(update(missions).where(missions.c.id == name).values(**values))

    def spend(self, name: str, seconds: float) -> None:
        """Count seconds of work towards a mission's budget."""
        with self._db.begin() as c:
            c.execute(update(missions).where(missions.c.id == name).values(spent_s=missions.c.spent_s + seconds))

    def list(self, *, open_only: bool = False, stage: Stage | None = None, limit: int | None = 500) -> list[Mission]:
        """Missions, newest move first; `limit` None: all."""
        query = select(missions).order_by(missions.c.updated_at_ms.desc()).limit(limit)
        if open_only:
            query = query.where(missions.c.stage.not_in([s.value for s in ENDS]))
        if stage is not None:
            query = query.where(missions.c.stage == stage.value)
        with self._db.begin() as c:
            return [_mission(r) for r in c.execute(query).mappings().all()]

    def shipped_since(self, service: str, at_ms: int) -> int:
        """How often a service's branch was moved by missions at or after a time; a rollback moves it twice."""
        moved = [S.DEPLOYING, S.WATCHING, S.ROLLING_BACK, S.HEALED, S.ROLLED_BACK, S.ROLLED_BACK]
        query = select(missions.c.stage, func.count()).where(
            missions.c.service == service, missions.c.updated_at_ms >= at_ms
        )
        with self._db.begin() as c:
            counted = {stage: int(n) for stage, n in c.execute(query.group_by(missions.c.stage))}
        return sum(counted.get(stage.value, 0) for stage in moved)

    def open_of(self, service: str) -> int:
        """How many of a service's missions are not over."""
        standing = missions.c.stage.in_([stage.value for stage in Stage if stage not in ENDS])
        query = select(func.count()).select_from(missions).where(standing, missions.c.service == service)
        with self._db.begin() as c:
            return int(c.execute(query).scalar_one())

    def totals(self) -> dict[str, int]:
        """Stage → how many missions stand there."""
        with self._db.begin() as c:
            rows = c.execute(select(missions.c.stage, func.count()).group_by(missions.c.stage))
            return {str(stage): int(count) for stage, count in rows}


def _mission(row: RowMapping) -> Mission:
    return load(Mission, dict(row))
