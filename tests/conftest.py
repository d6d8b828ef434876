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
from starlette.applications import Starlette

from billing_gql.app import make_app
from billing_gql.cli.common import settle
from billing_gql.logs import configure_logs
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.store.embedded import running_server
from billing_gql.store.migrate import migrate
from tests.databases import new_database
from tests.serving import serving
from tests.support import Api, new_organization

configure_logs("console", "warning")


def pytest_collection_finish() -> None:
    """Else a seventh of the time would go into looking for garbage in what was imported."""
    settle()


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
async def template_url(server_url: str) -> AsyncIterator[str]:
    """A migrated database that nobody uses: others of this worker are copies of it."""
    async with new_database(server_url) as url:
        template = Database(url)
        await migrate(template)
        await template.close()
        yield url


@pytest.fixture(scope="session")
async def database_url(server_url: str, template_url: str) -> AsyncIterator[str]:
    """The migrated database of this worker."""
    async with new_database(server_url, template_url) as url:
        yield url


@pytest.fixture
async def own_url(server_url: str, template_url: str) -> AsyncIterator[str]:
    """A migrated database of the test alone: it kills those who use it, or looks at all of it."""
    async with new_database(server_url, template_url) as url:
        yield url


@pytest.fixture
async def own_database(own_url: str) -> AsyncIterator[Database]:
    """The test's own database, open."""
    opened = Database(own_url)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """The worker's database, open."""
    # How busy the machine is must not decide a test.
    opened = Database(database_url, pool_size=40, statement_seconds=60)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def application(database: Database) -> Starlette:
    """The service as it is put together."""
    return make_app(Settings(request_seconds=300), database)


@pytest.fixture(scope="session")
async def service_url(application: Starlette) -> AsyncIterator[str]:
    """The service on a real port, without a worker: tests say themselves when to bill."""
    # How busy the machine is must not decide a test.
    async with serving(application) as address:
        yield address
        await application.state.live.stop()


@pytest.fixture(scope="session")
async def http(service_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service, without a key."""
    # With each request httpx looks at every pair of idle connections: few are kept.
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=4)
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


@pytest.fixture
async def alone(own_database: Database) -> AsyncIterator[Api]:
    """An organization that has a database to itself, with the service on it."""
    transport = httpx.ASGITransport(make_app(Settings(request_seconds=300), own_database))
    async with httpx.AsyncClient(transport=transport, base_url="http://alone") as client:
        yield await new_organization(client, own_database)
