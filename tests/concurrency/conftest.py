"""What calls at once need, and what must hold after them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from billing_gql.store.database import Database
from tests.concurrency.books import assert_books_are_right
from tests.support import Api


@pytest.fixture(scope="module", autouse=True)
async def warm(database: Database) -> None:
    """Opens the pool: waiting for their own connections, calls would come one after another."""
    async with AsyncExitStack() as stack:
        for _ in range(32):
            await stack.enter_async_context(database.engine.connect())


@pytest.fixture(autouse=True)
async def books(api: Api) -> AsyncIterator[None]:
    """Whatever met whatever: the organization's books hold after each of these tests."""
    yield
    await assert_books_are_right(api.database, api.organization_id)
