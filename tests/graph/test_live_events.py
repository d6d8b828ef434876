"""Live updates over server-sent events: what is told, to whom, and when."""

import asyncio

import httpx
import pytest
from sqlalchemy import text

from billing_gql.invoices.edit import update_invoice
from billing_gql.store.database import Database
from tests.graph.streams import CHANGED, watching
from tests.support import Api, Json, counted
from tests.verbs import actor_for


async def memo(api: Api, invoice: Json, words: str) -> None:
    await api.done("invoiceUpdate", "invoice { id }", invoiceId=invoice["id"], memo=words)


async def test_what_changes_is_sent_as_it_is(api: Api) -> None:
    draft = await api.one_off(await api.customer(), "10.00")
    async with watching(api) as events:
        await memo(api, draft, "Thanks")
        seen = await events.invoice()
        assert seen == {
            "id": draft["id"],
            "status": "DRAFT",
            "memo": "Thanks",
            "lineItems": [{"name": "Line 1"}],
        }
        await api.done("invoiceFinalize", "invoice { id }", invoiceId=draft["id"])
        assert (await events.invoice())["status"] == "FINALIZED"
        await api.done("paymentRecord", "payment { id }", invoiceId=draft["id"])
        assert (await events.invoice())["id"] == draft["id"]
