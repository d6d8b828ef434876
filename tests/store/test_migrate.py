"""The migrated schema is the one that the tables say, however often and by whom it is made."""

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

import billing_gql
from billing_gql.store.database import Database
from billing_gql.store.migrate import alembic_config, is_current, migrate
from tests.databases import new_database

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
  AND contype <> 't' -- constraint triggers, like all triggers, are of the migrations alone
ORDER BY 1, 2, 3, 4
"""


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    """The address of a database without tables."""
    async with new_database(server_url) as url:
        yield url


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    """The same, open."""
    opened = Database(empty_url)
    yield opened
    await opened.close()


def import_tables() -> None:
    """Every module that declares tables, so that the metadata is whole."""
    for module in pkgutil.walk_packages(billing_gql.__path__, "billing_gql."):
        if module.name.endswith((".tables", ".applied", ".credit_notes")):
            importlib.import_module(module.name)


def differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(
        compare_metadata(MigrationContext.configure(connection, opts=options), SQLModel.metadata)
    )


async def catalogue(database: Database) -> list[tuple[str, ...]]:
    async with database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(CATALOGUE))]


async def test_the_migrated_schema_is_the_tables(empty: Database) -> None:
    import_tables()
    await migrate(empty)
    async with empty.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_columns_indexes_and_constraints_are_those_that_the_tables_would_make(
    empty: Database, database: Database
) -> None:
    import_tables()
    async with empty.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    found, wanted = await catalogue(database), await catalogue(empty)
    assert set(found) - set(wanted) == set()
    assert set(wanted) - set(found) == set()
    assert len(found) > 150


async def test_migrating_again_changes_nothing(empty: Database) -> None:
    assert not await is_current(empty)
    await migrate(empty)
    assert await is_current(empty)
    before = await catalogue(empty)
    await migrate(empty)
    assert await catalogue(empty) == before
    assert await is_current(empty)


HOURS = """
INSERT INTO organizations VALUES ('org', 'Acme', 'TEST', 'UTC', 'USD', 'ACM', 'PER_CUSTOMER', 30, 3,
  NULL, now());
INSERT INTO features VALUES
  ('calls', 'org', 'calls', 'Calls', 'call', 'COUNT', NULL, '{region}', now()),
  ('bytes', 'org', 'bytes', 'Bytes', 'call', 'SUM', 'bytes', '{region}', now());
INSERT INTO usage_rollups
  SELECT 'org', 'cus', feature, CAST(hour AS timestamptz), generation,
    sha256(convert_to(row(NULL::text, source, ARRAY[region])::text, 'UTF8')), NULL, source,
    ARRAY[region], 2, CASE feature WHEN 'calls' THEN 0 ELSE total END
  FROM (VALUES
    ('2026-01-01T23:00Z', 0, 'eu', 'a', 1.5), ('2026-01-02T00:00Z', 0, 'eu', 'a', 2),
    ('2026-01-02T23:00Z', 0, 'eu', 'a', 0.25), ('2026-01-02T23:00Z', 1, 'eu', 'a', 4),
    ('2026-01-02T23:00Z', 0, 'eu', 'b', 8), ('2026-01-02T23:00Z', 0, NULL, 'b', 16)
  ) AS h (hour, generation, source, region, total), unnest(ARRAY['calls', 'bytes']) AS feature;
"""
DAYS = """
SELECT feature_id, to_char(starts_at AT TIME ZONE 'UTC', 'DD HH24:MI'), generation, source,
  dimensions[1], event_count, trim_scale(total)::text
FROM daily_usage
WHERE group_hash = sha256(convert_to(row(NULL::text, source, dimensions)::text, 'UTF8'))
ORDER BY 1, 2, 3, 4, 5
"""


async def test_hours_that_were_there_before_are_summed_by_the_day(empty: Database) -> None:
    async with empty.engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0002"))
        for statement in filter(str.strip, HOURS.split(";")):
            await connection.exec_driver_sql(statement)
    await migrate(empty)
    async with empty.engine.connect() as connection:
        days = [tuple(row) for row in await connection.exec_driver_sql(DAYS)]
        hours = await connection.exec_driver_sql(
            "SELECT count(*), sum(total), count(total) FROM hourly_usage"
        )
        assert tuple(hours.one()) == (12, Decimal("31.75"), 6)
    wanted = [
        ("01 00:00", 0, "eu", "a", 2, "1.5"),
        ("02 00:00", 0, "eu", "a", 4, "2.25"),
        ("02 00:00", 0, "eu", "b", 2, "8"),
        ("02 00:00", 0, None, "b", 2, "16"),
        ("02 00:00", 1, "eu", "a", 2, "4"),
    ]
    assert days == [
        *(("bytes", *day) for day in wanted),
        *(("calls", *day[:-1], None) for day in wanted),
    ]


NOTES = """
SET session_replication_role = replica;
INSERT INTO organizations (id) VALUES ('org');
INSERT INTO customers (id, organization_id) VALUES ('cus_1', 'org'), ('cus_2', 'org');
INSERT INTO invoices (id, organization_id, customer_id)
  VALUES ('inv_1', 'org', 'cus_1'), ('inv_2', 'org', 'cus_2');
INSERT INTO credit_notes (id, organization_id, invoice_id, number, reason, settlement, currency,
    subtotal, total_tax, total, created_at)
  VALUES ('crn_a', 'org', 'inv_1', '1', 'OTHER', 'REFUND', 'USD', 10, 1, 11, '2026-01-05Z'),
    ('crn_b', 'org', 'inv_2', '2', 'OTHER', 'REFUND', 'JPY', 5, 0, 5, '2026-01-06Z'),
    ('crn_c', 'org', 'inv_2', '3', 'OTHER', 'BALANCE', 'JPY', 5, 0, 5, '2026-01-07Z');
SET session_replication_role = origin;
"""
PAID_OUT = """
SELECT id, organization_id, customer_id, invoice_id, credit_note_id, payment_id, provider, state,
  currency, amount, attempt, to_char(refunded_at AT TIME ZONE 'UTC', 'DD HH24'),
  refunded_at = created_at FROM refunds ORDER BY id
"""


async def test_refunds_that_were_recorded_before_were_paid_out_by_hand(empty: Database) -> None:
    async with empty.engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0009"))
        # What the migration does not read.
        nullable = await connection.exec_driver_sql(
            "SELECT format('ALTER TABLE %I ALTER COLUMN %I DROP NOT NULL', table_name,"
            " column_name) FROM information_schema.columns WHERE is_nullable = 'NO'"
            " AND table_name IN ('organizations', 'customers', 'invoices')"
            " AND column_name <> 'id'"
        )
        for statement in nullable.scalars().all():
            await connection.exec_driver_sql(statement)
        for statement in filter(str.strip, NOTES.split(";")):
            await connection.exec_driver_sql(statement)
    await migrate(empty)
    async with empty.engine.connect() as connection:
        found = [tuple(row) for row in await connection.exec_driver_sql(PAID_OUT)]
    by_hand = (None, "MANUAL", "SUCCEEDED")
    assert found == [
        ("rfd_a", "org", "cus_1", "inv_1", "crn_a", *by_hand, "USD", 11, None, "05 00", True),
        ("rfd_b", "org", "cus_2", "inv_2", "crn_b", *by_hand, "JPY", 5, None, "06 00", True),
    ]


@pytest.mark.parametrize("processes", [2, 5])
async def test_many_may_migrate_at_once(empty_url: str, empty: Database, processes: int) -> None:
    others = [Database(empty_url) for _ in range(processes)]
    await asyncio.gather(*(migrate(other) for other in others))
    assert await is_current(empty)
    for other in others:
        await other.close()


async def test_a_migration_that_fails_leaves_nothing(empty: Database) -> None:
    async with empty.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE line_items (id text)"))
    with pytest.raises(Exception, match='"line_items" already exists'):
        await migrate(empty)
    assert not await is_current(empty)
    async with empty.engine.connect() as connection:
        tables = await connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        assert list(tables.scalars()) == ["line_items"]
