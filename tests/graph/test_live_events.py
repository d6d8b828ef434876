"""Live updates over server-sent events: what is told, to whom, and when."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import make_url, text
from starlette.applications import Starlette

from billing_gql.graph import streams
from billing_gql.graph.live import Live
from billing_gql.invoices.edit import update_invoice
from billing_gql.organizations.create import create_key
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from billing_gql.store import listen
from billing_gql.store.database import Database
from tests.graph.streams import CHANGED, LARGE, PATIENCE, watching
from tests.support import Api, Json, counted
from tests.verbs import done

BRIEF = "subscription { invoiceChanged { id memo } }"


async def memo(api: Api, invoice: Json, words: str) -> None:
    await api.done("invoiceUpdate", "invoice { id }", invoiceId=invoice["id"], memo=words)


async def test_what_changes_is_sent_as_it_is(api: Api) -> None:
    draft = await api.one_off(await api.customer(), "10.00")
    async with watching(api) as events:
        await memo(api, draft, "Thanks")
        assert await events.invoice() == {
            "id": draft["id"],
            "status": "DRAFT",
            "memo": "Thanks",
            "lineItems": [{"name": "Line 1"}],
        }
        await api.done("invoiceRefresh", "invoice { id }", invoiceId=draft["id"])
        assert (await events.invoice())["id"] == draft["id"]
        await api.done("invoiceFinalize", "invoice { id }", invoiceId=draft["id"])
        assert (await events.invoice())["status"] == "FINALIZED"
        await api.done("paymentRecord", "payment { id }", invoiceId=draft["id"], amount="4.00")
        assert (await events.invoice())["id"] == draft["id"]
        credit = {"invoiceId": draft["id"], "reason": "OTHER", "settlement": "OFFSET"}
        lines = [{"lineItemId": draft["lineItems"][0]["id"], "amount": "1.00"}]
        await api.done("creditNoteCreate", "creditNote { id }", **credit, lineItems=lines)
        assert (await events.invoice())["id"] == draft["id"]
        fresh = await api.one_off(await api.customer("globex"), "1.00")
        assert (await events.invoice())["id"] == fresh["id"]
        assert events.comments == 1  # at the beginning, for proxies


async def test_only_what_was_asked_for(api: Api, other: Api) -> None:
    acme, globex = await api.customer("acme"), await api.customer("globex")
    theirs = await other.one_off(await other.customer(), "1.00")
    of_acme, of_globex = await api.one_off(acme, "1.00"), await api.one_off(globex, "1.00")
    of_acme_too = await api.one_off(acme, "2.00")
    both = {"invoice": of_acme["id"], "customer": acme["id"]}
    async with (
        watching(api, invoice=of_acme["id"]) as one,
        watching(api, customer=acme["id"]) as two,
        watching(api, **both) as three,
        watching(api) as four,
        watching(other) as five,
    ):
        for invoice in (of_globex, of_acme_too, of_acme):
            await memo(api, invoice, "Now")
        await memo(other, theirs, "Theirs")
        assert (await one.invoice())["id"] == of_acme["id"]
        assert [(await two.invoice())["id"] for _ in range(2)] == [of_acme_too["id"], of_acme["id"]]
        assert (await three.invoice())["id"] == of_acme["id"]
        assert len({(await four.invoice())["id"] for _ in range(3)}) == 3
        assert (await five.invoice())["id"] == theirs["id"]


async def test_ids_that_are_not_there_end_the_stream(api: Api, other: Api) -> None:
    acme, globex = await api.customer("acme"), await api.customer("globex")
    mine = await api.one_off(acme, "1.00")
    theirs = await other.one_off(await other.customer(), "1.00")
    for variables, argument in [
        ({"invoice": theirs["id"]}, "invoiceId"),
        ({"invoice": "inv_nothing"}, "invoiceId"),
        ({"invoice": ""}, "invoiceId"),
        ({"customer": mine["id"]}, "customerId"),
        ({"invoice": mine["id"], "customer": globex["id"]}, "invoiceId"),
    ]:
        async with watching(api, **variables) as events:
            assert (await events.failed())["extensions"] == {
                "code": "BAD_USER_INPUT",
                "argument": [argument],
                "problem": "NOT_FOUND",
            }


async def test_only_what_is_committed(api: Api, database_url: str) -> None:
    draft = await api.one_off(await api.customer(), "1.00")
    async with watching(api, query=BRIEF) as events:
        with pytest.raises(ZeroDivisionError):
            async with api.database.transaction() as session:
                organization = await session.get_one(Organization, api.organization_id)
                actor = actor_of(organization)
                await update_invoice(session, actor, draft["id"], {"memo": "Never"})
                await session.flush()
                raise ZeroDivisionError
        elsewhere = Database(database_url, pool_size=1)
        try:
            await done(
                replace(api, database=elsewhere), update_invoice, draft["id"], {"memo": "Elsewhere"}
            )
        finally:
            await elsewhere.close()
        assert await events.invoice() == {"id": draft["id"], "memo": "Elsewhere"}


async def test_a_deleted_draft_is_not_sent_and_ends_its_own_stream(api: Api) -> None:
    customer = await api.customer()
    gone, stays = await api.one_off(customer, "1.00"), await api.one_off(customer, "2.00")
    async with watching(api, invoice=gone["id"]) as one, watching(api) as every:
        await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=gone["id"])
        await memo(api, stays, "Here")
        assert (await every.invoice())["id"] == stays["id"]
        assert await one.next() == ("complete", None)


async def test_an_update_is_three_statements_and_holds_no_connection(
    api: Api, application: Starlette
) -> None:
    draft = await api.one_off(await api.customer(), "1.00")
    async with watching(api) as events:
        await memo(api, draft, "First")
        await events.invoice()
        with counted(api.database) as statements:
            await done(api, update_invoice, draft["id"], {"memo": "Second"})
            verb = len(statements)
            await events.invoice()
        # The key, the invoice and its lines; they may have begun before the verb returned.
        read = [one for one in statements if "api_keys" in one]
        assert len(read) == 1
        assert len(statements) <= verb + 3
        turns = application.state.live.turns
        async with asyncio.timeout(PATIENCE), turns, turns:
            pass  # nobody holds one of the two


async def test_a_key_that_is_taken_back_ends_its_streams(api: Api) -> None:
    draft = await api.one_off(await api.customer(), "1.00")
    async with api.database.transaction() as session:
        organization = await session.get_one(Organization, api.organization_id)
        second = replace(api, key=await create_key(session, organization))
    async with watching(second) as events, watching(api) as still:
        async with api.database.engine.begin() as connection:
            await connection.execute(
                text(
                    "DELETE FROM api_keys WHERE id = (SELECT max(id) FROM api_keys"
                    " WHERE organization_id = :id)"
                ),
                {"id": api.organization_id},
            )
        await memo(api, draft, "Secret")
        assert (await still.invoice())["memo"] == "Secret"
        assert (await events.failed())["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_what_changes_while_nobody_listens_is_told_later(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await api.one_off(await api.customer(), "1.00")
    monkeypatch.setattr(listen, "FIRST_PAUSE", 0.5)
    async with watching(api) as events:
        for words in ("One", "Two"):
            await kill_listener(api)
            await memo(api, draft, words)
            while (await events.invoice())["memo"] != words:
                pass
        await memo(api, draft, "Heard")
        while (await events.invoice())["memo"] != "Heard":
            pass


async def kill_listener(api: Api) -> None:
    """Ends the connection that listens, which there must be."""
    kill = text(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE application_name = 'billing-gql live' AND datname = current_database()"
    )
    for _ in range(1_000):
        async with api.database.engine.connect() as connection:
            if (await connection.execute(kill)).all():
                return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody listens")


@contextmanager
def deaf(api: Api, service_url: str) -> Iterator[None]:
    """A client that subscribes to 25 times the memo, and reads nothing."""
    at = make_url(service_url.replace("http", "postgresql"))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((at.host, at.port))
        body = msgspec.json.encode({"query": LARGE})
        client.sendall(
            f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
            "Accept: text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        yield


async def test_who_reads_nothing_delays_nobody_and_is_given_up(
    api: Api, service_url: str, application: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", 0.2)
    draft = await api.one_off(await api.customer(), "1.00")
    live: Live = application.state.live
    with deaf(api, service_url):
        async with watching(api, query=BRIEF) as events, asyncio.timeout(PATIENCE):
            while live.count(api.organization_id) < 2:  # noqa: ASYNC110 # it says nothing
                await asyncio.sleep(0.01)
            n = 0
            while live.count(api.organization_id) > 1:
                words = f"{n} " + "x" * 4_900
                n += 1
                await memo(api, draft, words)
                assert (await events.invoice())["memo"] == words


async def test_an_organization_has_so_many_and_no_more(
    api: Api, other: Api, application: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.state.live, "most", 1)
    async with watching(api):
        async with watching(api) as second:
            error = await second.failed()
            assert error["extensions"] == {"code": "TOO_MANY_SUBSCRIPTIONS"}
        async with watching(other):
            assert application.state.live.count(other.organization_id) == 1
    while application.state.live.count(api.organization_id):  # noqa: ASYNC110 # the server is told of it
        await asyncio.sleep(0.01)
    async with watching(api):
        pass


async def test_a_document_that_cannot_run_is_told_in_the_stream(api: Api) -> None:
    for query, words in [
        ("subscription {", "Syntax Error"),
        ("subscription { nothing }", "Cannot query field"),
        ("{ organization { id } }", "Only subscriptions are streamed"),
        ("mutation { invoiceRefresh(input: {invoiceId: 1}) { invoice { id } } }", "Only subscr"),
    ]:
        async with watching(api, query=query) as events:
            error = await events.failed()
            assert words in error["message"]
            assert error["extensions"]["code"] == "BAD_REQUEST"


async def test_limits_hold_for_streams_too(api: Api) -> None:
    many = " ".join(f"a{n}: id" for n in range(31))
    async with watching(api, query=f"subscription {{ invoiceChanged {{ {many} }} }}") as events:
        error = await events.failed()
    assert error["extensions"] == {"code": "TOO_MANY_ALIASES", "requested": 31, "limit": 30}


async def test_what_is_wrong_with_the_request_is_told_as_ever(api: Api) -> None:
    async def status(sent: dict[str, str], **body: object) -> tuple[int, str]:
        response = await api.http.post("/graphql", json=body, headers=sent)
        assert response.headers["content-type"].startswith("application/json")
        return response.status_code, response.json()["errors"][0]["extensions"]["code"]

    wants = {"Accept": "text/event-stream"}
    wrong = {**wants, "Authorization": "Bearer sk_test_wrong"}
    assert await status(wants, query=CHANGED) == (401, "UNAUTHENTICATED")
    assert await status(wrong, query=CHANGED) == (401, "UNAUTHENTICATED")
    assert await status({**wants, **api.headers}, query=7) == (400, "BAD_REQUEST")
    two = "subscription A { invoiceChanged { id } } subscription B { invoiceChanged { id } }"
    assert await status({**wants, **api.headers}, query=two) == (400, "BAD_REQUEST")
    for nothing in ("fragment F on Invoice { id }", ""):
        assert await status({**wants, **api.headers}, query=nothing) == (400, "BAD_REQUEST")
    assert await status(api.headers, query=CHANGED) == (406, "NOT_ACCEPTABLE")
    first = {"Accept": "application/json, text/event-stream", **api.headers}
    assert await status(first, query=CHANGED) == (406, "NOT_ACCEPTABLE")


async def test_a_client_that_can_do_both_gets_json_for_a_query(api: Api) -> None:
    both = {"Accept": "application/graphql-response+json, text/event-stream", **api.headers}
    response = await api.http.post(
        "/graphql", json={"query": "{ organization { name } }"}, headers=both
    )
    assert response.json()["data"] == {"organization": {"name": "Acme"}}


async def test_it_can_be_asked_for_by_get(api: Api) -> None:
    draft = await api.one_off(await api.customer(), "1.00")
    headers = {**api.headers, "Accept": "text/event-stream"}
    async with api.http.stream(
        "GET", "/graphql", params={"query": BRIEF}, headers=headers
    ) as response:
        await memo(api, draft, "By GET")
        lines = response.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == [": ping", "", "event: next"]
        told = msgspec.json.decode((await anext(lines)).removeprefix("data: "))
        assert told == {
            "data": {"invoiceChanged": {"id": draft["id"], "memo": "By GET"}},
            "extensions": {"cost": {"requested": 1, "limit": 10_000}},
        }
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
