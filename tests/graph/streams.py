"""Clients of live updates: server-sent events with httpx, WebSockets with websockets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support import Api, Json

PATIENCE = 30
"""Seconds after which a test that waits for an answer fails."""
CHANGED = """subscription ($invoice: ID, $customer: ID) {
  invoiceChanged(invoiceId: $invoice, customerId: $customer) { id status memo lineItems { name } }
}"""
LARGE = f"subscription {{ invoiceChanged {{ {' '.join(f'm{n}: memo' for n in range(25))} }} }}"
PROTOCOL = "graphql-transport-ws"


class Events:
    """An open event stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments = 0
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, Json | None]:
        """The next event and its data."""
        name = ""
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data:"):
                    data = line.removeprefix("data:").strip()
                    return name, msgspec.json.decode(data) if data else None
        raise EOFError

    async def comment(self) -> None:
        """Waits for one more comment."""
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                    return

    async def invoice(self) -> Json:
        """The next changed invoice."""
        name, data = await self.next()
        assert name == "next"
        assert data is not None
        assert "errors" not in data, data
        found: Json = data["data"]["invoiceChanged"]
        return found

    async def failed(self) -> Json:
        """The error that ends the stream."""
        name, data = await self.next()
        assert name == "next"
        assert data is not None
        assert data.get("data") is None
        error = data["errors"][0]
        assert await self.next() == ("complete", None)
        found: Json = error
        return found


@asynccontextmanager
async def watching(
    api: Api,
    *,
    query: str = CHANGED,
    headers: Mapping[str, str] | None = None,
    http: httpx.AsyncClient | None = None,
    **variables: object,
) -> AsyncIterator[Events]:
    """A subscription over server-sent events, live once it is entered."""
    async with (http or api.http).stream(
        "POST",
        "/graphql",
        json={"query": query, "variables": variables},
        headers={**api.headers, "Accept": "text/event-stream", **(headers or {})},
    ) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        yield Events(response)


class Talk:
    """A WebSocket that speaks graphql-transport-ws."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: object) -> None:
        await self.socket.send(msgspec.json.encode(message).decode())

    async def receive(self) -> Json:
        async with asyncio.timeout(PATIENCE):
            text = await self.socket.recv()
        assert isinstance(text, str)
        message: Json = msgspec.json.decode(text)
        return message

    async def subscribe(self, operation_id: str, query: str = CHANGED, **variables: object) -> None:
        """Subscribes; live when it returns, or failed with its answer still to be received."""
        payload = {"query": query, "variables": variables}
        await self.send(type="subscribe", id=operation_id, payload=payload)
        await self.send(type="ping")

    async def is_live(self) -> None:
        assert await self.receive() == {"type": "pong"}

    async def invoice(self, operation_id: str) -> Json:
        """The next message, which must be a changed invoice of the operation."""
        message = await self.receive()
        assert (message["type"], message["id"]) == ("next", operation_id), message
        assert "errors" not in message["payload"], message
        found: Json = message["payload"]["data"]["invoiceChanged"]
        return found

    async def closed(self) -> tuple[int, str]:
        """The code and reason with which the server closed."""
        async with asyncio.timeout(PATIENCE):
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""


@asynccontextmanager
async def talking(
    url: str,
    *,
    key: str | None = None,
    header: str | None = None,
    protocol: str = PROTOCOL,
    compression: str | None = "deflate",
) -> AsyncIterator[Talk]:
    """A connection; with a key one that is acknowledged."""
    headers = {"Authorization": header} if header else {}
    address = f"{url.replace('http', 'ws', 1)}/graphql"
    async with connect(
        address,
        subprotocols=[Subprotocol(protocol)],
        additional_headers=headers,
        compression=compression,
        open_timeout=PATIENCE,
    ) as socket:
        talk = Talk(socket)
        if key is not None:
            await talk.send(type="connection_init", payload={"Authorization": f"Bearer {key}"})
            assert await talk.receive() == {"type": "connection_ack"}
        yield talk
