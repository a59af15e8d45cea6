"""Schema versions, brought up to date in process at start-up: a user never has to call a migration tool.

An empty database gets today's tables at once; only an older one goes through Alembic, which is not imported otherwise
(it costs a running daemon 9 MB).
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect

from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.schema import metadata

HEAD = "0004"


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema version. Raises EnvironmentBroke when it is from a newer Nightshift."""
    with engine.connect() as connection:
        version = _version(connection)
    if version == HEAD:
        return
    if version > HEAD:
        raise EnvironmentBroke(
            f"its tables are of a newer Nightshift (schema {version}, this one knows {HEAD}): update Nightshift"
        )
    with engine.begin() as connection:
        if not inspect(connection).get_table_names():
            _create(connection)
    with engine.connect() as connection:
        version = _version(connection)
    if version != HEAD:
        _migrate(engine)


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{HEAD}')")  # noqa: S608 - a constant


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return str(row[0]) if row else ""
