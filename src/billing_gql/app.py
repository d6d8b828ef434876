"""The composition root: settings and a database make the ASGI application."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from billing_gql.billing_runs.worker import work_for_ever
from billing_gql.documents.typeset import Press
from billing_gql.graph import graphiql
from billing_gql.graph.bodies import HttpProblem, error_response, json_response
from billing_gql.graph.documents import document_routes
from billing_gql.graph.events import EventsEndpoint
from billing_gql.graph.graphiql import GraphiqlPage
from billing_gql.graph.hosted import page_routes
from billing_gql.graph.http import GraphqlEndpoint
from billing_gql.graph.links import Links
from billing_gql.graph.live import Live
from billing_gql.graph.observe import MetricsEndpoint, ObserveRequests
from billing_gql.graph.schema import make_schema
from billing_gql.graph.stripe_webhook import StripeWebhook
from billing_gql.payments.providers import make_providers, make_stripe
from billing_gql.settings import Settings
from billing_gql.store.database import Database, DatabaseError
from billing_gql.store.migrate import is_current

log = structlog.get_logger()


def make_app(
    settings: Settings,
    database: Database,
    *,
    with_worker: bool = False,
    page: GraphiqlPage | None = None,
) -> Starlette:
    """The application; with `with_worker` it bills what falls due in this process too.

    Streams have no end of their own, so whoever serves it calls `state.live.stop` before it waits
    for open connections.
    """
    stripe = make_stripe(settings)
    providers = make_providers(stripe)

    links = Links(settings.signing_key, settings.public_url, settings.link_seconds)
    press = Press(
        at_once=settings.document_processes,
        seconds=settings.document_seconds,
        most_bytes=settings.document_bytes,
    )
    # A fifth of the pool reads what changed; the rest stays with those who ask.
    readers = max(1, settings.pool_size // 5)
    live = Live(database, most=settings.max_subscriptions, readers=readers)
    graphql = GraphqlEndpoint(
        make_schema(trace_fields=settings.trace_fields),
        database,
        providers,
        links,
        page or GraphiqlPage(),
        settings,
        live,
    )
    application = Starlette(
        exception_handlers={404: _unknown},
        middleware=[Middleware(ObserveRequests), *_cors(settings.allowed_origins)],
        routes=[
            Route("/", _home),
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            Route("/v1/events", EventsEndpoint(database, settings)),
            *document_routes(database, links, press),
            *page_routes(database, links),
            Route(
                "/v1/stripe/webhook",
                StripeWebhook(database, stripe, settings.stripe_webhook_secrets),
            ),
            *_probes(database),
            Route("/metrics", MetricsEndpoint(settings.metrics_token)),
            *(_graphiql_files() if settings.graphiql else ()),
        ],
        lifespan=_lifespan(
            database,
            partial(work_for_ever, database, providers, settings.worker_seconds)
            if with_worker
            else None,
            [live.stop, press.close, *([stripe.close] if stripe else []), database.close],
        ),
    )
    application.state.live = live
    return application


def _lifespan(
    database: Database,
    work: Callable[[], Coroutine[None, None, None]] | None,
    closing: list[Callable[[], Coroutine[None, None, None]]],
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """What is done before the first request and after the last: `closing`, in that order."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await database.check_server()
        async with AsyncExitStack() as ends:
            for close in reversed(closing):
                ends.push_async_callback(close)
            if work is not None:
                await ends.enter_async_context(_meanwhile(work()))
            # What start-up made lives for ever: looking through it again is what slow answers wait
            # for.
            gc.collect()
            gc.freeze()
            gc.set_threshold(5_000, 20, 100)
            yield

    return lifespan


@asynccontextmanager
async def _meanwhile(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _cors(origins: list[str]) -> Iterator[Middleware]:
    """Lets pages of these origins, if there are any, call the API and read its answers.

    No credentials: nothing is opened by a cookie, only by the key that a page sends itself.
    """
    if origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Content-Encoding", "traceparent"],
            expose_headers=["Retry-After", "traceresponse"],
        )


def _graphiql_files() -> list[Mount]:
    static = Path(graphiql.__file__).parent / "static"
    return [
        Mount("/graphiql/assets", StaticFiles(packages=[graphiql.ASSETS_PACKAGE])),
        Mount("/graphiql", StaticFiles(directory=static)),
    ]


def _probes(database: Database) -> list[Route]:
    """What a supervisor of processes asks."""

    async def ready(_: Request) -> Response:
        """Whether requests can be answered: the database is there and has this version's schema."""
        try:
            await database.check_server()
            current = await is_current(database)
        except DatabaseError as error:
            # Anybody may ask this: where the database is and who it is asked as stays in the log.
            log.warning("not ready", reason=str(error))
            message = "The database cannot be used; the log says why."
            return json_response({"status": "unavailable", "message": message}, 503)
        if not current:
            message = "The database has another version's schema: run `billing-gql migrate`."
            return json_response({"status": "unavailable", "message": message}, 503)
        return json_response({"status": "ok"})

    async def healthy(_: Request) -> Response:
        """Whether this process runs."""
        return json_response({"status": "ok"})

    return [Route("/healthz", healthy), Route("/readyz", ready)]


async def _home(_: Request) -> Response:
    return RedirectResponse("/graphql")


async def _unknown(_: Request, __: Exception) -> Response:
    return error_response(
        HttpProblem(404, "NOT_FOUND", "The API is at /graphql, events go to /v1/events.")
    )
