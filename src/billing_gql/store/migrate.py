"""Brings a database to this version's schema, and tells how far it is from it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from billing_gql.store.database import Database

MIGRATION_LOCK = 5_917_202
"""Advisory lock: of two processes that migrate at once, the second waits and finds it done."""


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file; `env.py` uses the connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


async def migrate(database: Database) -> None:
    """Runs what has not run yet, all of it in one transaction."""
    # Not from the pool: its statement timeout is meant for requests, not for schema changes.
    engine = create_async_engine(database.engine.url, pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
    finally:
        await engine.dispose()


async def is_current(database: Database) -> bool:
    """Whether the database has exactly this version's schema."""
    async with database.engine.connect() as connection:
        have = await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_heads()
        )
    return set(have) == set(ScriptDirectory.from_config(alembic_config()).get_heads())
