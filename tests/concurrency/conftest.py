"""What calls at once need."""

from contextlib import AsyncExitStack

import pytest

from billing_gql.store.database import Database


@pytest.fixture(scope="module", autouse=True)
async def warm(database: Database) -> None:
    """Opens the pool: waiting for their own connections, calls would come one after another."""
    async with AsyncExitStack() as stack:
        for _ in range(32):
            await stack.enter_async_context(database.engine.connect())
