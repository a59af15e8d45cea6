"""Schema versions through Alembic, run in process at start-up: a user never has to call a migration tool."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema version. Newest already: one cheap read, Alembic isn't imported."""
    if _version(engine) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


HEAD = "0001"


def _version(engine: Engine) -> str:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return ""
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return str(row[0]) if row else ""
