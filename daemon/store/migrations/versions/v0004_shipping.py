"""What was merged and whether it lasted, the kill switch, effects under way; and indexes that keep reads of a long
history short."""

from __future__ import annotations

from alembic import op

from nightshift.daemon.store.schema import metadata

revision = "0004"
down_revision = "0003"

_NEW = ("merges", "switches", "effects")
_INDEXES = {
    "missions": {"missions_by_service": ["service", "updated_at_ms"]},
    "outcomes": {
        "outcomes_by_exception": ["exception", "at_ms"],
        "outcomes_by_service": ["service", "outcome", "at_ms"],
    },
}


def upgrade() -> None:
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in _NEW])
    for table, indexes in _INDEXES.items():
        for name, columns in indexes.items():
            op.create_index(name, table, columns)


def downgrade() -> None:
    for table, indexes in _INDEXES.items():
        for name in indexes:
            op.drop_index(name, table)
    for name in _NEW:
        op.drop_table(name)
