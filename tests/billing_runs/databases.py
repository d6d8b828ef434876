"""Databases of their own, for tests that change a schema or kill those who use one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from billing_gql.store.database import Database


@asynccontextmanager
async def empty_database(server_url: str) -> AsyncIterator[tuple[str, Database]]:
    """A new, empty database and its URL; dropped at the end, whoever still uses it."""
    name = f"test_own_{uuid4().hex[:12]}"
    admin = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    database = Database(url)
    try:
        yield url, database
    finally:
        await database.close()
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()
