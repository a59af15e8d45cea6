"""The first schema, of 0.1. Written out: what `store.schema` says may change, what 0.1 made does not."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

revision = "0001"
down_revision = None

metadata = MetaData()

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("service", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("first_at_ms", BigInteger, nullable=False),
    Column("last_at_ms", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("signal", JSON, nullable=False),
    Column("previous", String(40), nullable=False, default=""),
    Index("incidents_by_fingerprint", "service", "fingerprint", "first_at_ms"),
    Index("incidents_by_time", "last_at_ms"),
)

seen = Table(
    "seen_signals",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("incident", String(40), nullable=False),
    Index("seen_by_time", "at_ms"),
    Index("seen_by_incident", "incident", "at_ms"),
)

offsets = Table(
    "offsets",
    metadata,
    Column("key", String(500), primary_key=True),
    Column("value", Text, nullable=False),
)

missions = Table(
    "missions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("incident", String(40), nullable=False, unique=True),
    Column("service", String(200), nullable=False),
    Column("stage", String(30), nullable=False),
    Column("paused", Boolean, nullable=False, default=False),
    Column("round", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("spent_s", Float, nullable=False, default=0.0),
    Index("missions_by_stage", "stage", "updated_at_ms"),
)

journal = Table(
    "journal",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mission", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("stage", String(30), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("key", String(200), nullable=True, unique=True),
    Index("journal_by_mission", "mission", "id"),
    Index("journal_by_time", "at_ms"),
)

notices = Table(
    "notices",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("channel", String(60), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("notice", JSON, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("mission", String(40), primary_key=True),
    Column("fixer", String(60), primary_key=True),
    Column("service", String(200), nullable=False),
    Column("exception", String(200), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("outcome", String(30), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    metadata.drop_all(op.get_bind())
