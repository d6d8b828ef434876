"""A WebSocket that speaks graphql-transport-ws, within bounds. The protocol is strawberry's."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

import msgspec
import structlog
from graphql import GraphQLFormattedError
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived
from strawberry.subscriptions.protocols.graphql_transport_ws import types
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
)

from billing_gql.auth import Unauthenticated
from billing_gql.graph.bodies import HttpProblem
from billing_gql.graph.context import Context
from billing_gql.graph.live import StreamContext

log = structlog.get_logger()

SEND_SECONDS = 30.0
"""A client that takes nothing for so long is given up."""
MOST_REASON_BYTES = 123
"""What a close frame has room for."""


class _Init(msgspec.Struct, tag_field="type", tag="connection_init"):
    payload: dict[str, object] | None = None


class _Ping(msgspec.Struct, tag_field="type", tag="ping"):
    payload: dict[str, object] | None = None


class _Pong(msgspec.Struct, tag_field="type", tag="pong"):
    payload: dict[str, object] | None = None


class _Operation(msgspec.Struct):
    query: str | None = None
    documentId: object = None  # noqa: N815 # the draft's name
    variables: dict[str, object] | None = None
    operationName: str | None = None  # noqa: N815 # the protocol's name
    extensions: dict[str, object] | None = None


class _Subscribe(msgspec.Struct, tag_field="type", tag="subscribe"):
    id: str
    payload: _Operation


class _Complete(msgspec.Struct, tag_field="type", tag="complete"):
    id: str


_CLIENT_MESSAGE = _Init | _Ping | _Pong | _Subscribe | _Complete
"""What a client may send."""


def open_socket(scope: Scope, receive: Receive, send: Send, message_bytes: int) -> WebSocket:
    """The socket, which `state.gone` ends also where the client neither reads nor closes."""
    gone = asyncio.Event()

    async def receive_unless_gone() -> Message:
        task = asyncio.ensure_future(receive())
        try:
            await either(task, gone)
            return task.result() if task.done() else {"type": "websocket.disconnect", "code": 1001}
        finally:
            task.cancel()

    socket = WebSocket(scope, receive_unless_gone, send)
    socket.state.gone = gone
    socket.state.message_bytes = message_bytes
    return socket


async def close_socket(socket: WebSocket, code: int, reason: str) -> None:
    """Closes it, unless it is closed."""
    if socket.application_state is WebSocketState.CONNECTED:
        short = reason.encode()[:MOST_REASON_BYTES].decode(errors="ignore")
        try:
            await socket.close(code, short)
        except WebSocketDisconnect:
            return


async def either(task: asyncio.Future[Any], event: asyncio.Event) -> None:
    """Waits for what comes first."""
    told = asyncio.create_task(event.wait())
    try:
        await asyncio.wait((task, told), return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()


class Socket(ASGIWebSocketAdapter):
    """JSON in text frames, both ways."""

    ws: WebSocket

    async def iter_json(
        self, *, ignore_parsing_errors: bool = False
    ) -> AsyncGenerator[object, None]:
        try:
            while self.ws.application_state is WebSocketState.CONNECTED:
                text = await self.ws.receive_text()
                most: int = self.ws.state.message_bytes
                if len(text) > most:
                    await self.close(1009, f"A message may have at most {most:,} bytes.")
                    return
                yield self.view.decode_json(text)
        except KeyError:
            raise NonTextMessageReceived from None
        except HttpProblem:
            raise NonJsonMessageReceived from None
        except WebSocketDisconnect:
            return

    async def send_json(self, message: Mapping[str, object]) -> None:
        encoded = self.view.encode_json(message)
        text = encoded if isinstance(encoded, str) else encoded.decode()
        if self.ws.application_state is not WebSocketState.CONNECTED:
            return  # closed meanwhile
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.ws.send_text(text)
        except WebSocketDisconnect:
            return  # whoever receives is told too, and ends everything
        except TimeoutError:
            log.info("connection given up", reason="the client does not read")
            self.ws.state.gone.set()

    async def close(self, code: int, reason: str) -> None:
        await close_socket(self.ws, code, reason)


class Handler(BaseGraphQLTransportWSHandler[Context, None]):
    """One connection. Messages are checked, and answered in order, before strawberry sees them."""

    async def handle_message(self, message: types.Message) -> None:
        try:
            msgspec.convert(message, _CLIENT_MESSAGE)
        except msgspec.ValidationError as error:
            await self.handle_invalid_message(f"Not a message of graphql-transport-ws: {error}")
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: types.ConnectionInitMessage) -> None:
        if message.get("payload") is None:
            message = {"type": "connection_init"}
        try:
            await super().handle_connection_init(message)
        except Unauthenticated as error:
            await self.websocket.close(4403, str(error))

    async def handle_subscribe(self, message: types.SubscribeMessage) -> None:
        """Begins an operation; returns once it hears of every change, or has failed.

        What comes after it is answered after it, so a pong says that what was subscribed to
        before the ping is live.
        """
        if not isinstance(self.context, StreamContext):
            raise AssertionError("a WebSocket has a context of its own kind")
        if self.connection_acknowledged and message["id"] not in self.operations:
            sent = message["payload"]
            try:
                self._require_room()
                sent["query"] = await _text_of(self.context, sent)
                self.context.admission.operation(sent["query"], sent.get("operationName"))
            except HttpProblem as problem:
                error = {"message": problem.message, "extensions": {"code": problem.code}}
                payload = cast("list[GraphQLFormattedError]", [error])
                await self.send_message({"id": message["id"], "type": "error", "payload": payload})
                return
        self.context.started = asyncio.Event()
        before = self.operations.get(message["id"])
        await super().handle_subscribe(message)
        operation = self.operations.get(message["id"])
        if operation is not None and operation is not before and operation.task is not None:
            await either(operation.task, self.context.started)

    def _require_room(self) -> None:
        """Raises HttpProblem where the connection has as many subscriptions as it may."""
        most = self.max_subscriptions_per_connection
        if most is not None and len(self.operations) >= most:
            message = f"A connection has at most {most} subscriptions: end one, or open another."
            raise HttpProblem(429, "TOO_MANY_SUBSCRIPTIONS", message)


async def _text_of(context: StreamContext, sent: Mapping[str, Any]) -> str:
    """The text that a message means; raises HttpProblem."""
    own = context.of_one_operation()
    try:
        return await own.admission.persisted.text_of(
            own, sent.get("query"), sent.get("documentId"), sent.get("extensions")
        )
    finally:
        await own.close()
