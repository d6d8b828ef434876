"""One PostgreSQL server for the run, one database a worker, one organization a test.

The server is the bundled one, or BILLING_GQL_TEST_DATABASE_URL (a role that may create databases).
Nothing leaves an organization, so tests share their worker's database and run side by side.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from billing_gql.app import make_app
from billing_gql.logs import configure_logs
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.store.embedded import running_server
from billing_gql.store.migrate import migrate
from tests.support import Api, new_organization, serving

configure_logs("console")


@pytest.fixture(scope="session")
def server_url(testrun_uid: str) -> Iterator[str]:
    """The server of the run; its workers share it."""
    given = os.environ.get("BILLING_GQL_TEST_DATABASE_URL")
    if given:
        yield given
        return
    # Not below pytest's own folder, which the server's user may not enter where we are root.
    data_dir = Path(tempfile.gettempdir()) / f"billing-gql-tests-{testrun_uid[:8]}"
    with running_server(data_dir, durable=False) as url:
        yield url


@pytest.fixture(scope="session")
async def database_url(server_url: str, testrun_uid: str, worker_id: str) -> AsyncIterator[str]:
    """An empty, migrated database of this worker."""
    name = f"test_{testrun_uid[:8]}_{worker_id}"
    admin = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    try:
        yield url
    finally:
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """The worker's database, open."""
    # How busy the machine is must not decide a test.
    opened = Database(database_url, pool_size=40, statement_seconds=60)
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def service_url(database: Database) -> AsyncIterator[str]:
    """The service on a real port, without a worker: tests say themselves when to bill."""
    async with serving(make_app(Settings(), database)) as url:
        yield url


@pytest.fixture(scope="session")
async def http(service_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service, without a key."""
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=service_url, timeout=120, limits=limits) as client:
        yield client


@pytest.fixture
async def api(http: httpx.AsyncClient, database: Database) -> Api:
    """A new TEST organization, its clock at 2026-01-01 in UTC, in USD."""
    return await new_organization(http, database)


@pytest.fixture
async def other(http: httpx.AsyncClient, database: Database) -> Api:
    """Another organization, for what must not be seen from the first."""
    return await new_organization(http, database, name="Other")
