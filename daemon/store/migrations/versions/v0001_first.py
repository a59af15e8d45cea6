"""The first schema: the tables as `store.schema` described them in 0.1."""

from __future__ import annotations

from alembic import op

from nightshift.daemon.store.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    metadata.drop_all(op.get_bind())
