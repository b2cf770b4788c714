"""Brings a database to the schema of this version."""

import secrets

from sqlalchemy import Connection, insert, inspect, select, text

from tracker_service.store.schema import HEAD, tracker
from videoteca_core.errors import DatabaseTooNew


def migrate(connection: Connection, where: object) -> None:
    """Bring a database to :data:`HEAD`, inside the transaction of the caller.

    Args:
        connection: the database.
        where: how to name it to a person.

    Raises:
        DatabaseTooNew: a later version wrote it.
    """
    if _revision(connection) != HEAD:
        _upgrade(connection, where)
    if connection.scalar(select(tracker.c.tracker_id)) is None:
        connection.execute(insert(tracker).values(tracker_id=secrets.token_hex(16)))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _upgrade(connection: Connection, where: object) -> None:
    # Slow to import, and needed only when there is something to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "tracker_service.store:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:  # its revision is none of ours
        raise DatabaseTooNew(path=where) from error
