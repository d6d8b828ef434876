"""The service on a real port, with settings of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from billing_gql.graph.context import Context
from billing_gql.graph.links import Links
from billing_gql.store.database import Database


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serves the application meanwhile; its address."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            port=0,
            log_config=None,
            lifespan="off",
            # Longer than any test: else a connection may close just as the client uses it again.
            timeout_keep_alive=3600,
        )
    )
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 # uvicorn tells it by this flag alone
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def nobodys_context(database: Database) -> Context:
    """What a request carries before it is known whose it is."""
    scope = {"type": "http", "scheme": "http", "server": ("test", 80), "path": "/", "headers": []}
    return Context(database, {}, Links(None, None, 60), HTTPConnection(scope))
