"""`serve` and `demo`: the service on a port.

The web's modules are imported where they are used: other commands start faster without them.
"""

import asyncio
import errno
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from billing_gql.cli.common import (
    console,
    database_url,
    new_database,
    open_database,
    open_providers,
    prepare,
    progress_bar,
    read_settings,
    say,
    settle,
)
from billing_gql.settings import Settings

if TYPE_CHECKING:
    from billing_gql.graph.graphiql import GraphiqlPage

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    may_migrate: Annotated[
        bool | None,
        typer.Option(
            "--migrate/--no-migrate",
            help="Bring the schema to this version first; by default only with the bundled server.",
        ),
    ] = None,
) -> None:
    """Serve the API; with the bundled server the worker runs in this process too."""
    from billing_gql.graph.graphiql import GraphiqlPage

    settings = read_settings()
    allowed = settings.database_url is None if may_migrate is None else may_migrate
    remedy = "billing-gql migrate, or serve --migrate"

    async def ready(url: str) -> None:
        async with open_database(settings, url) as database:
            await prepare(database, may_migrate=allowed, remedy=remedy)

    with _bound(host, port) as listener, database_url(settings) as url:
        asyncio.run(ready(url))
        say(f"Serving on {_address(listener)}/graphql (Ctrl-C stops)")
        _serve(settings, url, listener, GraphiqlPage())


def demo(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Load the demo company, bill its January, and serve it with GraphiQL."""
    from billing_gql.demo.run import prepare_demo

    settings = read_settings()

    async def ready(url: str) -> "GraphiqlPage":
        async with open_database(settings, url) as database, open_providers(settings) as providers:
            await prepare(database, may_migrate=True, remedy="")
            with progress_bar() as progress:
                return await prepare_demo(database, providers, progress)

    with _bound(host, port) as listener:
        console.print(
            "[bold]billing-gql[/]: 16 airlines, January 2013, every departure from New York"
        )
        with database_url(settings) as url:
            page = asyncio.run(ready(url))
            say(f"\nGraphiQL:  {_address(listener)}/graphql   (Ctrl-C stops)")
            say(f"API key:   {page.key}\n")
            _serve(settings, url, listener, page)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has the port but does not listen yet, so that nobody waits at it in vain.

    Taken first of all: a port in use is told before anything is loaded.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                f"Port {port} of {host} is in use: stop what listens there, or give another"
                " with --port."
            ) from None
        raise OSError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _serve(settings: Settings, url: str, listener: socket.socket, page: "GraphiqlPage") -> None:
    import uvicorn

    from billing_gql.app import make_app

    application = make_app(
        settings,
        new_database(settings, url),
        with_worker=settings.database_url is None,
        page=page,
    )

    settle()

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # Else it would wait for streams that have no end of their own.
            await application.state.live.stop()
            await super().shutdown(sockets)

    server = Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
            ws_max_size=settings.graphql_body_bytes,
            ws_ping_interval=settings.heartbeat_seconds,
            ws_ping_timeout=settings.heartbeat_seconds,
        )
    )
    with suppress(KeyboardInterrupt):  # Ctrl-C, after the requests under way have been answered
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)  # uvicorn has logged why
