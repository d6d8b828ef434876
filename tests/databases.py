"""Databases of the run's server. Each is dropped at the end, whoever still uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine


@asynccontextmanager
async def new_database(server_url: str, like: str | None = None) -> AsyncIterator[str]:
    """The address of a new one: without tables, or a copy of the one at the address given."""
    name = f"test_{uuid4().hex[:12]}"
    copied = "" if like is None else f" TEMPLATE {make_url(like).database}"
    admin = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}{copied}"))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()
