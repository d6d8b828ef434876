"""The migrated schema is the one that the tables say, however often and by whom it is made."""

import asyncio
import importlib
import pkgutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

import billing_gql
from billing_gql.store.database import Database
from billing_gql.store.migrate import is_current, migrate
from tests.billing_runs.databases import empty_database

CATALOGUE = """
SELECT 'column', table_name, column_name, data_type || is_nullable || coalesce(collation_name, '')
  || coalesce(generation_expression, '') FROM information_schema.columns
  WHERE table_schema = 'public' AND table_name <> 'alembic_version'
UNION ALL
SELECT 'index', tablename, CASE WHEN indexname LIKE '%_pkey' THEN 'pk' ELSE indexname END,
  indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, contype::text, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  AND conrelid::regclass::text <> 'alembic_version'
ORDER BY 1, 2, 3, 4
"""


def import_tables() -> None:
    """Every module that declares tables, so that the metadata is whole."""
    for module in pkgutil.walk_packages(billing_gql.__path__, "billing_gql."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)


def differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(
        compare_metadata(MigrationContext.configure(connection, opts=options), SQLModel.metadata)
    )


async def catalogue(database: Database) -> list[tuple[str, ...]]:
    async with database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(CATALOGUE))]


async def test_the_migrated_schema_is_the_tables(server_url: str) -> None:
    import_tables()
    async with empty_database(server_url) as (_, database):
        await migrate(database)
        async with database.engine.connect() as connection:
            assert await connection.run_sync(differences) == []


async def test_columns_indexes_and_constraints_are_those_that_the_tables_would_make(
    server_url: str,
) -> None:
    import_tables()
    async with (
        empty_database(server_url) as (_, migrated),
        empty_database(server_url) as (_, made),
    ):
        await migrate(migrated)
        async with made.engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
        found, wanted = await catalogue(migrated), await catalogue(made)
        assert set(found) - set(wanted) == set()
        assert set(wanted) - set(found) == set()
        assert len(found) > 150


async def test_migrating_again_changes_nothing(server_url: str) -> None:
    async with empty_database(server_url) as (_, database):
        assert not await is_current(database)
        await migrate(database)
        assert await is_current(database)
        before = await catalogue(database)
        await migrate(database)
        assert await catalogue(database) == before
        assert await is_current(database)


@pytest.mark.parametrize("processes", [2, 5])
async def test_many_may_migrate_at_once(server_url: str, processes: int) -> None:
    async with empty_database(server_url) as (url, database):
        others = [Database(url) for _ in range(processes)]
        await asyncio.gather(*(migrate(other) for other in others))
        assert await is_current(database)
        for other in others:
            await other.close()


async def test_a_migration_that_fails_leaves_nothing(server_url: str) -> None:
    async with empty_database(server_url) as (_, database):
        async with database.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE line_items (id text)"))
        with pytest.raises(Exception, match='"line_items" already exists'):
            await migrate(database)
        assert not await is_current(database)
        async with database.engine.connect() as connection:
            tables = await connection.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            )
            assert list(tables.scalars()) == ["line_items"]
