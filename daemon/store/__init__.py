"""The durable memory: incidents, missions, journal, offsets, track record (SQLAlchemy Core)."""
