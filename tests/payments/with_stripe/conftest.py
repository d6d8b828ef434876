"""A Stripe of our own for the run, and a service that is set up with it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from stripe import HTTPXClient, StripeClient

from billing_gql.app import make_app
from billing_gql.organizations.tables import OrganizationMode
from billing_gql.payments.providers import Providers, make_providers, make_stripe
from billing_gql.payments.providers.stripe import Stripe
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from tests.payments.with_stripe.stripe_support import (
    LIVE_KEY,
    LIVE_SIGNING,
    TEST_KEY,
    TEST_SIGNING,
    Fake,
)
from tests.support import Api, new_organization


@pytest.fixture(scope="session")
def stripe_base() -> Iterator[str]:
    """The address of the fake, which ends with this process."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.payments.with_stripe.fake"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


@pytest.fixture(scope="session")
def stripe_settings(stripe_base: str) -> Settings:
    """Both accounts, at the fake."""
    return Settings(
        stripe_secret_key=SecretStr(LIVE_KEY),
        stripe_webhook_secret=SecretStr(LIVE_SIGNING),
        stripe_test_secret_key=SecretStr(TEST_KEY),
        stripe_test_webhook_secret=SecretStr(TEST_SIGNING),
        stripe_api_base=stripe_base,
    )


@pytest.fixture(scope="session")
async def stripe(stripe_settings: Settings) -> AsyncIterator[Stripe]:
    """The provider, for runs that tests start themselves."""
    made = make_stripe(stripe_settings)
    assert made is not None
    yield made
    await made.close()


@pytest.fixture(scope="session")
def providers(stripe: Stripe) -> Providers:
    """The registry with it."""
    return make_providers(stripe)


@pytest.fixture(scope="session")
async def http(database: Database, stripe_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that is set up with Stripe, without a key."""
    application = make_app(stripe_settings, database)
    server = uvicorn.Server(
        uvicorn.Config(
            application, port=0, log_config=None, lifespan="off", timeout_keep_alive=3600
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 # uvicorn tells it by this flag alone
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        yield client
    server.should_exit = True
    await serving


@pytest.fixture(scope="session")
async def merchant(stripe_base: str) -> AsyncIterator[httpx.AsyncClient]:
    """What the fake is told by tests."""
    async with httpx.AsyncClient(base_url=stripe_base, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
async def accounts(stripe_base: str) -> AsyncIterator[dict[bool, StripeClient]]:
    """The operator's own clients of the two accounts, by whether it is the one for TEST."""
    library = HTTPXClient()
    yield {
        is_test: StripeClient(key, base_addresses={"api": stripe_base}, http_client=library)
        for is_test, key in ((False, LIVE_KEY), (True, TEST_KEY))
    }
    await library.close_async()  # type: ignore[no-untyped-call] # the library's own gap


@pytest.fixture
async def fake(merchant: httpx.AsyncClient, accounts: dict[bool, StripeClient]) -> Fake:
    """The fake, with nothing wrong and nothing asked."""
    assert (await merchant.post("/_config/fake/reset")).is_success
    return Fake(merchant, accounts)


@pytest.fixture
async def live(http: httpx.AsyncClient, database: Database) -> Api:
    """A new LIVE organization."""
    return await new_organization(http, database, name="Live", mode=OrganizationMode.LIVE)
