"""Live updates of a real server: another process's changes, heartbeats, and how it goes down."""

import asyncio
import signal

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.typing import Subprotocol

from tests.cli.conftest import Cli
from tests.graph.streams import PATIENCE, PROTOCOL, Talk, watching
from tests.support import Api


class Pinged(ClientConnection):
    """A connection that knows whether the server has pinged it."""

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings.set()
        super().process_event(event)

    @property
    def pings(self) -> asyncio.Event:
        found: asyncio.Event = self.__dict__.setdefault("_pings", asyncio.Event())
        return found


async def test_a_server_that_is_told_to_end_ends_its_streams(cli: Cli, api: Api) -> None:
    draft = await api.one_off(await api.customer(), "1.00")
    beating = Cli({**cli.environment, "BILLING_GQL_HEARTBEAT_SECONDS": "0.2"})
    with beating.running("serve", "--port=0", says="Serving on.*") as service:
        await asyncio.to_thread(service.ask, api.key, "{ organization { id } }")
        async with (
            httpx.AsyncClient(base_url=service.url, timeout=PATIENCE) as http,
            watching(api, http=http) as events,
            connect(
                f"{service.url.replace('http', 'ws', 1)}/graphql",
                subprotocols=[Subprotocol(PROTOCOL)],
                create_connection=Pinged,
            ) as socket,
        ):
            assert isinstance(socket, Pinged)
            talk = Talk(socket)
            await talk.send(type="connection_init", payload={"Authorization": f"Bearer {api.key}"})
            assert await talk.receive() == {"type": "connection_ack"}
            await talk.subscribe("a")
            await talk.is_live()
            # The service of the tests is another process.
            words = {"invoiceId": draft["id"], "memo": "From elsewhere"}
            await api.done("invoiceUpdate", "invoice { id }", **words)
            assert (await events.invoice())["memo"] == "From elsewhere"
            assert (await talk.invoice("a"))["memo"] == "From elsewhere"
            for _ in range(2):
                await events.comment()
            async with asyncio.timeout(PATIENCE):
                await socket.pings.wait()
            service.process.send_signal(signal.SIGTERM)
            error = await events.failed()
            assert error["extensions"] == {"code": "SERVER_STOPPING"}
            assert await talk.closed() == (1001, "The server goes down. Connect again.")
        # Well before uvicorn's patience of 10 seconds with what is under way would end.
        assert await asyncio.to_thread(service.process.wait, 8) == -signal.SIGTERM
