"""Runs of runbooks and what their steps left."""

from __future__ import annotations

from alembic import op

from nightshift.daemon.store.schema import metadata

revision = "0003"
down_revision = "0002"

_NEW = ("runs", "run_entries")


def upgrade() -> None:
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in _NEW])


def downgrade() -> None:
    for name in _NEW:
        op.drop_table(name)
