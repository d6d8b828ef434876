"""Live updates over WebSockets: graphql-transport-ws, who may connect, and what ends it."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from billing_gql.graph import sockets
from billing_gql.graph.http import GraphqlEndpoint
from tests.graph.streams import CHANGED, LARGE, PATIENCE, talking
from tests.support import Api, Json

BRIEF = "subscription { invoiceChanged { id memo } }"


async def memo(api: Api, invoice: Json, words: str) -> None:
    await api.done("invoiceUpdate", "invoice { id }", invoiceId=invoice["id"], memo=words)


async def test_several_subscriptions_on_one_connection(
    api: Api, other: Api, service_url: str
) -> None:
    customer = await api.customer()
    one, two = await api.one_off(customer, "1.00"), await api.one_off(customer, "2.00")
    theirs = await other.one_off(await other.customer(), "1.00")
    async with talking(service_url, key=api.key) as talk:
        await talk.subscribe("a", invoice=one["id"])
        await talk.is_live()
        await talk.subscribe("b", BRIEF)
        await talk.is_live()
        await memo(other, theirs, "Theirs")
        await memo(api, two, "Two")
        assert await talk.invoice("b") == {"id": two["id"], "memo": "Two"}
        await talk.send(type="complete", id="b")
        await talk.send(type="ping")
        await talk.is_live()
        await memo(api, two, "Nobody")
        await memo(api, one, "One")
        assert (await talk.invoice("a"))["memo"] == "One"
        await talk.subscribe("b", BRIEF)
        await talk.is_live()
        await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=one["id"])
        assert await talk.receive() == {"type": "complete", "id": "a"}


async def test_the_key_in_the_handshake_or_in_the_first_message(api: Api, service_url: str) -> None:
    bearer = f"Bearer {api.key}"
    async with talking(service_url, header=bearer) as talk:
        await talk.send(type="connection_init")
        assert await talk.receive() == {"type": "connection_ack"}
        await talk.subscribe("a", BRIEF)
        await talk.is_live()
    for payload in ({"Authorization": bearer}, {"authorization": bearer}):
        async with talking(service_url, header="Bearer sk_test_wrong") as talk:
            await talk.send(type="connection_init", payload=payload)
            assert await talk.receive() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (None, "Send your API key"),
        ({}, "Send your API key"),
        ({"Authorization": 7}, "Send your API key"),
        ({"Authorization": "Bearer sk_test_wrong"}, "This API key is not known here."),
    ],
)
async def test_without_a_good_key_it_is_closed(
    service_url: str, payload: object, words: str
) -> None:
    async with talking(service_url) as talk:
        await talk.send(type="connection_init", payload=payload)
        code, reason = await talk.closed()
        assert code == 4403
        assert words in reason


async def test_nothing_runs_before_it_is_acknowledged(service_url: str) -> None:
    async with talking(service_url) as talk:
        await talk.subscribe("a", BRIEF)
        assert await talk.closed() == (4401, "Unauthorized")


async def test_who_does_not_say_who_it_is_is_closed(service_url: str, quick_init: None) -> None:
    async with talking(service_url) as talk:
        assert await talk.closed() == (4408, "Connection initialisation timeout")


@pytest.fixture
def quick_init(application: Starlette, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Shortens the time in which a connection must be authenticated."""
    for route in application.routes:
        if isinstance(route, Route) and isinstance(route.app, GraphqlEndpoint):
            wait = route.app.connection_init_wait_timeout
            monkeypatch.setattr(route.app, "connection_init_wait_timeout", wait / 1_000)
            yield
            return
    raise AssertionError("there is no endpoint")


async def test_the_older_protocol_is_refused(service_url: str) -> None:
    async with talking(service_url, protocol="graphql-ws") as talk:
        assert talk.socket.subprotocol is None
        assert await talk.closed() == (4406, "Subprotocol not acceptable")


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [
        ("{", 4400, "must be valid JSON"),
        (b"{}", 4400, "must be text"),
        ("[]", 4400, "Not a message of graphql-transport-ws"),
        ('{"type": "start", "id": "1"}', 4400, "start"),
        ('{"type": "subscribe", "id": 1, "payload": {"query": "{a}"}}', 4400, "$.id"),
        ('{"type": "subscribe", "id": "1", "payload": 1}', 4400, "$.payload"),
        (
            '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}}',
            4400,
            "$.payload.variables",
        ),
        ('{"type": "connection_init"}', 4429, "Too many"),
        ('{"type": "' + "x" * 2_000_000 + '"}', 1009, "at most 2,000,000 bytes"),
    ],
)
async def test_what_is_no_message_closes_the_connection(
    api: Api, service_url: str, sent: str | bytes, code: int, words: str
) -> None:
    async with talking(service_url, key=api.key) as talk:
        await talk.socket.send(sent)
        closed, reason = await talk.closed()
        assert closed == code
        assert words in reason


async def test_one_id_is_used_once_at_a_time(api: Api, service_url: str) -> None:
    async with talking(service_url, key=api.key) as talk:
        await talk.subscribe("a", BRIEF)
        await talk.is_live()
        await talk.subscribe("a", BRIEF)
        assert await talk.closed() == (4409, "Subscriber for a already exists")


async def test_what_cannot_run_fails_alone(api: Api, other: Api, service_url: str) -> None:
    theirs = await other.one_off(await other.customer(), "1.00")
    two = "subscription A { invoiceChanged { id } } subscription B { invoiceChanged { id } }"
    async with talking(service_url, key=api.key) as talk:
        for query, invoice, code, words in [
            ("subscription {", None, "BAD_REQUEST", "Syntax Error"),
            ("subscription { nothing }", None, "BAD_REQUEST", "Cannot query field"),
            ("{ organization { id } }", None, "BAD_REQUEST", "Only subscriptions are streamed"),
            (two, None, "BAD_REQUEST", "several operations"),
            (CHANGED, theirs["id"], "BAD_USER_INPUT", "There is no invoice"),
            (CHANGED, {"a": 1}, "BAD_REQUEST", "ID cannot represent"),
        ]:
            await talk.subscribe("a", query, **({"invoice": invoice} if invoice else {}))
            message = await talk.receive()
            assert (message["type"], message["id"]) == ("error", "a")
            (error,) = message["payload"]
            assert error["extensions"]["code"] == code
            assert words in error["message"]
            await talk.is_live()


async def test_a_connection_has_so_many_and_no_more(api: Api, service_url: str) -> None:
    async with talking(service_url, key=api.key) as talk:
        for n in range(50):
            await talk.subscribe(str(n), BRIEF)
            await talk.is_live()
        await talk.subscribe("50", BRIEF)
        message = await talk.receive()
        assert (message["type"], message["id"]) == ("error", "50")
        (error,) = message["payload"]
        assert error["extensions"] == {"code": "TOO_MANY_SUBSCRIPTIONS"}
        assert "at most 50" in error["message"]


async def test_the_process_has_so_many_connections_and_no_more(
    api: Api, service_url: str, application: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.state.live, "most", 0)
    with pytest.raises(InvalidStatus) as refused:
        async with talking(service_url, key=api.key):
            pass
    assert refused.value.response.status_code == 403


async def test_a_connection_that_ends_leaves_nothing_behind(
    api: Api, service_url: str, application: Starlette
) -> None:
    async with talking(service_url, key=api.key) as talk:
        for n in range(3):
            await talk.subscribe(str(n), BRIEF)
            await talk.is_live()
        assert application.state.live.count(api.organization_id) == 3
        talk.socket.transport.abort()
    async with asyncio.timeout(30):
        while application.state.live.count(api.organization_id):  # noqa: ASYNC110 # the server is told of it
            await asyncio.sleep(0.01)


async def test_who_reads_nothing_is_given_up(
    api: Api, service_url: str, application: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SEND_SECONDS", 0.2)
    draft = await api.one_off(await api.customer(), "1.00")
    async with (
        talking(service_url, key=api.key, compression=None) as talk,
        asyncio.timeout(PATIENCE),
    ):
        await talk.subscribe("a", LARGE)
        await talk.is_live()
        talk.socket.transport.pause_reading()
        n = 0
        while application.state.live.count(api.organization_id):
            n += 1
            await memo(api, draft, f"{n} " + "x" * 4_900)
        talk.socket.transport.abort()
