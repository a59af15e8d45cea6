"""The tables. One file, so that a reader sees everything the daemon remembers; changes go through migrations."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

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
    Column("held", String(20), nullable=False, default="", server_default=""),
    Column("joined", String(40), nullable=False, default="", server_default=""),
    Index("incidents_by_fingerprint", "service", "fingerprint", "first_at_ms"),
    Index("incidents_by_time", "last_at_ms"),
    Index("incidents_by_service", "service", "first_at_ms"),
)

facets = Table(
    "facets",
    metadata,
    Column("incident", String(40), primary_key=True),
    Column("service", String(200), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", String(20), nullable=False),
    Column("first_at_ms", BigInteger, nullable=False),
    Column("last_at_ms", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("turns", Text, nullable=False),
    Column("signal", JSON, nullable=False),
    Index("facets_by_fingerprint", "fingerprint", "service", "first_at_ms"),
)

ties = Table(
    "ties",
    metadata,
    Column("token", String(240), primary_key=True),
    Column("incident", String(40), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Index("ties_by_incident", "incident"),
    Index("ties_by_time", "at_ms"),
)

firing = Table(
    "firing",
    metadata,
    Column("instance", String(40), primary_key=True),
    Column("service", String(200), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("incident", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("over_ms", BigInteger, nullable=False),
    Index("firing_now", "incident", "over_ms", "service", "fingerprint"),
)

releases = Table(
    "releases",
    metadata,
    Column("service", String(200), primary_key=True),
    Column("release", String(100), primary_key=True),
    Column("first_at_ms", BigInteger, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    Column("incident", String(40), primary_key=True),
    Column("slot", String(10), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
)

buckets = Table(
    "buckets",
    metadata,
    Column("incident", String(40), primary_key=True),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("subject", String(240), primary_key=True),
    Column("action", String(30), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

seen = Table(
    "seen_signals",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("incident", String(40), nullable=False),
    Column("fingerprint", String(64), nullable=False, default="", server_default=""),
    Column("count", Integer, nullable=False, default=1, server_default="1"),
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
    Index("missions_by_service", "service", "updated_at_ms"),
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
    Index("outcomes_by_exception", "exception", "at_ms"),
    Index("outcomes_by_service", "service", "outcome", "at_ms"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("book", String(64), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("params", JSON, nullable=False),
    Column("target", Text, nullable=False),
    Column("person", String(100), nullable=False),
    Column("by_hand", Boolean, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("result", JSON, nullable=False),
    Index("runs_by_book", "book", "began_ms"),
    Index("runs_by_time", "made_ms"),
)

run_entries = Table(
    "run_entries",
    metadata,
    Column("run", String(400), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("root", String(200), nullable=False),
    Column("entry", JSON, nullable=False),
    Index("run_entries_by_root", "root"),
)

merges = Table(
    "merges",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("service", String(200), nullable=False),
    Column("fixer", String(60), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("commit", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("reverted_ms", BigInteger, nullable=False),
    Column("reverted_by", Text, nullable=False),
    Index("merges_by_kind", "service", "fixer", "kind", "at_ms"),
    Index("merges_by_service", "service", "at_ms"),
)

switches = Table(
    "switches",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("thrown", Boolean, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

effects = Table(
    "effects",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("result", Text, nullable=True),
)
