"""Subscriptions over server-sent events and over graphql-transport-ws; strawberry speaks both.

The older protocol, graphql-ws, is refused: it let operations run before the connection was
authenticated.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import cast

import structlog
from cross_web import AsyncHTTPRequestAdapter
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.http.streaming import SSETransport
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.unset import UnsetType

from billing_gql.graph.admission import Admission
from billing_gql.graph.context import Context
from billing_gql.graph.links import Links
from billing_gql.graph.live import Live, StreamContext
from billing_gql.graph.schema import BillingSchema
from billing_gql.graph.sockets import (
    SEND_SECONDS,
    Handler,
    Socket,
    close_socket,
    either,
    open_socket,
)
from billing_gql.settings import Settings

log = structlog.get_logger()

EVENT_STREAM = "text/event-stream"
INIT_SECONDS = 10.0
"""How long a WebSocket may take to say who it is."""
SUBSCRIPTIONS_A_CONNECTION = 50


class Streams(GraphQL[Context, None]):
    """The part of the endpoint that has answers without an end."""

    schema: BillingSchema

    def __init__(
        self,
        schema: BillingSchema,
        live: Live,
        admission: Admission,
        links: Links,
        settings: Settings,
    ) -> None:
        super().__init__(
            schema,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=INIT_SECONDS),
            max_subscriptions_per_connection=SUBSCRIPTIONS_A_CONNECTION,
            # Nothing here trusts a cookie: a page of another origin must bring a key as any client.
            allowed_origins=("*",),
        )
        self.live = live
        self.admission = admission
        self.links = links
        self.settings = settings
        self.websocket_adapter_class = Socket
        self.graphql_transport_ws_handler_class = Handler
        self.stream_transport_classes_by_protocol = {
            GRAPHQL_SSE_PROTOCOL: _event_stream(settings.heartbeat_seconds)
        }

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult | list[ExecutionResult] | SubscriptionExecutionResult:
        if isinstance(request_data, list) or request_data.protocol != "sse":
            return await super().execute_operation(
                request, request_adapter, request_data, context, root_value, sub_response
            )
        self.admission.operation(request_data.query, request_data.operation_name)
        own = StreamContext(self.live, self.admission, self.links, request)
        own.enter(context.organization)
        source = await self.schema.stream(
            request_data.query,
            variable_values=request_data.variables,
            context_value=own,
            operation_name=request_data.operation_name,
            operation_extensions=request_data.extensions,
        )
        # The answer begins once later changes are heard of, so a client that reads the present
        # state after that misses nothing.
        first = asyncio.create_task(_next_of(source))
        await either(first, own.started)
        request.state.stream = source
        return cast("SubscriptionExecutionResult", _resumed(first, source))

    async def create_streaming_response(
        self,
        request: Request | WebSocket,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        return _EventStream(stream(), request.state.stream, headers)

    async def answer_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a WebSocket until either side closes it."""
        socket = open_socket(scope, receive, send, self.settings.graphql_body_bytes)
        close = partial(close_socket, socket)
        if not self.live.opened(close):
            await socket.close(1013)
            return
        context = StreamContext(self.live, self.admission, self.links, socket)
        try:
            await self.run(socket, context=context)
        except Exception as failure:
            shown = self.admission.shown(GraphQLError("fault", original_error=failure))
            await close(1011, shown.message)
        finally:
            self.live.closed(close)

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Authenticates; raises Unauthenticated. A browser can only send the key in the payload."""
        if not isinstance(context, StreamContext):
            raise AssertionError("a WebSocket has a context of its own kind")
        sent = context.connection_params
        given = sent.get("Authorization", sent.get("authorization", context.authorization))
        context.authorization = given if isinstance(given, str) else None
        context.connection_params = {}
        try:
            await context.authenticate()
        finally:
            await context.close()
        return UnsetType()  # one object: says that the acknowledgement has no payload


async def _next_of(
    source: AsyncGenerator[ExecutionResult, None],
) -> ExecutionResult | None:
    return await anext(source, None)


async def _resumed(
    first: asyncio.Task[ExecutionResult | None], source: AsyncGenerator[ExecutionResult, None]
) -> AsyncGenerator[ExecutionResult, None]:
    result = await first
    if result is not None:
        yield result
        async for one in source:
            yield one


def _event_stream(heartbeat_seconds: float) -> type[SSETransport]:
    class EventStream(SSETransport):
        # Proxies pass on the head of an answer with its first bytes.
        send_initial_heartbeat = True

        def __init__(self) -> None:
            super().__init__(heartbeat_seconds)

        def accepts(self, accept: str) -> bool:
            """Whether the client would rather have this than JSON; many name both."""
            for part in accept.split(","):
                media_type = part.partition(";")[0].strip().lower()
                if media_type == EVENT_STREAM:
                    return True
                if media_type == "*/*" or media_type.startswith("application/"):
                    return False
            return False

    return EventStream


class _EventStream(StreamingResponse):
    """An answer that goes on until the client leaves or takes nothing any more."""

    def __init__(
        self,
        chunks: AsyncIterator[str],
        source: AsyncGenerator[ExecutionResult, None],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(chunks, headers=headers)
        self._sources = (cast("AsyncGenerator[str, None]", chunks), source)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            log.info("stream given up", reason="the client does not read")
        finally:
            # From the outside in: what was cut off while it sent is not waiting for the next.
            for one in self._sources:
                await one.aclose()
