"""The hub of live updates by itself: what waits for a slow client, and where that ends."""

import pytest
from graphql import GraphQLError

from billing_gql.graph.live import MOST_PENDING, Live
from billing_gql.store.database import Database
from billing_gql.store.listen import Change
from tests.support import Api


async def test_each_invoice_waits_once_in_the_order_of_its_first_change(
    database: Database, api: Api
) -> None:
    live = Live(database, most=2, readers=1)
    try:
        watch = await live.watch(api.organization_id, None, None)
        for name in ("a", "b", "a", "a", "c"):
            live.tell(Change(api.organization_id, name, "cus"))
        live.tell(Change("org_other", "d", "cus"))
        assert [await watch.changed() for _ in range(3)] == ["a", "b", "c"]
        live.tell(Change(api.organization_id, "a", "cus"))
        assert await watch.changed() == "a"
    finally:
        await live.stop()


async def test_more_than_it_holds_ends_it_and_no_other(database: Database, api: Api) -> None:
    live = Live(database, most=2, readers=1)
    try:
        slow = await live.watch(api.organization_id, None, None)
        narrow = await live.watch(api.organization_id, None, "cus_0")
        for n in range(MOST_PENDING):
            live.tell(Change(api.organization_id, f"inv_{n}", f"cus_{n}"))
        assert await slow.changed() == "inv_0"
        for n in (MOST_PENDING, MOST_PENDING + 1):
            live.tell(Change(api.organization_id, f"inv_{n}", f"cus_{n}"))
        with pytest.raises(GraphQLError, match="More than 1,000 invoices changed") as ended:
            await slow.changed()
        assert ended.value.extensions == {"code": "TOO_SLOW"}
        assert await narrow.changed() == "inv_0"
    finally:
        await live.stop()


async def test_what_cannot_be_caught_up_ends_the_streams(database: Database, api: Api) -> None:
    live = Live(database, most=2, readers=1)
    try:
        watch = await live.watch(api.organization_id, None, None)
        live.lost(api.organization_id)
        with pytest.raises(GraphQLError, match="Changes may have been missed") as ended:
            await watch.changed()
        assert ended.value.extensions == {"code": "CHANGES_LOST"}
    finally:
        await live.stop()


async def test_a_watch_that_is_dropped_is_forgotten(database: Database, api: Api) -> None:
    live = Live(database, most=1, readers=1)
    try:
        watch = await live.watch(api.organization_id, None, None)
        with pytest.raises(GraphQLError, match="1 live subscriptions already"):
            await live.watch(api.organization_id, None, None)
        del watch
        assert live.count(api.organization_id) == 0
        await live.watch(api.organization_id, None, None)
    finally:
        await live.stop()


async def test_after_the_stop_nothing_begins(database: Database, api: Api) -> None:
    live = Live(database, most=1, readers=1)
    watch = await live.watch(api.organization_id, None, None)
    await live.stop()
    for attempt in (watch.changed, lambda: live.watch(api.organization_id, None, None)):
        with pytest.raises(GraphQLError, match="The server goes down"):
            await attempt()


async def test_a_server_that_is_not_there_is_told(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing_gql.store.listen.BEAT_SECONDS", 0.2)
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    live = Live(nowhere, most=1, readers=1)
    try:
        with pytest.raises(GraphQLError, match="Changes cannot be heard of now") as told:
            await live.watch(api.organization_id, None, None)
        assert told.value.extensions == {"code": "UNAVAILABLE"}
        assert live.count(api.organization_id) == 0
    finally:
        await live.stop()
        await nowhere.close()
